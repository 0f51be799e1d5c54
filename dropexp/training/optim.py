"""Builds the optimiser and the learning-rate schedule from their sections of the config.

The learning rate is a pure function of the step, so that resuming needs no scheduler's state.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from dropexp.config.training_sections import (
    ConstantSchedule,
    CosineSchedule,
    OneCycleSchedule,
    OptimiserConfig,
    ScheduleConfig,
    SGDConfig,
    StepSchedule,
)
from dropexp.training.parameter_groups import LR_FACTOR
from dropexp.training.startup import keep_compiler_out_of_optimisers

LearningRate = Callable[[int], float]
"""The learning rate of a training step, counted from 0 over the whole run."""


def build_optimiser(
    config: OptimiserConfig, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]]
) -> Optimizer:
    """Build SGD, Adam (weight decay as an L2 penalty) or AdamW (decoupled weight decay).

    Args:
        config: the optimiser section of the config.
        parameters: the model's parameters, or torch's parameter groups, which may have a
            weight_decay of their own and a factor of the learning rate.
    """
    keep_compiler_out_of_optimisers()
    # Fused: one pass over each parameter instead of a dozen, with the same result.
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
    if isinstance(config, SGDConfig):
        return SGD(parameters, momentum=config.momentum, nesterov=config.nesterov, **common)
    kind = Adam if config.name == "adam" else AdamW
    return kind(parameters, betas=config.betas, **common)


def build_schedule(config: OptimiserConfig, steps_per_epoch: int, epochs: int) -> LearningRate:
    """Return the learning rate as a function of the step, for a run of ``epochs`` epochs."""
    return partial(_learning_rate, config.schedule, config.lr, steps_per_epoch, epochs)


def set_learning_rate(optimiser: Optimizer, lr: float) -> None:
    """Set the learning rate of the next step, times the factor of each group of parameters."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group.get(LR_FACTOR, 1.0)


def _learning_rate(
    schedule: ScheduleConfig, peak: float, steps_per_epoch: int, epochs: int, step: int
) -> float:
    if isinstance(schedule, OneCycleSchedule):
        return peak * _one_cycle(schedule, step, steps_per_epoch * epochs)
    warmup_steps = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    return peak * _after_warmup(schedule, step, warmup_steps, steps_per_epoch, epochs)


def _after_warmup(
    schedule: ConstantSchedule | StepSchedule | CosineSchedule,
    step: int,
    warmup_steps: int,
    steps_per_epoch: int,
    epochs: int,
) -> float:
    if isinstance(schedule, StepSchedule):
        return float(schedule.gamma ** (step // steps_per_epoch // schedule.step_epochs))
    if isinstance(schedule, CosineSchedule):
        remaining = max(1, steps_per_epoch * epochs - warmup_steps)
        return _cosine(1.0, schedule.min_lr_factor, (step - warmup_steps) / remaining)
    return 1.0


def _one_cycle(schedule: OneCycleSchedule, step: int, total: int) -> float:
    """Return the factor of the peak: Smith & Topin 2018 with cosine legs, as in OneCycleLR."""
    start = 1 / schedule.start_divisor
    # With too few steps for a rise, the first step is the peak.
    peak_step = max(schedule.warmup_fraction * total - 1, 0.0)
    if step <= peak_step:
        return _cosine(start, 1.0, step / peak_step) if peak_step > 0 else 1.0
    falling = max(total - 1 - peak_step, 1e-12)
    return _cosine(1.0, start / schedule.final_divisor, (step - peak_step) / falling)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
