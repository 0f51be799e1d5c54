"""The variance shift of batch norm: a layer's input in evaluation, against what training collected.

Li et al. 2019, "Understanding the disharmony between dropout and batch normalization by variance
shift", figure 1 (read as arXiv:1801.05134v1): of a layer, the moving variance that it collected in
training and the variance of its input in evaluation, on the training images, each the mean over
channels; the larger of their two ratios.

Noise before a layer is in the variance that it collects, and gone in evaluation. Dropout directly
before a layer whose input has mean 0 gives 1 / (1 − p).
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.data import Split, Splits
from dropexp.models import find_held_modules
from dropexp.training.evaluation import map_chunks
from dropexp.training.modes import in_mode

MOST_IMAGES = 1024
"""Training images that are measured. Drawn sets are in random order, so the first are a sample."""

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def measure_variance_shifts(
    model: nn.Module, splits: Splits, precision: str = "float32"
) -> dict[str, float]:
    """Return the variance shift of each batch norm layer that trains, by its name in the model.

    It draws nothing, and leaves weights, statistics and modes as they are.

    Args:
        model: takes normalised images (N, C, H, W). Its modules are in eval mode meanwhile.
        splits: on the model's device; the first 1,024 training images are measured, without
            augmentation.
        precision: ``float32``, ``tf32`` or ``bfloat16``; variances are taken in float32.

    Returns:
        Shifts, at least 1, of the layers that the model calls; 1 where nothing shifts. Empty
        where one is not finite. Left out: layers without statistics, and frozen ones, whose
        statistics training uses too.
    """
    layers = _find_layers(model)
    if not layers:
        return {}
    inputs = {name: _Moments() for name in layers}
    hooks = [layer.register_forward_pre_hook(inputs[name].add) for name, layer in layers.items()]
    measured = Split(splits.train.images[:MOST_IMAGES], splits.train.labels[:MOST_IMAGES])
    try:
        with in_mode(model, training=False):
            map_chunks(model, splits, measured, precision, lambda *_: None)
    finally:
        for hook in hooks:
            hook.remove()
    shifts = {
        name: _ratio(moments.mean_variance(), _mean(layers[name].running_var), layers[name].eps)
        for name, moments in inputs.items()
        if moments.count
    }
    return shifts if all(map(math.isfinite, shifts.values())) else {}


def mean_shift(shifts: Mapping[str, float]) -> float | None:
    """Return the mean over layers; None without layers."""
    return sum(shifts.values()) / len(shifts) if shifts else None


def _find_layers(model: nn.Module) -> dict[str, Any]:
    held = set(find_held_modules(model))
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _NORMS) and module.running_var is not None and module not in held
    }


def _ratio(found: float, expected: float, eps: float) -> float:
    """Return the larger ratio of two variances, each with the eps that the layer adds."""
    found, expected = found + eps, expected + eps
    return max(found / expected, expected / found)


def _mean(variances: Tensor | None) -> float:
    assert variances is not None
    return float(variances.double().mean())


class _Moments:
    """Mean and sum of squared deviations of each channel, of all inputs so far."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squares = torch.zeros(1, dtype=torch.float64)

    def add(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Add the input of a layer, (N, C, …): a hook before its forward pass."""
        x = inputs[0].float()
        variance, mean = torch.var_mean(x, [d for d in range(x.dim()) if d != 1], correction=0)
        variance, mean = variance.cpu().double(), mean.cpu().double()
        # Chan et al. 1983, "Algorithms for computing the sample variance": exact for any chunks.
        count = x.numel() // x.shape[1]
        total = self.count + count
        delta = mean - self._mean
        self._squares = self._squares + variance * count + delta**2 * (self.count * count / total)
        self._mean = self._mean + delta * (count / total)
        self.count = total

    def mean_variance(self) -> float:
        """Return the mean over channels of the variance, over all positions of all images."""
        return float((self._squares / self.count).mean())
