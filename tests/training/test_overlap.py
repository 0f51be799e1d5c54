"""A copy of the model evaluated while the next epoch trains: the numbers of one after the other."""

import io
import threading

import pytest
import torch

from dropexp.regularisers import REGISTRY, find_noise_modules, read_p
from dropexp.runs.records import EpochRecord
from dropexp.training import loop
from dropexp.training.build import build_plan, build_state
from dropexp.training.checkpoint import restore, take_snapshot, to_bytes
from dropexp.training.loop import train
from dropexp.training.state import TrainingPlan, TrainingState
from tests.builders import build_parts, hash_tensors, without_seconds

Yielded = list[tuple[EpochRecord, str, str, dict[str, float]]]

CURRICULUM = "regulariser.time_schedule=curriculum"
SHORT = [
    ["regulariser=concrete_dropout"],
    ["model.shortcut=false", "regulariser=dropconnect", "regulariser.inference=gaussian", "p=0.4"],
    ["regulariser=stochastic_depth", CURRICULUM],
    ["model=resnet", "model.depth=8", "regulariser=dropout2d", "optimiser=sgd"],
]
LONG = [[f"regulariser={name}"] for name in REGISTRY if name != "alpha_dropout"] + [
    ["model=mlp", "regulariser=dropout"],
    ["train.early_stopping.patience=1", "train/early_stopping=patience", "optimiser.lr=0.05"],
]


@pytest.fixture(autouse=True)
def every_evaluation_is_worth_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SECONDS_WORTH_A_THREAD", 0.0)


def build(*overrides: str) -> tuple[TrainingState, TrainingPlan]:
    shortcut = (
        [] if any(each.startswith("model") for each in overrides) else ["model.shortcut=true"]
    )
    _, _, state, plan = build_parts(*shortcut, "train.epochs=5", *overrides)
    return state, plan


def follow(state: TrainingState, plan: TrainingPlan, *, overlap: bool) -> Yielded:
    """Return what the receiver of each record sees; it also draws random numbers."""
    seen = []
    for record in train(state, plan, None, lambda: overlap):
        torch.rand(3)
        snapshot = to_bytes(take_snapshot(state, plan.config.config_hash))
        noises = find_noise_modules(state.model)
        weights = hash_tensors(*state.model.state_dict().values())
        (record,) = without_seconds([record])
        seen.append((record, weights, hash_tensors(*optimiser_tensors(snapshot)), read_p(noises)))
    return seen


def optimiser_tensors(snapshot: bytes) -> list[torch.Tensor]:
    saved = torch.load(io.BytesIO(snapshot), weights_only=True)["optimiser"]["state"]
    return [value for each in saved.values() for value in each.values() if value is not None]


@pytest.mark.parametrize(
    "overrides",
    [*SHORT, *(pytest.param(each, marks=pytest.mark.slow) for each in LONG)],
    ids=" ".join,
)
def test_every_record_and_state_is_that_of_one_after_the_other(overrides: list[str]) -> None:
    one_after_the_other = follow(*build(*overrides), overlap=False)
    assert follow(*build(*overrides), overlap=True) == one_after_the_other


def test_the_copy_is_evaluated_on_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    measure = loop._measure

    def note_thread(*arguments: object) -> object:
        threads.append(threading.current_thread().name.partition("_")[0])
        return measure(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_measure", note_thread)
    follow(*build(), overlap=True)
    assert threads == ["evaluation"] * 4 + ["MainThread"]  # nothing trains beside the last one


def test_a_run_that_ends_early_has_the_state_of_its_last_record() -> None:
    overrides = ("train/early_stopping=patience", "train.early_stopping.patience=1")
    state, plan = build(*overrides, "optimiser.lr=0.05", "train.epochs=50")
    seen = follow(state, plan, overlap=True)
    assert len(seen) < 50
    assert hash_tensors(*state.model.state_dict().values()) == seen[-1][1]
    assert len(state.records) == len(seen)


def test_a_run_is_resumed_from_a_record_in_the_middle_of_an_epoch() -> None:
    whole, plan = build("regulariser=dropout2d")
    follow(whole, plan, overlap=True)
    state, plan = build("regulariser=dropout2d")
    records = train(state, plan, None, lambda: True)
    next(records), next(records)
    raw = to_bytes(take_snapshot(state, plan.config.config_hash))
    records.close()  # as Ctrl-C does
    again = build_state(plan.config, plan.splits)
    plan = build_plan(plan.config, plan.splits, again.model)
    restore(again, raw, plan.config.config_hash, torch.device("cpu"))
    follow(again, plan, overlap=True)
    assert without_seconds(again.records) == without_seconds(whole.records)
    assert hash_tensors(*again.best_weights.values()) == hash_tensors(*whole.best_weights.values())


def test_an_evaluation_that_nobody_waits_for_gives_up() -> None:
    state, plan = build()
    is_abandoned = threading.Event()
    expected = loop._measure(state.model, plan)
    assert loop._measure_copy(state.model, plan, is_abandoned) == expected
    is_abandoned.set()
    with pytest.raises(loop._AbandonedError):
        loop._measure_copy(state.model, plan, is_abandoned)
    assert loop._measure(state.model, plan) == expected, "the model keeps no hook"
