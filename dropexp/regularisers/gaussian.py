"""Multiplicative Gaussian noise: on activations, and on whole units whose scale is learned."""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from dropexp.regularisers.activations import ActivationNoise
from dropexp.regularisers.base import (
    DepthScheduled,
    LearnsParameters,
    Noise,
    Nonlinearity,
    agreed,
    with_noise_after,
)
from dropexp.regularisers.draws import Draws, NormalDraws
from dropexp.regularisers.modes import run_in_both_modes


class GaussianDropout(ActivationNoise):
    """Multiplies single activations by N(1, p / (1 − p)): dropout's mean and variance.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting",
    section 10.

    Args:
        p: the drop probability of the dropout whose variance it has, in [0, 1).

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "gaussian_dropout"

    def forward(self, x: Tensor) -> Tensor:
        """Any shape, floating point → the same."""
        if not self.training or self.p == 0:
            return x
        return x * (1 + deviation(self.p) * torch.randn_like(x))

    @property
    def chance_of_repeat(self) -> float:
        """See Noise: a number of a continuous distribution."""
        return 0.0

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones."""
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        return NormalDraws.of((trained / evaluated).flatten())


class UnitScaling(LearnsParameters, Noise):
    """Scales each unit of a layer's output by a learned coefficient, with multiplicative noise.

    ``x_c · a_c · N(1, p / (1 − p))``, one draw for each example and unit. This is what an article
    on dropout2d describes under the name of DropConnect; the published DropConnect drops single
    weights and learns no coefficients (see dropconnect.py). Made with p = 0 it is off, coefficients
    included; a p that is set to 0 later takes away the noise only, so that evaluation does not
    depend on p.

    Args:
        units: U: channels of a convolution, features of a linear layer.
        p: strength, in [0, 1): that of the dropout whose variance it has.
        dim: the dimension of the input that the units are: 1 after a convolution, −1 after a
            linear layer.

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "unit_scaling"

    def __init__(self, units: int, p: float = 0.5, dim: Literal[1, -1] = 1) -> None:
        super().__init__()
        self.dim = dim
        self.coefficient = nn.Parameter(torch.ones(units))
        self._is_on = False
        self.p = p

    def _p_was_set(self) -> None:
        self._is_on = self._is_on or self.p > 0

    def forward(self, x: Tensor) -> Tensor:
        """(N, U, …), or with dim = −1 (N, …, U), floating point → the same."""
        if not self._is_on:
            return x
        scale = self.coefficient.to(x.dtype)
        if self.training and self.p > 0:
            noise = torch.randn(len(x), len(scale), dtype=x.dtype, device=x.device)
            scale = scale * (1 + deviation(self.p) * noise)
        own = [1] * (x.dim() - 2)
        rows = scale.shape[:-1]  # of the examples, or none
        shape = (*own, len(self.coefficient)) if self.dim == -1 else (len(self.coefficient), *own)
        return x * scale.view(*rows, *shape)

    @property
    def chance_of_repeat(self) -> float:
        """See Noise: a number of a continuous distribution."""
        return 0.0

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones.

        Raises:
            AuditError: elements of a unit came out different.
        """
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        units_second = (trained / evaluated).movedim(self.dim, 1)
        return NormalDraws.of(agreed(units_second.reshape(len(x) * len(self.coefficient), -1)))

    def extra_repr(self) -> str:
        return f"{len(self.coefficient)}, p={self.p}, dim={self.dim}"


def deviation(p: float) -> float:
    """√(p / (1 − p)): the standard deviation of m / (1 − p) with m ~ Bernoulli(1 − p)."""
    return float((p / (1 - p)) ** 0.5)


class GaussianDropoutRegulariser(DepthScheduled):
    """GaussianDropout after every layer."""

    name: ClassVar[str] = "gaussian_dropout"
    needs: ClassVar[str] = "activations"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:  # noqa: ARG002
        return GaussianDropout(self.p_at(depth))


class UnitScalingRegulariser(DepthScheduled):
    """UnitScaling on the output of every linear and convolution layer that a model offers."""

    name: ClassVar[str] = "unit_scaling"
    needs: ClassVar[str] = "linear or convolution layers"

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: Nonlinearity | None = None,  # noqa: ARG002
    ) -> nn.Module:
        if isinstance(layer, nn.Linear):
            noise = UnitScaling(layer.out_features, self.p_at(depth), dim=-1)
        else:
            noise = UnitScaling(layer.out_channels, self.p_at(depth))
        noise = noise.to(layer.weight)
        return with_noise_after(layer, noise.train(layer.training))
