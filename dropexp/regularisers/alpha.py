"""Alpha dropout, for self-normalising networks: sets activations to SELU's saturation."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.errors import AuditError
from dropexp.regularisers.activations import ActivationNoise
from dropexp.regularisers.base import DepthSchedule, DepthScheduled
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import run_in_both_modes

SATURATION = -1.7580993408473766
"""α′ = −λα, the limit of SELU far below zero: Klambauer et al. 2017, section 2."""


class AlphaDropout(ActivationNoise):
    """Sets activations to SELU's saturation, then restores mean 0 and variance 1.

    ``a (x · m + α′ (1 − m)) + b`` with m = 1 where kept, and a, b such that activations of mean 0
    and variance 1 keep both: Klambauer et al. 2017, "Self-normalizing neural networks", section 3
    ("New dropout technique"). It belongs after a SELU: if the mean of the input is not 0, training
    and evaluation differ in expectation. The training output is that of
    ``torch.nn.functional.alpha_dropout`` or ``feature_alpha_dropout``, bit for bit under the same
    seed.

    Args:
        p: drop probability in [0, 1).
        featurewise: drop whole channels of an example where the input is a map (N, C, H, W).

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "alpha_dropout"

    def __init__(self, p: float = 0.5, featurewise: bool = False) -> None:
        super().__init__(p)
        self.featurewise = featurewise

    def forward(self, x: Tensor) -> Tensor:
        """Return x, of any shape and floating point, with noise in training."""
        if not self.training or self.p == 0:
            return x
        if torch.compiler.is_compiling():
            return self._forward_compiled(
                x, (*x.shape[:2], 1, 1) if self._drops_channels(x) else x.shape
            )
        if self._drops_channels(x):
            return F.feature_alpha_dropout(x, self.p, training=True)
        return F.alpha_dropout(x, self.p, training=True)

    def _forward_compiled(self, x: Tensor, mask_shape: tuple[int, ...]) -> Tensor:
        keep = bernoulli(x, mask_shape, 1 - self.p)
        scale, shift = affine_coefficients(self.p)
        return scale * (x * keep + SATURATION * (1 - keep)) + shift

    def _drops_channels(self, x: Tensor) -> bool:
        return self.featurewise and x.dim() == 4

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones, whose mean output is a (1 − p).

        Raises:
            AuditError: elements of a channel that share a draw differ, or an output is
                neither that of a kept nor that of a dropped one.
        """
        _, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        is_by_channel = self._drops_channels(x)
        by_unit = trained.flatten(2).flatten(0, 1) if is_by_channel else trained.reshape(-1, 1)
        units = take_one_per_unit(by_unit).float()
        scale, shift = affine_coefficients(self.p)
        kept, dropped = scale + shift, scale * SATURATION + shift
        is_dropped = (units - dropped).abs() < (units - kept).abs()
        if not torch.allclose(units, torch.where(is_dropped, dropped, kept), atol=1e-4):
            raise AuditError("for an input of 1, an output is neither a + b nor aα′ + b")
        mean = scale * (1 - self.p)
        return Draws(is_dropped.float(), units / mean, low=dropped / mean, high=kept / mean)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, featurewise={self.featurewise}"


def affine_coefficients(p: float) -> tuple[float, float]:
    """Return a and b of alpha dropout, which restore mean 0 and variance 1.

    a = (q + α′² q (1 − q))^(−1/2) and b = −a α′ (1 − q), with q = 1 − p: Klambauer et al. 2017,
    section 3.

    Args:
        p: drop probability in [0, 1).
    """
    keep = 1 - p
    scale = (keep + SATURATION**2 * keep * p) ** -0.5
    return scale, -scale * SATURATION * p


class AlphaDropoutRegulariser(DepthScheduled):
    """AlphaDropout after every layer of a network with SELU.

    Args:
        p: drop probability in [0, 1).
        featurewise: see AlphaDropout.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: p is outside [0, 1), or the schedule is unknown.
    """

    name: ClassVar[str] = "alpha_dropout"
    belongs_after: ClassVar[str | None] = "SELU"
    needs: ClassVar[str] = "activations"

    def __init__(
        self, p: float, featurewise: bool = False, depth_schedule: DepthSchedule = "uniform"
    ) -> None:
        super().__init__(p, depth_schedule)
        self.featurewise = featurewise

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:  # noqa: ARG002
        return AlphaDropout(self.p_at(depth), self.featurewise)
