"""A state restored from a checkpoint trains on as if it had never been away."""

import pytest
import torch

from dropexp.training.build import build_plan, build_state
from dropexp.training.checkpoint import DamagedCheckpointError, restore, take_snapshot, to_bytes
from dropexp.training.loop import train
from tests.builders import (
    REGULARISERS,
    build_parts,
    forge_checkpoint,
    hash_tensors,
    without_seconds,
)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_resuming_after_any_epoch_repeats_the_uninterrupted_run(optimiser: str) -> None:
    overrides = [
        "regulariser=dropout2d",
        f"optimiser={optimiser}",
        "optimiser/schedule=cosine",
        "data.augment=flip",
    ]
    config, splits, state, plan = build_parts(*overrides)
    saved = []
    for _ in train(state, plan):
        saved.append(to_bytes(take_snapshot(state, config.config_hash)))
    for raw in saved[:-1]:
        again = build_state(config, splits)
        restore(again, raw, config.config_hash, torch.device("cpu"))
        torch.rand(17)  # the state of the global generators must not matter
        list(train(again, build_plan(config, splits, again.model)))
        assert without_seconds(again.records) == without_seconds(state.records)
        assert hash_tensors(*again.model.state_dict().values()) == hash_tensors(
            *state.model.state_dict().values()
        )
        assert hash_tensors(*again.best_weights.values()) == hash_tensors(
            *state.best_weights.values()
        )


@pytest.mark.parametrize("name", REGULARISERS)
def test_a_run_with_any_regulariser_is_resumed_exactly(name: str) -> None:
    shortcut = [] if name == "alpha_dropout" else ["model.shortcut=true"]
    overrides = [f"regulariser={name}", "p=0.4", "train.epochs=2", *shortcut]
    config, splits, state, plan = build_parts(*overrides)
    epochs = train(state, plan)
    next(epochs)
    saved = to_bytes(take_snapshot(state, config.config_hash))
    list(epochs)
    again = build_state(config, splits)
    restore(again, saved, config.config_hash, torch.device("cpu"))
    list(train(again, build_plan(config, splits, again.model)))
    assert without_seconds(again.records) == without_seconds(state.records)
    weights = again.model.state_dict()
    for key, weight in state.model.state_dict().items():
        assert torch.equal(weights[key], weight), key


def test_a_snapshot_is_of_the_epoch_it_was_taken_after() -> None:
    config, _, state, plan = build_parts("track_examples=true", "train.epochs=3")
    epochs = train(state, plan)
    next(epochs)
    snapshot = take_snapshot(state, config.config_hash)
    before = to_bytes(snapshot)
    list(epochs)
    assert to_bytes(snapshot) == before
    assert len(snapshot.records) == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "garbage", "another run"])
def test_a_damaged_checkpoint_is_recognised(damage: str) -> None:
    config, splits, state, plan = build_parts()
    next(iter(train(state, plan)))
    raw = to_bytes(take_snapshot(state, config.config_hash))
    raw = {"truncated": raw[: len(raw) // 2], "empty": b"", "garbage": b"x" * 100}.get(damage, raw)
    config_hash = "0" * 64 if damage == "another run" else config.config_hash
    with pytest.raises(DamagedCheckpointError):
        restore(build_state(config, splits), raw, config_hash, torch.device("cpu"))


@pytest.mark.parametrize(
    "forged",
    [
        {"best_weights": [1]},
        {"best_weights": {"x": torch.zeros(1)}},
        {"records": 5},
        {"records": [{"epoch": 1}]},
        {"records": ["epoch"]},
        {"model": 5},
        {"optimiser": {"state": [], "param_groups": 5}},
        {"optimiser": []},
    ],
)
def test_a_checkpoint_that_somebody_has_made_is_recognised(forged: dict[str, object]) -> None:
    config, _, state, plan = build_parts()
    next(iter(train(state, plan)))
    raw = forge_checkpoint({**take_snapshot(state, config.config_hash).to_plain(), **forged})
    with pytest.raises(DamagedCheckpointError):
        restore(state, raw, config.config_hash, torch.device("cpu"))


def test_an_epoch_of_a_checkpoint_holds_numbers() -> None:
    config, _, state, plan = build_parts()
    next(iter(train(state, plan)))
    plain = take_snapshot(state, config.config_hash).to_plain()
    for name, value in (("epoch", 1.5), ("val_loss", "low"), ("seconds", None), ("lr", [1])):
        raw = forge_checkpoint({**plain, "records": [{**plain["records"][0], name: value}]})
        with pytest.raises(DamagedCheckpointError):
            restore(state, raw, config.config_hash, torch.device("cpu"))
