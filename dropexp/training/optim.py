"""Optimiser and learning-rate schedule from plain values.

The learning rate is a pure function of the step, so that resuming needs no scheduler's state.
"""

import inspect
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from dropexp.config.sections import (
    ConstantSchedule,
    CosineSchedule,
    OneCycleSchedule,
    OptimiserConfig,
    ScheduleConfig,
    SGDConfig,
    StepSchedule,
)

LearningRate = Callable[[int], float]
"""The learning rate of a training step, counted from 0 over the whole run."""


def build_optimiser(
    config: OptimiserConfig, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]]
) -> Optimizer:
    """SGD, Adam (weight decay as an L2 penalty) or AdamW (decoupled weight decay).

    Args:
        config: of the optimiser.
        parameters: all of them, or torch's groups, whose own weight_decay counts.
    """
    _do_without_the_compiler()
    # Fused: one pass over each parameter instead of a dozen, and as exact.
    common: dict[str, Any] = {"lr": config.lr, "weight_decay": config.weight_decay, "fused": True}
    if isinstance(config, SGDConfig):
        return SGD(parameters, momentum=config.momentum, nesterov=config.nesterov, **common)
    kind = Adam if config.name == "adam" else AdamW
    return kind(parameters, betas=config.betas, **common)


def build_schedule(config: OptimiserConfig, steps_per_epoch: int, epochs: int) -> LearningRate:
    """The learning rate as a function of the step, for a run of ``epochs`` full epochs."""
    return partial(_learning_rate, config.schedule, config.lr, steps_per_epoch, epochs)


def set_learning_rate(optimiser: Optimizer, lr: float) -> None:
    """Put a learning rate into force for the next step."""
    for group in optimiser.param_groups:
        group["lr"] = lr


def take_step(optimiser: Optimizer) -> None:
    """One step of the optimiser; the same arithmetic as ``optimiser.step()``.

    torch wraps ``step`` in profiling and in switches for torch.compile, whose first call imports
    the whole compiler: 0.7 s that a short run, which compiles nothing, would spend on nothing.
    """
    with torch.no_grad():
        inspect.unwrap(type(optimiser).step)(optimiser)


def _do_without_the_compiler() -> None:
    """Let torch's optimisers be built without importing torch's compiler (see take_step).

    Their methods are wrapped so that torch.compile leaves them alone; the wrapper asks the
    compiler for that on the first call and remembers the answer in this attribute. Where torch
    names it otherwise one day, this has no effect but the import's time.
    """
    for method in vars(Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if inspect.isfunction(plain) and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain  # type: ignore[attr-defined]


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
    """Factor of the peak: Smith & Topin 2018 with cosine legs, as torch's OneCycleLR."""
    start = 1 / schedule.start_divisor
    # With so few steps that none is left for rising, the first is the peak.
    peak_step = max(schedule.warmup_fraction * total - 1, 0.0)
    if step <= peak_step:
        return _cosine(start, 1.0, step / peak_step) if peak_step > 0 else 1.0
    falling = max(total - 1 - peak_step, 1e-12)
    return _cosine(1.0, start / schedule.final_divisor, (step - peak_step) / falling)


def _cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
