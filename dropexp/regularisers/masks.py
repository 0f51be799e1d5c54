"""Bernoulli masks: drawn by torch, or faster where there are many draws.

torch.compile treats the probability of torch's own Bernoulli draws and dropouts as a constant and
would recompile for every p of a schedule. Compiled code therefore compares uniform numbers with p:
its masks differ from those of uncompiled code but have the same distribution.
"""

from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

_TOLERANCE = 1e-4
"""Largest error of the realised drop probability, relative to p and to 1 − p."""

_LANES: tuple[tuple[type[np.unsignedinteger[Any]], int], ...] = (
    (np.uint8, 8),
    (np.uint16, 16),
    (np.uint32, 32),
)

_BLOCK = 2**17
"""Draws made at a time, so that their random bits stay in the processor's cache."""


def bernoulli(like: Tensor, shape: tuple[int, ...], probability: float) -> Tensor:
    """Return independent draws: 1 with the given probability, else 0.

    Args:
        like: a tensor with the dtype and device of the result.
        shape: the shape of the result.
        probability: of a 1, in [0, 1].
    """
    if torch.compiler.is_compiling():
        return (torch.rand(shape, device=like.device) < probability).to(like.dtype)
    return like.new_empty(shape).bernoulli_(probability)


def draw_keep(shape: tuple[int, ...], p: float, device: torch.device) -> Tensor:
    """Return independent draws as int8: 1 (keep) with probability 1 − p, else 0 (drop).

    The result depends only on torch's global generator of the device. On a CPU, torch draws one
    Bernoulli number at a time (about 10 ns each); with a draw for each weight *and example* this
    would cost more than the rest of the layer. So on a CPU one number from torch's generator seeds
    a vectorisable generator (SFC64), whose output is split into lanes of 8, 16 or 32 bits that are
    compared with p. The lanes are the shortest that resolve p with an error of at most 1e-4 of p
    and of 1 − p, else 32 bits: 8 suffice for 0.5 or 0.25, 16 for most others from 0.01 to 0.99.

    Args:
        shape: the shape of the result.
        p: drop probability in [0, 1).
        device: the device of the result.

    Returns:
        int8, since torch converts bool to float six times as slowly.
    """
    if device.type != "cpu" or torch.compiler.is_compiling():
        return (torch.rand(shape, device=device) >= p).to(torch.int8)
    lane, bits, threshold = _choose_lane(p)
    seed = int(torch.empty((), dtype=torch.int64).random_().item())
    generator = np.random.SFC64(seed)
    keep = np.empty(prod(shape), dtype=np.bool_)
    for start in range(0, keep.size, _BLOCK):
        part = keep[start : start + _BLOCK]
        lanes = generator.random_raw(-(-part.size * bits // 64)).view(lane)
        np.greater_equal(lanes[: part.size], lane(threshold), out=part)
    return torch.from_numpy(keep.view(np.int8)).view(shape)


def _choose_lane(p: float) -> tuple[type[np.unsignedinteger[Any]], int, int]:
    """Return the type of a draw, its bits, and the number it is below with probability p."""
    for lane, bits in _LANES[:-1]:
        threshold = round(p * 2**bits)
        if abs(threshold / 2**bits - p) <= _TOLERANCE * min(p, 1 - p):
            return lane, bits, threshold
    lane, bits = _LANES[-1]
    return lane, bits, min(round(p * 2**bits), 2**bits - 1)
