"""The epoch loop: paired across regularisers, exact on resuming, clean in what it measures."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from dropexp.config.time_schedules import SWITCHING_SCHEDULES, TIME_SCHEDULES
from dropexp.data import Split
from dropexp.regularisers import find_noise_modules
from dropexp.runs.records import EpochRecord
from dropexp.training.build import build_plan, build_state
from dropexp.training.checkpoint import restore, take_snapshot, to_bytes
from dropexp.training.evaluation import evaluate
from dropexp.training.loop import has_ended, train
from dropexp.training.optim import build_schedule
from tests.builders import build_parts, compose_tiny, hash_tensors, without_seconds
from tests.run_folders import make_record

REGULARISERS = [
    "none",
    "dropout2d",
    "dropout",
    "spatial_dropout",
    "dropconnect",
    "stochastic_depth",
]


class SeenBatches:
    """A hash of every batch that a model gets in training mode."""

    def __init__(self, model: nn.Module) -> None:
        self.hashes: list[str] = []
        model.register_forward_pre_hook(self._hook)

    def _hook(self, model: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        if model.training:
            self.hashes.append(hash_tensors(arguments[0]))


def test_all_regularisers_share_split_noise_weights_and_order_in_every_epoch() -> None:
    """Two regularisers with the same seed differ in nothing but the masks."""
    seen: dict[str, tuple[str, ...]] = {}
    for name in REGULARISERS:
        overrides = [f"regulariser={name}", "model.shortcut=true", "data.augment=crop_flip"]
        _, splits, state, plan = build_parts(*overrides)
        batches = SeenBatches(state.model)
        data_hash = hash_tensors(splits.train.images, splits.train.labels, splits.val.images)
        weights_hash = hash_tensors(*state.model.state_dict().values())
        assert len(list(train(state, plan))) == 3
        seen[name] = (data_hash, weights_hash, *batches.hashes)
    assert set(seen.values()) == {seen["none"]}
    per_epoch = len(seen["none"][2:]) // 3
    first, second = seen["none"][2 : 2 + per_epoch], seen["none"][2 + per_epoch : 2 + 2 * per_epoch]
    assert set(first).isdisjoint(second), "each epoch has an order of its own"


def test_another_seed_changes_weights_and_order() -> None:
    states = [build_parts(f"seed={seed}", "data.seed=0") for seed in (0, 1)]
    assert hash_tensors(states[0][1].train.images) == hash_tensors(states[1][1].train.images)
    weights = [hash_tensors(*state.model.state_dict().values()) for _, _, state, _ in states]
    assert weights[0] != weights[1]


@pytest.mark.parametrize("name", REGULARISERS)
def test_the_same_config_gives_the_same_numbers(name: str) -> None:
    def once() -> tuple[list[EpochRecord], str]:
        _, _, state, plan = build_parts(f"regulariser={name}", "p=0.4")
        return without_seconds(list(train(state, plan))), hash_tensors(*state.best_weights.values())

    assert once() == once()


@pytest.mark.parametrize("name", REGULARISERS[1:])
def test_p_0_is_none_bit_for_bit(name: str) -> None:
    def records(*overrides: str) -> tuple[list[EpochRecord], str]:
        _, _, state, plan = build_parts("model.shortcut=true", *overrides)
        done = list(train(state, plan))
        return without_seconds(done), hash_tensors(*state.model.state_dict().values())

    assert records(f"regulariser={name}", "p=0") == records("regulariser=none")


def test_training_loss_is_measured_without_the_regularisers_noise() -> None:
    _, splits, state, plan = build_parts("regulariser=dropout2d", "p=0.7")
    last = list(train(state, plan))[-1]
    assert last.train_loss == evaluate(state.model, splits, splits.train).loss
    assert last.noisy_train_loss > last.train_loss


@pytest.mark.parametrize("schedule", [*TIME_SCHEDULES])
def test_a_schedule_of_p_is_in_force_recorded_and_resumed_exactly(schedule: str) -> None:
    overrides = ["regulariser=stochastic_depth", "model.shortcut=true", "p=0.4", "train.epochs=4"]
    overrides += [f"regulariser.time_schedule={schedule}"]
    overrides += ["regulariser.switch_after=2"] if schedule in SWITCHING_SCHEDULES else []
    config, splits, state, plan = build_parts(*overrides)
    saved, in_force = [], []
    for _ in train(state, plan):
        (gate,) = find_noise_modules(state.model).values()
        in_force.append(gate.p)
        saved.append(to_bytes(take_snapshot(state, config.config_hash)))
    factors = [config.p_factors(epoch)["stochastic_depth"] for epoch in range(1, 5)]
    assert in_force == [factor * 0.4 for factor in factors] == [r.p for r in state.records]
    again = build_state(config, splits)
    plan = build_plan(config, splits, again.model)
    restore(again, saved[1], config.config_hash, torch.device("cpu"))
    list(train(again, plan))
    assert without_seconds(again.records) == without_seconds(state.records)


def test_where_a_schedule_is_off_an_epoch_is_that_of_none() -> None:
    overrides = ("regulariser=dropout2d", "p=0.5", "train.epochs=2", "regulariser.switch_after=1")
    *_, late, plan = build_parts(*overrides, "regulariser.time_schedule=late")
    *_, none, plain = build_parts("train.epochs=2")
    first, second = train(late, plan)
    expected, other = train(none, plain)
    assert first.noisy_train_loss == expected.noisy_train_loss
    assert first.val_loss == expected.val_loss
    assert second.noisy_train_loss != other.noisy_train_loss


def test_changing_test_images_and_labels_changes_no_epoch() -> None:
    _, splits, state, plan = build_parts()
    list(train(state, plan))
    scrambled = Split(splits.test.images.flip(0) // 2, (splits.test.labels + 1) % 10)
    config = compose_tiny()
    other = dataclasses.replace(splits, test=scrambled)
    again = build_state(config, other)
    list(train(again, build_plan(config, other, again.model)))
    assert without_seconds(again.records) == without_seconds(state.records)
    assert evaluate(again.model, other, other.test) != evaluate(state.model, splits, splits.test)


def test_a_loss_that_is_not_finite_ends_the_run_with_its_records() -> None:
    _, _, state, plan = build_parts("optimiser=sgd", "optimiser.lr=1e30")
    records = list(train(state, plan))
    assert len(records) < 3
    assert not records[-1].is_finite
    assert state.records == records


@pytest.mark.parametrize(
    ("losses", "stopped_after"),
    [
        ([3.0, 2.0, 1.0, 0.9, 0.8], None),
        ([3.0, 2.0, 2.0, 2.0], 4),
        ([1.0, 2.0, 3.0], 3),
        ([1.0, 2.0, 0.9, 1.0, 1.0], 5),
    ],
)
def test_early_stopping_waits_for_patience_epochs_without_a_fall(
    losses: list[float], stopped_after: int | None
) -> None:
    rule = compose_tiny(
        "train/early_stopping=patience", "train.early_stopping.patience=2", "train.epochs=100"
    ).train
    records = [make_record(epoch, loss) for epoch, loss in enumerate(losses, 1)]
    ended = [n for n in range(1, len(records) + 1) if has_ended(records[:n], rule)]
    assert ended == ([] if stopped_after is None else [stopped_after])


def test_gradient_clipping_bounds_the_step() -> None:
    def movement(*overrides: str) -> float:
        config, _, state, plan = build_parts("optimiser=sgd", "optimiser.momentum=0", *overrides)
        before = torch.cat([w.flatten().clone() for w in state.model.parameters()]).detach()
        one_epoch = config.train.model_copy(update={"epochs": 1})
        plan = dataclasses.replace(plan, config=config.model_copy(update={"train": one_epoch}))
        list(train(state, plan))
        after = torch.cat([w.flatten() for w in state.model.parameters()]).detach()
        return float((after - before).norm())

    steps, lr, clip = 2, 0.05, 1e-3
    assert movement(f"train.clip={clip}") <= steps * lr * clip * 1.001
    assert movement() > 10 * steps * lr * clip


def test_label_smoothing_is_in_the_training_loss_and_not_in_the_measured_one() -> None:
    _, _, plain_state, plain_plan = build_parts("train.epochs=1", "optimiser.lr=1e-12")
    _, _, smooth_state, smooth_plan = build_parts(
        "train.epochs=1", "optimiser.lr=1e-12", "train.label_smoothing=0.9"
    )
    plain, smooth = next(train(plain_state, plain_plan)), next(train(smooth_state, smooth_plan))
    assert smooth.train_loss == pytest.approx(plain.train_loss, rel=1e-6)
    assert smooth.noisy_train_loss != pytest.approx(plain.noisy_train_loss, rel=1e-4)


def test_bfloat16_trains_to_nearly_the_same_loss() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        _, _, state, plan = build_parts(f"precision={precision}")
        losses.append(list(train(state, plan))[-1].train_loss)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_the_learning_rate_recorded_is_that_of_the_epochs_last_step() -> None:
    config, _, state, plan = build_parts("optimiser/schedule=cosine")
    schedule = build_schedule(config.optimiser, 2, 3)
    assert [r.lr for r in train(state, plan)] == [schedule(1), schedule(3), schedule(5)]


def test_an_epoch_trains_on_every_image_once() -> None:
    _, splits, state, plan = build_parts("data.train_size=70")
    batches: list[Tensor] = []
    state.model.register_forward_pre_hook(
        lambda model, arguments: batches.append(arguments[0]) if model.training else None
    )
    next(iter(train(state, plan)))
    assert [len(batch) for batch in batches] == [64, 6]
    images = splits.normalise(splits.train.images)
    assert sorted(map(hash_tensors, torch.cat(batches))) == sorted(map(hash_tensors, images))
