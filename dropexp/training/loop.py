"""The epoch loop: a generator of EpochRecords. It knows no files, no Hydra and no console."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from dropexp.config.run_config import RunConfig
from dropexp.config.training_sections import EarlyStoppingConfig, TrainConfig
from dropexp.data import Splits, augment
from dropexp.randomness import global_stream, stream
from dropexp.regularisers import Noise, apply_input_noise, find_noise_modules, scale_p
from dropexp.runs.records import EpochRecord, find_best_epoch
from dropexp.training.evaluation import autocast, evaluate_train, evaluate_val
from dropexp.training.modes import in_mode
from dropexp.training.optim import LearningRate, build_schedule, set_learning_rate
from dropexp.training.progress import ReportStep, StepCounter
from dropexp.training.startup import take_step


@dataclass
class TrainingState:
    """What training changes: everything that a checkpoint holds.

    Attributes:
        model: the network, with its noise modules.
        optimiser: the optimiser of the model's parameters.
        records: the records of the epochs trained so far.
        best_weights: the model's state_dict at the epoch of the lowest validation loss so far.
    """

    model: nn.Module
    optimiser: Optimizer
    records: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingPlan:
    """What training does not change.

    Attributes:
        config: the config of the run.
        splits: the data, on the device to train on.
        full_p: noise module name → its p where the time schedule's factor is 1.
    """

    config: RunConfig
    splits: Splits
    full_p: Mapping[str, float]

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch; the last may be smaller, none is dropped."""
        return -(-len(self.splits.train) // self.config.train.batch_size)

    @cached_property
    def learning_rate(self) -> LearningRate:
        """The learning rate as a function of the step, counted from 0 over the whole run."""
        config = self.config
        return build_schedule(config.optimiser, self.steps_per_epoch, config.train.epochs)


def train(
    state: TrainingState, plan: TrainingPlan, report_step: ReportStep | None = None
) -> Iterator[EpochRecord]:
    """Train from ``state`` to the end of the run, and yield the EpochRecord of each epoch.

    A run ends after ``train.epochs`` epochs, by early stopping, or after the first epoch with a
    loss that is not finite. An epoch depends only on the state, the plan and its number, so a
    resumed run repeats the uninterrupted one bit for bit.

    Args:
        state: of the epochs trained so far; it is changed.
        plan: of the run.
        report_step: receives the progress within long epochs, at most twice a second.
    """
    while not has_ended(state.records, plan.config.train):
        record = _train_epoch(state, plan, len(state.records) + 1, report_step)
        state.records.append(record)
        if find_best_epoch(state.records) is record:
            state.best_weights = clone_tensors(state.model.state_dict())
        yield record


def has_ended(records: Sequence[EpochRecord], config: TrainConfig) -> bool:
    """Return whether a run with these records trains no further epoch."""
    if not records:
        return False
    if len(records) >= config.epochs or not records[-1].is_finite:
        return True
    return config.early_stopping is not None and _has_stalled(records, config.early_stopping)


def clone_tensors(value: Any) -> Any:
    """Return a copy of nested dicts and lists in which every tensor is copied."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: clone_tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone_tensors(item) for item in value]
    return value


def _has_stalled(records: Sequence[EpochRecord], rule: EarlyStoppingConfig) -> bool:
    """Return whether ``patience`` epochs have passed without a fall of more than ``min_delta``."""
    if len(records) <= rule.patience:
        return False
    earlier = min(record.val_loss for record in records[: -rule.patience])
    recent = min(record.val_loss for record in records[-rule.patience :])
    return recent >= earlier - rule.min_delta


def _train_epoch(
    state: TrainingState, plan: TrainingPlan, epoch: int, report_step: ReportStep | None
) -> EpochRecord:
    start = time.perf_counter()
    config, splits = plan.config, plan.splits
    noises = find_noise_modules(state.model)
    factors = config.p_factors(epoch)
    scale_p(noises, plan.full_p, factors)
    with (
        in_mode(state.model, training=True),
        global_stream(config.seed, "masks", epoch, splits.device),
    ):
        noisy_train_loss, lr = _take_steps(state, plan, epoch, report_step)
    on_train = evaluate_train(state.model, splits, config.precision)
    on_val = evaluate_val(state.model, splits, config.precision)
    return EpochRecord(
        epoch=epoch,
        lr=lr,
        p=_p_at_epoch(config.p_by_regulariser, factors, noises),
        noisy_train_loss=noisy_train_loss,
        train_loss=on_train.noisy.loss,
        train_acc=on_train.noisy.acc,
        clean_label_train_loss=on_train.clean.loss,
        clean_label_train_acc=on_train.clean.acc,
        val_loss=on_val.clean.loss,
        val_acc=on_val.clean.acc,
        noisy_label_val_loss=on_val.noisy.loss,
        noisy_label_val_acc=on_val.noisy.acc,
        seconds=time.perf_counter() - start,
    )


def _p_at_epoch(
    p_by_regulariser: Mapping[str, float],
    factors: Mapping[str, float],
    noises: Mapping[str, Noise],
) -> float:
    """Return the largest p of a regulariser; a learned p counts as the mean over its sites."""
    p_at_epoch = {name: factors[name] * p for name, p in p_by_regulariser.items()}
    for name in p_at_epoch:
        learned = [noise.p for noise in noises.values() if noise.kind == name and noise.learns_p]
        if learned:
            p_at_epoch[name] = fmean(learned)
    return max(p_at_epoch.values(), default=0.0)


def _take_steps(
    state: TrainingState, plan: TrainingPlan, epoch: int, report_step: ReportStep | None = None
) -> tuple[float, float]:
    """Train on every image once; return the mean loss of the steps and the last step's lr."""
    splits, options = plan.splits, plan.config.train
    images, labels = _shuffle_and_augment(plan, epoch)
    parameters = list(state.model.parameters())
    noises = list(find_noise_modules(state.model).values())
    first_step = (epoch - 1) * plan.steps_per_epoch
    counter = StepCounter(report_step, epoch, plan.config.train.epochs, plan.steps_per_epoch)
    losses: list[Tensor] = []  # read once, after the last step: reading waits for an accelerator
    lr = 0.0
    batches = zip(images.split(options.batch_size), labels.split(options.batch_size), strict=True)
    for step, (x, y) in enumerate(batches, first_step):
        lr = plan.learning_rate(step)
        set_learning_rate(state.optimiser, lr)
        x, targets = apply_input_noise(state.model, splits.normalise(x), y)
        with autocast(splits.device, plan.config.precision):
            logits = state.model(x)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=options.label_smoothing)
        state.optimiser.zero_grad()
        _add_penalties(loss, noises, len(labels)).backward()
        if options.clip is not None:
            nn.utils.clip_grad_norm_(parameters, options.clip)
        take_step(state.optimiser)
        losses.append(loss.detach() * len(y))
        counter.count()
    return float(torch.stack(losses).sum()) / len(labels), lr


def _add_penalties(loss: Tensor, noises: Sequence[Noise], examples: int) -> Tensor:
    """Return the loss to minimise; the recorded loss is without penalties."""
    for noise in noises:
        penalty = noise.penalty()
        if penalty is not None:
            loss = loss + penalty / examples
    return loss


def _shuffle_and_augment(plan: TrainingPlan, epoch: int) -> tuple[Tensor, Tensor]:
    """Return an epoch's images, uint8 (N, C, H, W), and labels, int64 (N,), in training order."""
    seed, train_split = plan.config.seed, plan.splits.train
    order = torch.randperm(len(train_split), generator=stream(seed, "order", epoch))
    order = order.to(plan.splits.device)
    images = augment(
        train_split.images[order], plan.config.data.augment, stream(seed, "augment", epoch)
    )
    return images, train_split.labels[order]
