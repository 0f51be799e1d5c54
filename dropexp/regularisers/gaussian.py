"""Multiplicative Gaussian noise: on activations, or on whole units with a learned scale.

Shapes: N examples, U units (channels of a convolution, features of a linear layer).
"""

import copy
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn

from dropexp.regularisers.activations import ActivationNoise
from dropexp.regularisers.base import DepthScheduled, FollowingNonlinearity, LearnsParameters, Noise
from dropexp.regularisers.draws import Draws, NormalDraws, take_one_per_unit
from dropexp.regularisers.modes import run_in_both_modes

Layer = TypeVar("Layer", bound=nn.Module)


class GaussianDropout(ActivationNoise):
    """Multiplies single activations by N(1, p / (1 − p)): dropout's mean and variance.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting",
    section 10.

    Args:
        p: the drop probability, in [0, 1), of the dropout that has this variance.

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "gaussian_dropout"

    def forward(self, x: Tensor) -> Tensor:
        """Return x, of any shape and floating point, with noise in training."""
        if not self.training or self.p == 0:
            return x
        return x * (1 + factor_std(self.p) * torch.randn_like(x))

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; 0, as the distribution is continuous."""
        return 0.0

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones."""
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        return NormalDraws.from_factors((trained / evaluated).flatten())


class UnitScaling(LearnsParameters, Noise):
    """Scales each unit of a layer's output by a learned coefficient, with multiplicative noise.

    ``x_u · a_u · N(1, p / (1 − p))``, one draw for each example and unit. This is what an article
    on dropout2d describes under the name of DropConnect; the published DropConnect drops single
    weights and learns no coefficients (see the package dropconnect).

    Constructed with p = 0, the module is off, including its coefficients. Setting p to 0 later only
    removes the noise, so evaluation does not depend on p.

    Args:
        units: U.
        p: the drop probability, in [0, 1), of the dropout that has this variance.
        dim: the dimension of the input that holds the units: 1 after a convolution, −1 after a
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

    def _on_p_changed(self) -> None:
        self._is_on = self._is_on or self.p > 0

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (N, U, …) or with dim = −1 (N, …, U), scaled and with noise in training."""
        if not self._is_on:
            return x
        scale = self.coefficient.to(x.dtype)
        if self.training and self.p > 0:
            noise = torch.randn(len(x), len(scale), dtype=x.dtype, device=x.device)
            scale = scale * (1 + factor_std(self.p) * noise)
        rows = scale.shape[:-1]  # (N,) with noise, else ()
        ones = [1] * (x.dim() - 2)
        shape = (*ones, len(self.coefficient)) if self.dim == -1 else (len(self.coefficient), *ones)
        return x * scale.view(*rows, *shape)

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; 0, as the distribution is continuous."""
        return 0.0

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probe is a batch of ones.

        Raises:
            AuditError: elements of a unit differ.
        """
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        by_unit = (trained / evaluated).movedim(self.dim, 1)
        return NormalDraws.from_factors(
            take_one_per_unit(by_unit.reshape(len(x) * len(self.coefficient), -1))
        )

    def extra_repr(self) -> str:
        return f"{len(self.coefficient)}, p={self.p}, dim={self.dim}"


def factor_std(p: float) -> float:
    """Return √(p / (1 − p)), the standard deviation of m / (1 − p) with m ~ Bernoulli(1 − p)."""
    return float((p / (1 - p)) ** 0.5)


class GaussianDropoutRegulariser(DepthScheduled):
    """GaussianDropout after every layer; arguments as DepthScheduled's."""

    name: ClassVar[str] = "gaussian_dropout"
    needs: ClassVar[str] = "activations"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:  # noqa: ARG002
        return GaussianDropout(self.p_at(depth))


class UnitScalingRegulariser(DepthScheduled):
    """UnitScaling on the output of every linear and convolution layer of a model.

    Arguments as DepthScheduled's.
    """

    name: ClassVar[str] = "unit_scaling"
    needs: ClassVar[str] = "linear or convolution layers"

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: FollowingNonlinearity | None = None,  # noqa: ARG002
    ) -> nn.Module:
        if isinstance(layer, nn.Linear):
            noise = UnitScaling(layer.out_features, self.p_at(depth), dim=-1)
        else:
            noise = UnitScaling(layer.out_channels, self.p_at(depth))
        noise = noise.to(layer.weight)
        return _add_output_noise(layer, noise.train(layer.training))


def _add_output_noise(layer: Layer, noise: nn.Module) -> Layer:
    """Return a copy of a layer that shares its parameters and passes its output through noise.

    The layer itself is not changed; the noise is a child of the copy.
    """
    noisy = copy.copy(layer)
    # A shallow copy shares the dictionaries of parameters, children and hooks: copy those too.
    vars(noisy).update(
        {key: copy.copy(each) for key, each in vars(layer).items() if isinstance(each, dict)}
    )
    noisy.add_module("noise", noise)
    noisy.register_forward_hook(_apply_noise_child)
    return noisy


def _apply_noise_child(layer: nn.Module, _: tuple[Any, ...], out: Tensor) -> Tensor:
    noisy: Tensor = layer.get_submodule("noise")(out)
    return noisy
