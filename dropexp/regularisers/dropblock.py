"""DropBlock: drops square blocks of positions.

Shapes: N examples, C channels, H × W positions.
"""

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.errors import AuditError
from dropexp.regularisers.activations import ActivationNoise, check_is_map
from dropexp.regularisers.base import DepthSchedule, DepthScheduled, check_choice
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import run_in_both_modes

BlockMask = Literal["channel", "shared"]

_BISECTIONS = 60


class DropBlock2d(ActivationNoise):
    """Drops blocks of positions: ``x · m / (1 − p_i)`` with m of shape (N, C, H, W).

    Ghiasi, Lin and Le 2018, "DropBlock: a regularization method for convolutional networks",
    algorithm 1. Blocks lie wholly inside the map, as published. Two things are exact here that
    the paper approximates:

    - p is the expected share of dropped positions. The paper's equation 1 counts a position once
      for each block that covers it, so that its share is smaller (0.092 instead of 0.1 for
      blocks of 7 in 14 × 14). Here the probability γ of a block's corner solves
      mean_i [1 − (1 − γ)^{k_i}] = p, where k_i is the number of blocks that cover position i.
    - A kept position i is divided by 1 − p_i, with its own p_i = 1 − (1 − γ)^{k_i}, which
      is smaller near the edges. The paper divides by the share kept in the batch, which agrees
      with evaluation only on average over positions and lets examples influence each other.
      The factor 1 / (1 − p_i) is large where blocks are large and p is near 1: in the middle of
      32 × 32 for blocks of 7 it is 3.2 at p = 0.5 and 555 at 0.9.

    Args:
        p: expected share of dropped positions, in [0, 1).
        block_size: side of a block in positions, at least 1; a map with a shorter side has blocks
            of that side.
        mask: "channel": each channel has its own blocks, as published; "shared": all channels of an
            example drop the same positions, m of shape (N, 1, H, W).

    Raises:
        ValueError: p is outside [0, 1), block_size is below 1, or the mask is unknown.
    """

    kind: ClassVar[str] = "dropblock"
    _solutions: dict[tuple[int, int, torch.device], tuple[float, Tensor]]

    def __init__(self, p: float = 0.1, block_size: int = 7, mask: BlockMask = "channel") -> None:
        # Cached by map size and device, so that compiled code looks γ up and need not solve for it.
        self.__dict__["_solutions"] = {}
        super().__init__(p)
        check_choice("mask", mask, get_args(BlockMask))
        if block_size < 1:
            raise ValueError(f"block_size={block_size} is not allowed: it must be at least 1")
        self.block_size = block_size
        self.mask: BlockMask = mask

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (N, C, H, W) and floating point, with noise in training.

        Raises:
            ValueError: x does not have four dimensions.
        """
        check_is_map(x, type(self).__name__)
        if not self.training or self.p == 0:
            return x
        n, channels, height, width = x.shape
        gamma, kept = self._solve_once(height, width, x.device)
        side = min(self.block_size, height, width)
        masks = 1 if self.mask == "shared" else channels
        corners = bernoulli(x, (n, masks, height - side + 1, width - side + 1), gamma)
        dropped = self._paint_blocks(corners, side)
        # In float32: rounding 1 / kept to half precision would cost up to 0.4 % at a position.
        return (x * ((1 - dropped) / kept)).to(x.dtype)

    @staticmethod
    def _paint_blocks(corners: Tensor, side: int) -> Tensor:
        """Return a map of ones inside the blocks with these upper left corners, zeros outside."""
        return F.max_pool2d(F.pad(corners, (side - 1,) * 4), side, stride=1)

    def _on_p_changed(self) -> None:
        self._solutions = {size: self._solve(*size) for size in self._solutions}

    def _solve_once(self, height: int, width: int, device: torch.device) -> tuple[float, Tensor]:
        """Return γ and each position's probability of being kept, float32 (H, W); cached."""
        if (height, width, device) not in self._solutions:
            self._solutions[height, width, device] = self._solve(height, width, device)
        return self._solutions[height, width, device]

    def _solve(self, height: int, width: int, device: torch.device) -> tuple[float, Tensor]:
        coverings = count_coverings(height, width, self.block_size)
        gamma = solve_block_probability(self.p, coverings)
        return gamma, ((1 - gamma) ** coverings).to(device, torch.float32)

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is a map; the dropped share of its positions has mean p.

        Raises:
            AuditError: the dropped positions are not whole blocks, or are not shared as claimed.
        """
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        ratios = (trained / evaluated).float()
        if self.mask == "shared":
            take_one_per_unit((ratios == 0).movedim(1, -1).flatten(0, 2).float())
            ratios = ratios[:, :1]
        dropped = (ratios == 0).float()
        side = min(self.block_size, *x.shape[2:])
        corners = -F.max_pool2d(-dropped, side, stride=1)
        if not torch.equal(self._paint_blocks(corners, side), dropped):
            raise AuditError(f"the dropped positions are not blocks of {side} × {side}")
        # The mean ratio is largest for a map of which nothing is dropped.
        high = (
            float((1 / self._solve_once(x.shape[2], x.shape[3], x.device)[1]).mean())
            if self.p > 0
            else 1.0
        )
        maps = ratios.flatten(0, 1).flatten(1)
        return Draws(dropped.flatten(0, 1).flatten(1).mean(1), maps.mean(1), high=high)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, block_size={self.block_size}, mask={self.mask}"


def count_coverings(height: int, width: int, block_size: int) -> Tensor:
    """Return how many blocks that lie wholly inside a map cover each position.

    Args:
        height: H.
        width: W.
        block_size: side of a block; at most the shorter side of the map is used.

    Returns:
        float64 (H, W).
    """
    side = min(block_size, height, width)

    def along(length: int) -> Tensor:
        position = torch.arange(length, dtype=torch.float64)
        first = (position - side + 1).clamp_min(0)
        last = position.clamp_max(length - side)
        return last - first + 1

    return along(height)[:, None] * along(width)


def solve_block_probability(p: float, coverings: Tensor) -> float:
    """Return the block probability γ at which the expected share of dropped positions is p.

    Args:
        p: in [0, 1).
        coverings: (H, W), see count_coverings.

    Returns:
        γ in [0, 1], found by bisection.
    """
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        gamma = (low + high) / 2
        share = float((1 - (1 - gamma) ** coverings).mean())
        low, high = (gamma, high) if share < p else (low, gamma)
    return (low + high) / 2


class DropBlockRegulariser(DepthScheduled):
    """DropBlock2d after every layer whose output is a map.

    Args:
        p: see DropBlock2d.
        block_size: see DropBlock2d.
        mask: see DropBlock2d.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: as DropBlock2d.
    """

    name: ClassVar[str] = "dropblock"
    needs: ClassVar[str] = "activations with height and width"

    def __init__(
        self,
        p: float,
        block_size: int = 7,
        mask: BlockMask = "channel",
        depth_schedule: DepthSchedule = "uniform",
    ) -> None:
        super().__init__(p, depth_schedule)
        DropBlock2d(p, block_size, mask)  # checks the options, even if the model has no site
        self.block_size = block_size
        self.mask: BlockMask = mask

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        if not spatial:
            return nn.Identity()
        return DropBlock2d(self.p_at(depth), self.block_size, self.mask)
