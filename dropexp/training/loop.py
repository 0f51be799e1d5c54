"""The epoch loop: a generator of EpochRecords. It knows no files, no Hydra and no console."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from dropexp.config.sections import Augmentation, EarlyStoppingConfig, TrainConfig
from dropexp.data import Splits, augment
from dropexp.randomness import global_stream, stream
from dropexp.regularisers import Noise, noise_modules, put_into_force, through_input_noise
from dropexp.runs.records import EpochRecord, best_epoch
from dropexp.training.evaluation import autocast, evaluate, mode
from dropexp.training.optim import LearningRate, set_learning_rate, take_step


@dataclass
class TrainingState:
    """What training changes, and all that is needed to go on from here."""

    model: nn.Module
    optimiser: Optimizer
    records: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)  # at the best epoch so far


@dataclass(frozen=True)
class TrainingPlan:
    """What training does not change.

    Attributes:
        p: of each regulariser by name, the drop probability at full strength.
        strengths: of the noise modules by their names in the model, at full strength.
        shares_of_p: epoch → the share of its p that each regulariser has, in [0, 1].
    """

    splits: Splits
    train: TrainConfig
    learning_rate: LearningRate
    augmentation: Augmentation
    precision: str
    seed: int
    p: Mapping[str, float]
    strengths: Mapping[str, float]
    shares_of_p: Callable[[int], Mapping[str, float]]

    @property
    def device(self) -> torch.device:
        """Where images and model are."""
        return self.splits.train.images.device

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch; the last may be smaller, none is dropped."""
        return -(-len(self.splits.train) // self.train.batch_size)


def train(state: TrainingState, plan: TrainingPlan) -> Iterator[EpochRecord]:
    """Train on from ``state``, one EpochRecord after each epoch, until the run has ended.

    It ends after ``plan.train.epochs`` epochs, when early stopping says so, or after the first
    epoch with a loss that is not finite. An epoch depends on the state, the plan and its number
    only, so that a run continued from a saved state repeats the uninterrupted one bit for bit.
    """
    while not has_ended(state.records, plan.train):
        record = _epoch(state, plan, epoch=len(state.records) + 1)
        state.records.append(record)
        if best_epoch(state.records) is record:
            state.best_weights = _copied(state.model.state_dict())
        yield record


def has_ended(records: Sequence[EpochRecord], config: TrainConfig) -> bool:
    """Whether these epochs are the whole of a run."""
    if not records:
        return False
    if len(records) >= config.epochs or not records[-1].is_finite:
        return True
    return config.early_stopping is not None and _has_stalled(records, config.early_stopping)


def _has_stalled(records: Sequence[EpochRecord], rule: EarlyStoppingConfig) -> bool:
    """No epoch of the last ``patience`` fell below all before it by more than min_delta."""
    if len(records) <= rule.patience:
        return False
    earlier = min(record.val_loss for record in records[: -rule.patience])
    recent = min(record.val_loss for record in records[-rule.patience :])
    return recent >= earlier - rule.min_delta


def _epoch(state: TrainingState, plan: TrainingPlan, epoch: int) -> EpochRecord:
    start = time.perf_counter()
    noises = noise_modules(state.model)
    shares = plan.shares_of_p(epoch)
    put_into_force(noises, plan.strengths, shares)
    with (
        mode(state.model, training=True),
        global_stream(plan.seed, "masks", epoch, plan.device),
    ):
        noisy_train_loss, lr = _train_once_through(state, plan, epoch)
    splits = plan.splits
    train_split = evaluate(state.model, splits, splits.train, plan.precision)
    val_split = evaluate(state.model, splits, splits.val, plan.precision)
    return EpochRecord(
        epoch=epoch,
        lr=lr,
        p=_p_in_force(plan, noises, shares),
        noisy_train_loss=noisy_train_loss,
        train_loss=train_split.loss,
        train_acc=train_split.acc,
        val_loss=val_split.loss,
        val_acc=val_split.acc,
        seconds=time.perf_counter() - start,
    )


def _p_in_force(
    plan: TrainingPlan, noises: Mapping[str, Noise], shares: Mapping[str, float]
) -> float:
    """The largest p of a regulariser; that of one that learns it is its sites' mean."""
    in_force = {name: shares[name] * p for name, p in plan.p.items()}
    for name in in_force:
        learned = [each.p for each in noises.values() if each.kind == name and each.learns_p]
        if learned:
            in_force[name] = fmean(learned)
    return max(in_force.values(), default=0.0)


def _train_once_through(
    state: TrainingState, plan: TrainingPlan, epoch: int
) -> tuple[float, float]:
    """One pass over the training images: the mean loss of its steps, and the last step's lr."""
    images, labels = _shuffled_and_augmented(plan, epoch)
    parameters = list(state.model.parameters())
    noises = list(noise_modules(state.model).values())
    first_step = (epoch - 1) * plan.steps_per_epoch
    batch_size, smoothing, clip = (
        plan.train.batch_size,
        plan.train.label_smoothing,
        plan.train.clip,
    )
    losses: list[Tensor] = []  # read once, at the end: an accelerator need not wait at every step
    lr = 0.0
    for step, (x, y) in enumerate(
        zip(images.split(batch_size), labels.split(batch_size), strict=True), first_step
    ):
        lr = plan.learning_rate(step)
        set_learning_rate(state.optimiser, lr)
        images_seen, targets = through_input_noise(state.model, plan.splits.normalise(x), y)
        with autocast(plan.device, plan.precision):
            logits = state.model(images_seen)
        loss = F.cross_entropy(logits.float(), targets, label_smoothing=smoothing)
        state.optimiser.zero_grad()
        _with_penalties(loss, noises, len(labels)).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        take_step(state.optimiser)
        losses.append(loss.detach() * len(y))
    return float(torch.stack(losses).sum()) / len(labels), lr


def _with_penalties(loss: Tensor, noises: Sequence[Noise], examples: int) -> Tensor:
    """The loss to be minimised; the one recorded is without penalties."""
    for noise in noises:
        penalty = noise.penalty()
        if penalty is not None:
            loss = loss + penalty / examples
    return loss


def _shuffled_and_augmented(plan: TrainingPlan, epoch: int) -> tuple[Tensor, Tensor]:
    train_split = plan.splits.train
    order = torch.randperm(len(train_split), generator=stream(plan.seed, "order", epoch))
    order = order.to(plan.device)
    images = augment(
        train_split.images[order], plan.augmentation, stream(plan.seed, "augment", epoch)
    )
    return images, train_split.labels[order]


def _copied(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in state_dict.items()}
