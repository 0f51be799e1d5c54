"""Drawing many Bernoulli masks quickly."""

from math import prod

import numpy as np
import torch
from torch import Tensor

_COARSE_RANGE = (0.01, 0.9)
"""The p for which 16 random bits a draw resolve both p and 1 − p to better than 0.1 %."""

_BLOCK = 2**17
"""Draws made at a time: their random bits stay in the processor's cache."""


def draw_keep(shape: tuple[int, ...], p: float, device: torch.device) -> Tensor:
    """Independent draws: 1 with probability 1 − p (keep), 0 with probability p (drop).

    torch's global generator of the device decides the result. On a CPU torch draws one
    Bernoulli at a time (about 10 ns each), which for one draw per weight *and example* costs
    more than everything else together; there a single draw from torch's generator seeds a
    vectorisable one (SFC64), whose output is cut into lanes of 16 bits that are compared with
    p. The realised probability is p rounded to a multiple of 2⁻¹⁶ where 0.01 ≤ p ≤ 0.9, and of
    2⁻³² elsewhere (torch's own float32 draws resolve 2⁻²⁴).

    Args:
        shape: of the result.
        p: drop probability in [0, 1).
        device: of the result.

    Returns:
        int8 tensor of zeros and ones. (Not bool: turning bool into float is not vectorised in
        torch and takes six times as long.)
    """
    if device.type != "cpu":
        return (torch.rand(shape, device=device) >= p).to(torch.int8)
    bits = 16 if _COARSE_RANGE[0] <= p <= _COARSE_RANGE[1] else 32
    lane: type[np.unsignedinteger] = np.uint16 if bits == 16 else np.uint32
    threshold = lane(min(round(p * 2**bits), 2**bits - 1))
    seed = int(torch.empty((), dtype=torch.int64).random_().item())
    words = np.random.SFC64(seed)
    keep = np.empty(prod(shape), dtype=np.bool_)
    for start in range(0, keep.size, _BLOCK):
        part = keep[start : start + _BLOCK]
        lanes = words.random_raw(-(-part.size * bits // 64)).view(lane)
        np.greater_equal(lanes[: part.size], threshold, out=part)
    return torch.from_numpy(keep.view(np.int8)).view(shape)
