"""The training steps of one epoch."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from dropexp.data import augment
from dropexp.randomness import global_stream, stream
from dropexp.regularisers import Noise, apply_input_noise, find_noise_modules, scale_p
from dropexp.training.compiling import Forward
from dropexp.training.evaluation import autocast
from dropexp.training.max_norm import bound_norms, find_bounded_weights
from dropexp.training.modes import in_mode
from dropexp.training.optim import set_learning_rate
from dropexp.training.progress import ReportStep, StepCounter
from dropexp.training.startup import take_step
from dropexp.training.state import TrainingPlan


class EpochSteps:
    """The training steps of an epoch, which are taken while this is iterated over.

    Args:
        model: is trained.
        optimiser: of the model's parameters.
        forward: the model, or its compiled form.
        plan: of the run.
        epoch: from 1.
        report: receives the progress, at most twice a second.

    Attributes:
        epoch: from 1.
        noisy_train_loss: the mean loss of the steps, once all are taken.
        lr: the learning rate of the last step taken.
        p: the largest p of a regulariser in this epoch, once all steps are taken.
    """

    def __init__(
        self,
        model: nn.Module,
        optimiser: Optimizer,
        forward: Forward,
        plan: TrainingPlan,
        epoch: int,
        report: ReportStep | None = None,
    ) -> None:
        self._model, self._optimiser, self._plan = model, optimiser, plan
        self._forward = forward
        self._noises = find_noise_modules(model)
        self._factors = plan.config.p_factors(epoch)
        epochs, steps = plan.config.train.epochs, plan.steps_per_epoch
        self._counter = StepCounter(report, epoch, epochs, steps)
        self.epoch = epoch
        self.noisy_train_loss = float("nan")
        self.lr = 0.0
        self.p = float("nan")

    def __iter__(self) -> Iterator[None]:
        """Train on every image once; yield after each step."""
        plan = self._plan
        scale_p(self._noises, plan.full_p, self._factors)
        with (
            in_mode(self._model, training=True),
            global_stream(plan.config.seed, "masks", self.epoch, plan.splits.device),
        ):
            yield from self._take_steps()
        self.p = _p_at_epoch(plan.config.p_by_regulariser, self._factors, self._noises)

    def _take_steps(self) -> Iterator[None]:
        plan, model, optimiser = self._plan, self._model, self._optimiser
        splits, options = plan.splits, plan.config.train
        images, labels = _shuffle_and_augment(plan, self.epoch)
        parameters = list(model.parameters())
        max_norm = plan.config.optimiser.max_norm
        bounded = [] if max_norm is None else find_bounded_weights(model)
        noises = list(self._noises.values())
        first_step = (self.epoch - 1) * plan.steps_per_epoch
        losses: list[Tensor] = []  # read once, after the last step: reading waits for a GPU
        batches = zip(
            images.split(options.batch_size), labels.split(options.batch_size), strict=True
        )
        for step, (x, y) in enumerate(batches, first_step):
            self.lr = plan.learning_rate(step)
            set_learning_rate(optimiser, self.lr)
            x, targets = apply_input_noise(model, splits.normalise(x), y)
            with autocast(splits.device, plan.config.precision):
                logits = self._forward(x)
            loss = F.cross_entropy(logits.float(), targets, label_smoothing=options.label_smoothing)
            optimiser.zero_grad()
            _add_penalties(loss, noises, len(labels)).backward()
            if options.clip is not None:
                nn.utils.clip_grad_norm_(parameters, options.clip)
            take_step(optimiser)
            if max_norm is not None:
                bound_norms(bounded, max_norm)
            losses.append(loss.detach() * len(y))
            self._counter.count()
            yield
        self.noisy_train_loss = float(torch.stack(losses).sum()) / len(labels)


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
