"""Measures what noise does: how much it drops, what along, and how it scales what it keeps."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.regularisers import Draws, preserve_modes

_ENOUGH_UNITS = 4096
_MANY_EXAMPLES = 256
_MOST_PASSES = 64
_LONGEST_SIDE = 8
_MOST_ELEMENTS = 1 << 22
_FALSE_ALARM = 1e-6  # the largest probability that a sound module is called wrong

Noise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Measurement:
    """What noise did to a probe of ones.

    Attributes:
        rate: the share of units that were dropped, in [0, 1].
        scale: what kept values were multiplied by, on average; None where nothing was kept.
        mask: the shape of the mask: the probe's size along each axis where the mask varies, 1
            along the others; None where nothing was dropped.
        shape: of the probe.
        units: the number of independent draws.
        passes: over the probe.
        mean: of training ÷ evaluation over all passes, by unit.
    """

    rate: float
    scale: float | None
    mask: tuple[int, ...] | None
    shape: tuple[int, ...]
    units: int
    passes: int
    mean: float

    @property
    def axis(self) -> str:
        """What a single draw decides about: see name_axis."""
        return name_axis(self.mask, self.shape)


def measure(noise: Noise, shape: tuple[int, ...], device: torch.device) -> Measurement:
    """Measure noise on a probe of ones, against what it makes of them when it is off.

    Args:
        noise: the noise in training mode; its evaluation is the identity.
        shape: of the input that the noise has in the network; the probe has more examples and
            shorter sides.
        device: of the probe.

    Raises:
        Exception: whatever the noise raises on such an input.
    """
    # Many examples, as some noise draws once for each; few positions, as they only cost time.
    examples = max(shape[0], _MANY_EXAMPLES)
    ones = torch.ones((examples, *(min(side, _LONGEST_SIDE) for side in shape[1:])), device=device)
    outputs: list[Tensor] = []
    while True:
        out = noise(ones.clone())
        if out.shape != ones.shape:
            raise ValueError(f"it turns {tuple(ones.shape)} into {tuple(out.shape)}")
        outputs.append(out)
        mask = _shape_of_mask(outputs)
        units = _count_units(mask, outputs)
        if len(outputs) >= 2 and (
            units >= _ENOUGH_UNITS or len(outputs) * ones.numel() > _MOST_ELEMENTS
        ):
            break
        if len(outputs) == _MOST_PASSES:
            break
    ratios = torch.cat([_one_per_unit(out, mask) for out in outputs]).double()
    dropped = _is_dropped(ratios)
    kept = ratios[~dropped]
    return Measurement(
        rate=float(dropped.double().mean()),
        scale=float(kept.mean()) if len(kept) else None,
        mask=mask if dropped.any() else None,
        shape=tuple(ones.shape),
        units=len(ratios),
        passes=len(outputs),
        mean=float(ratios.mean()),
    )


def _is_dropped(values: Tensor) -> Tensor:
    return values == 0


def _shape_of_mask(outputs: list[Tensor]) -> tuple[int, ...]:
    """Return the size along each axis where zeros differ in some pass, 1 along the others."""
    sizes: list[int] = []
    for axis, size in enumerate(outputs[0].shape):
        differs = any(
            not torch.equal(zeros, zeros.narrow(axis, 0, 1).expand_as(zeros))
            for zeros in (_is_dropped(out) for out in outputs)
        )
        sizes.append(size if differs else 1)
    return tuple(sizes)


def _count_units(mask: tuple[int, ...], outputs: list[Tensor]) -> int:
    return math.prod(mask) * len(outputs)


def _one_per_unit(out: Tensor, mask: tuple[int, ...]) -> Tensor:
    for axis, size in enumerate(mask):
        if size == 1:
            out = out.narrow(axis, 0, 1)
    return out.flatten()


def name_axis(mask: tuple[int, ...] | None, shape: tuple[int, ...]) -> str:
    """Return what a single draw of a mask decides about, in the words of the field.

    Args:
        mask: 1 along the axes where the mask is constant; None for no mask.
        shape: of what it multiplies, the first axis being that of examples.
    """
    if mask is None or len(mask) != len(shape):
        return ""
    varies = [size > 1 for size in mask]
    of_one = [size == 1 for size in shape]
    rest = varies[1:]
    if not any(varies):
        return "whole batch"
    if not any(rest):
        return "examples"
    if all(each or one for each, one in zip(rest, of_one[1:], strict=True)):
        return "elements"
    if len(rest) > 1 and rest[0] and not any(rest[1:]):
        return "channels" if len(rest) > 2 else "first axis"
    if len(rest) > 1 and not rest[0] and all(rest[1:]):
        return "positions" if len(rest) > 2 else "last axis"
    return f"mask {'×'.join(map(str, mask))}"


def deviates(measured: Measurement, p: float) -> bool:
    """Return whether the mean output in training is not that in evaluation.

    Args:
        measured: of dropout-like noise.
        p: its drop probability.
    """
    probe = Draws(
        dropped=torch.tensor([measured.rate]),
        ratios=torch.tensor([measured.mean]).expand(measured.units),
        high=max(1 / (1 - p), measured.scale or 0.0),
    )
    return probe.deviation > probe.largest_deviation(p, _FALSE_ALARM)


def never_drops(measured: Measurement, p: float) -> bool:
    """Return whether noise with this drop probability would have dropped something by now."""
    return measured.rate == 0 and (1 - p) ** measured.passes < _FALSE_ALARM


def probe_module(module: nn.Module) -> Noise:
    """Return a module's noise in training mode, relative to its output in evaluation."""

    def noise(ones: Tensor) -> Tensor:
        with preserve_modes(module), torch.no_grad():
            module.eval()
            evaluated: Tensor = module(ones.clone())
            module.train()
            trained: Tensor = module(ones.clone())
        return trained / evaluated

    return noise


def probe_attention(p: float) -> Noise:
    """Return the noise of scaled dot-product attention on its weights.

    With equal weights 1/S for S tokens and the identity as values, the output is the mask.

    Args:
        p: the drop probability that it is called with.
    """

    def noise(ones: Tensor) -> Tensor:
        tokens = ones.shape[-1]
        query = torch.zeros(*ones.shape[:-1], 8, device=ones.device)
        value = torch.eye(tokens, device=ones.device).expand(*ones.shape[:-2], tokens, tokens)
        keys = torch.zeros(*ones.shape[:-2], tokens, 8, device=ones.device)
        return F.scaled_dot_product_attention(query, keys, value, dropout_p=p) * tokens

    return noise


def shape_of_attention(x: Any) -> tuple[int, ...]:
    """Return the shape of the probe of an attention's weights, given its query (…, L, E)."""
    tokens = min(_LONGEST_SIDE, x.shape[-2])
    return (*x.shape[:-2], tokens, tokens)


def measure_mask(mask: Tensor, shape: tuple[int, ...]) -> Measurement | None:
    """Measure a mask that code has drawn itself; None where it drops nothing.

    Args:
        mask: 0 or False where it drops.
        shape: of what it is applied to.
    """
    values = mask.double()
    if not (values == 0).any():
        return None
    varying = _shape_of_mask([values])
    units = _one_per_unit(values, varying)
    kept = units[units != 0]
    scale = float(kept.mean()) if len(kept) and mask.is_floating_point() else None
    rate = float((units == 0).double().mean())
    return Measurement(rate, scale, varying, shape, len(units), 1, float(units.mean()))
