"""Cutout: sets a square of each training image to the mean.

Shapes: N examples, C channels, H × W positions.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers.base import Regulariser
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.inputs import InputNoise
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import preserve_modes

_PROBES = 1024
_FALSE_ALARM = 1e-9  # probability that the image's edge clips all of the probed squares


class Cutout(InputNoise):
    """Sets a square of an image to zero, the mean of normalised images.

    DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with
    cutout", section 3: the square's centre is uniform over the image, so that part of the square
    may lie outside it. As published, p is 1.

    Args:
        p: the probability that an image is cut, in [0, 1].
        size: side of the square as a fraction of the image's shorter side, in (0, 1], at least
            one pixel. The paper uses 1/2 for CIFAR-10 and 1/4 for CIFAR-100.

    Raises:
        ValueError: p is outside [0, 1], or size outside (0, 1].
    """

    kind: ClassVar[str] = "cutout"

    def __init__(self, p: float = 1.0, size: float = 0.5) -> None:
        super().__init__(p)
        if not 0 < size <= 1:
            raise ValueError(f"size={size} is not allowed: it must be above 0 and at most 1")
        self.size = size

    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        n, _, height, width = images.shape
        side = max(1, round(self.size * min(height, width)))
        is_cut = bernoulli(images, (n, 1, 1), self.p).bool()

        def inside(length: int) -> Tensor:
            first = torch.randint(length, (n, 1), device=images.device) - side // 2
            place = torch.arange(length, device=images.device)
            return (place >= first) & (place < first + side)

        square = inside(height).unsqueeze(2) & inside(width).unsqueeze(1)
        return images.masked_fill((square & is_cut).unsqueeze(1), 0), targets

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is an image; a cut one counts as dropped.

        Raises:
            AuditError: no square has the requested size, or one is larger.
        """
        height, width = x.shape[2:]
        with preserve_modes(self):
            self.train()
            cut, _ = self(x.new_ones(_PROBES, 1, height, width), torch.zeros(_PROBES))
        gone = (cut == 0)[:, 0]
        largest = int(gone.any(2).sum(1).max()), int(gone.any(1).sum(1).max())
        side = max(1, round(self.size * min(height, width)))
        is_cut = gone.flatten(1).any(1)
        # Along an axis a square is clipped if its centre is within half a side of the edge.
        clipped = min(side / min(height, width), 1 - 1 / max(height, width))
        expected = clipped ** int(is_cut.sum()) < _FALSE_ALARM
        if max(largest) > side or (expected and min(largest) < min(side, height, width)):
            raise AuditError(f"squares of up to {largest[0]} × {largest[1]} pixels, not {side}")
        return Draws(is_cut.float(), ratios=None, passes=_PROBES / len(x))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, size={self.size}"


class CutoutRegulariser(Regulariser):
    """Cutout on training images.

    Args:
        p: see Cutout.
        size: see Cutout.

    Raises:
        ValueError: p is outside [0, 1], or size outside (0, 1].
    """

    name: ClassVar[str] = "cutout"
    needs: ClassVar[str] = "the input"
    allows_p_of_one: ClassVar[bool] = True

    def __init__(self, p: float, size: float = 0.5) -> None:
        super().__init__(p)
        self.size = Cutout(p, size).size

    def input(self, num_classes: int) -> nn.Module:  # noqa: ARG002
        return Cutout(self.p, self.size)
