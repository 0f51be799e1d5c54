"""Measure whether gradients vanish less with a regulariser: the second half of claim 11."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from claims import digits
from claims.finding import format_difference
from dropexp import models, regularisers
from dropexp.randomness import global_stream
from dropexp.statistics import Estimate, mean_interval, paired_difference
from dropexp.training.modes import in_mode

P = 0.5
LAYERS, UNITS, IMAGES = 8, 64, 200
HOW = (
    f"Gradients: norm of the first layer's ÷ norm of the last hidden layer's, one step in "
    f"training mode on {IMAGES} digits, new MLP of {LAYERS} layers of {UNITS} units, "
    f"p = {P}; differences of log10."
)


@dataclass(frozen=True)
class Flow:
    """How gradients reach the first layer.

    Attributes:
        against_none: log10 of DropConnect's ratio − that without a regulariser.
        text: the ratios and the differences.
    """

    against_none: Estimate
    text: str


def measure_flow(seeds: Sequence[int]) -> Flow:
    """Measure DropConnect's ratio of gradients beside that of dropout and of no regulariser."""
    logs = {
        name: [measure_log_ratio(name, seed) for seed in seeds]
        for name in ("dropconnect", "dropout", "none")
    }
    ratios = ", ".join(f"{name} {10 ** mean_interval(logs[name]).value:.4f}" for name in logs)
    against = {
        other: paired_difference(logs["dropconnect"], logs[other]) for other in ("dropout", "none")
    }
    shown = ", ".join(f"{other} {format_difference(each)}" for other, each in against.items())
    return Flow(
        against["none"], f"Gradient at the first layer ÷ at the last: {ratios}; log10 − {shown}"
    )


def measure_log_ratio(regulariser: str, seed: int) -> float:
    """Return log10 of the first layer's gradient norm ÷ the last hidden layer's."""
    splits = digits.load_splits(seed)
    images = splits.normalise(splits.train.images[:IMAGES])
    with global_stream(seed, "init"):
        filler = regularisers.build(regulariser, P if regulariser != "none" else 0)
        model = models.build(
            "mlp", splits.image_shape, splits.num_classes, filler, hidden=(UNITS,) * LAYERS
        )
    with in_mode(model, training=True), global_stream(seed, "masks"):
        loss = F.cross_entropy(model(images), splits.train.labels[:IMAGES])
        torch.autograd.backward(loss)
    first, last = (_compute_norm(model, index) for index in (0, LAYERS - 1))
    return math.log10(first / last)


def _compute_norm(model: nn.Module, index: int) -> float:
    gradient = model.get_parameter(f"layers.{index}.weight").grad
    assert gradient is not None, "the backward pass reaches every layer"
    return float(gradient.norm())
