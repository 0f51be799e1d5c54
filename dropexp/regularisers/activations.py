"""Noise on activations: channels, positions or single elements.

Shapes: N examples, C channels, H × W positions.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropexp.regularisers.base import DepthSchedule, DepthScheduled, Noise
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import run_in_both_modes


class ActivationNoise(nn.Module, Noise):
    """Noise on a layer's output: the identity in eval mode and at p = 0.

    Args:
        p: drop probability in [0, 1).

    Raises:
        ValueError: p is outside [0, 1).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def extra_repr(self) -> str:
        return f"p={self.p}"


class MaskedActivations(ActivationNoise):
    """Noise that sets each activation to zero or to x / (1 − p) in training."""

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones.

        Raises:
            AuditError: activations that share a draw differ.
        """
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        return Draws.from_bernoulli(
            take_one_per_unit(self._group_by_unit(trained / evaluated)), self.p
        )

    def _forward_compiled(self, x: Tensor, mask_shape: tuple[int, ...]) -> Tensor:
        """Return ``x · m / (1 − p)`` without torch's dropout, for compiled code; see masks.py."""
        return x * (bernoulli(x, mask_shape, 1 - self.p) / (1 - self.p))

    @abstractmethod
    def _group_by_unit(self, output: Tensor) -> Tensor:
        """Reshape an output to (units, elements of a unit)."""


class _OverwritingDropout(MaskedActivations):
    """A dropout that may overwrite its input, as torch's own."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__(p)
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout2d(_OverwritingDropout):
    """Drops whole channels of an example: ``x · m / (1 − p)`` with m of shape (N, C, 1, 1).

    Tompson et al. 2015, "Efficient object localization using convolutional networks", section
    3.2, where it is called SpatialDropout. The training output is that of
    ``torch.nn.functional.dropout2d``, bit for bit under the same seed.

    Args:
        p: drop probability in [0, 1).
        inplace: overwrite the input.

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "dropout2d"

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (N, C, H, W) and floating point, with noise in training.

        Raises:
            ValueError: x does not have four dimensions.
        """
        check_is_map(x, type(self).__name__)
        if not self.training or self.p == 0:
            return x
        if torch.compiler.is_compiling():
            return self._forward_compiled(x, (*x.shape[:2], 1, 1))
        return F.dropout2d(x, self.p, training=True, inplace=self.inplace)

    def _group_by_unit(self, output: Tensor) -> Tensor:
        return output.flatten(2).flatten(0, 1)


class SpatialDropout2d(MaskedActivations):
    """Drops positions of an example: ``x · m / (1 − p)`` with m of shape (N, 1, H, W).

    All channels of a position are dropped together. What the literature after Tompson et al.
    2015 (and Keras) calls spatial dropout drops channels instead: that is Dropout2d.

    Args:
        p: drop probability in [0, 1).

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "spatial_dropout"

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (N, C, H, W) and floating point, with noise in training.

        Raises:
            ValueError: x does not have four dimensions.
        """
        check_is_map(x, type(self).__name__)
        if not self.training or self.p == 0:
            return x
        n, _, height, width = x.shape
        mask = bernoulli(x, (n, 1, height, width), 1 - self.p)
        return x * mask.div_(1 - self.p)

    def _group_by_unit(self, output: Tensor) -> Tensor:
        return output.movedim(1, -1).flatten(0, 2)


class Dropout(_OverwritingDropout):
    """Drops single activations: ``x · m / (1 − p)`` with m of x's shape.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting",
    with the rescaling in training instead of in evaluation (their section 10). The training
    output is that of ``torch.nn.functional.dropout``, bit for bit under the same seed.

    Args:
        p: drop probability in [0, 1).
        inplace: overwrite the input.

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "dropout"

    def forward(self, x: Tensor) -> Tensor:
        """Return x, of any shape and floating point, with noise in training."""
        if not self.training or self.p == 0:
            return x
        if torch.compiler.is_compiling():
            return self._forward_compiled(x, tuple(x.shape))
        return F.dropout(x, self.p, training=True, inplace=self.inplace)

    def _group_by_unit(self, output: Tensor) -> Tensor:
        return output.reshape(-1, 1)


class _OverwritingRegulariser(DepthScheduled):
    """A regulariser whose modules may overwrite their inputs."""

    def __init__(
        self, p: float, inplace: bool = False, depth_schedule: DepthSchedule = "uniform"
    ) -> None:
        super().__init__(p, depth_schedule)
        self.inplace = inplace


class Dropout2dRegulariser(_OverwritingRegulariser):
    """Dropout2d after every layer whose output is a map.

    Args:
        p: see DepthScheduled.
        inplace: see Dropout2d.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: p is outside [0, 1), or the schedule is unknown.
    """

    name: ClassVar[str] = "dropout2d"
    needs: ClassVar[str] = "activations with height and width"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        if not spatial:
            return nn.Identity()
        return Dropout2d(self.p_at(depth), self.inplace)


class SpatialDropoutRegulariser(DepthScheduled):
    """SpatialDropout2d after every layer whose output is a map; arguments as DepthScheduled's."""

    name: ClassVar[str] = "spatial_dropout"
    needs: ClassVar[str] = "activations with height and width"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        if not spatial:
            return nn.Identity()
        return SpatialDropout2d(self.p_at(depth))


class DropoutRegulariser(_OverwritingRegulariser):
    """Dropout after every layer.

    Args:
        p: see DepthScheduled.
        inplace: see Dropout.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: p is outside [0, 1), or the schedule is unknown.
    """

    name: ClassVar[str] = "dropout"
    needs: ClassVar[str] = "activations"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:  # noqa: ARG002
        return Dropout(self.p_at(depth), self.inplace)


def check_is_map(x: Tensor, module: str) -> None:
    """Refuse an input that is not (N, C, H, W).

    Raises:
        ValueError: names the module and the input's shape.
    """
    if x.dim() != 4:
        raise ValueError(f"{module} got an input of shape {tuple(x.shape)}; allowed: (N, C, H, W)")
