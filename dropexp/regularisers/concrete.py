"""Concrete dropout: dropout with a learned p.

Shapes: N examples, C channels, H × W positions, F features.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.errors import AuditError
from dropexp.regularisers.activations import ActivationNoise
from dropexp.regularisers.base import (
    LearnsParameters,
    Regulariser,
    check_drop_probability,
)
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.modes import preserve_modes, run_in_both_modes

_TEMPERATURE = 0.1
"""The temperature t of the relaxation, as in the authors' code."""

_QUANTILES = 20_000
"""Points of the numerical integral for the mean of the relaxed mask."""


class ConcreteDropout(LearnsParameters, ActivationNoise):
    """Multiplies whole channels, or single features, by ``(1 − z) / (1 − p)`` with p learned.

    Gal, Hron and Kendall 2017, "Concrete dropout": z = σ((logit p + logit u) / t) with u uniform is
    a differentiable approximation of a Bernoulli(p) variable (their equation 5 and section 3); it
    is above 1/2 with probability exactly p. p starts where it is set and follows the gradient of
    the loss and of the penalty. Evaluation is the plain network.

    The penalty is −K · H(p) of their equation 3, in nats, for K units: it pulls p towards 1/2 and
    is added to the loss of the whole training set. Their other term, l² (1 − p) / 2 · ‖M‖² for the
    layer's weights M, is left out, since an activation site does not know the layer that follows.
    Ordinary weight decay, which does not depend on p, takes its place.

    Args:
        p: start of the learned p, in [0, 1). At 0 the module is off and learns nothing.

    Raises:
        ValueError: p is outside [0, 1).
    """

    kind: ClassVar[str] = "concrete_dropout"
    learns_p: ClassVar[bool] = True

    def __init__(self, p: float = 0.1) -> None:
        nn.Module.__init__(self)
        self.logit = nn.Parameter(torch.zeros(()))
        self._units = 0
        self.p = p

    @property
    def p(self) -> float:
        """The learned drop probability, in [0, 1)."""
        return float(self.logit.detach().double().sigmoid()) if self._on else 0.0

    @p.setter
    def p(self, p: float) -> None:
        p = check_drop_probability(p)
        self._on = p > 0
        if self._on:
            with torch.no_grad():
                self.logit.fill_(math.log(p) - math.log1p(-p))

    def forward(self, x: Tensor) -> Tensor:
        """Return x, (N, C, H, W) or (N, F) and floating point, with noise in training."""
        if not self.training or not self._on:
            return x
        self._units = x.shape[1]
        # In float32: half precision loses the tails of the logistic distribution.
        uniform = torch.rand(*x.shape[:2], device=x.device)
        logistic = torch.log(uniform) - torch.log1p(-uniform)
        keep = torch.sigmoid(-(self.logit + logistic) / _TEMPERATURE)
        scaled = (keep / torch.sigmoid(-self.logit)).to(x.dtype)
        return x * scaled.view(*scaled.shape, *[1] * (x.dim() - 2))

    def penalty(self) -> Tensor | None:
        """Return −K · H(p) in nats, for the K units of the last training pass; None where off."""
        if not self._on:
            return None
        # −ln p = softplus(−logit), which stays finite where p is rounded to 0 or 1.
        p = torch.sigmoid(self.logit)
        entropy = p * F.softplus(-self.logit) + (1 - p) * F.softplus(self.logit)
        return -self._units * entropy

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; 0, as the distribution is continuous."""
        return 0.0

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit counts as dropped where more than half of it is.

        Raises:
            AuditError: elements of a unit differ, or p gets no gradient.
        """
        self._check_gradient(x)
        evaluated, trained = run_in_both_modes(self, lambda: self(torch.ones_like(x)))
        ratios = take_one_per_unit((trained / evaluated).reshape(len(x) * x.shape[1], -1)).float()
        p = self.p
        kept = ratios * (1 - p)
        mean = relaxed_keep_mean(p) / (1 - p)
        return Draws((kept < 0.5).float(), ratios, high=1 / (1 - p), bias=abs(mean - 1))

    def _check_gradient(self, x: Tensor) -> None:
        with preserve_modes(self), torch.enable_grad():
            self.train()
            out = self(torch.ones_like(x))
            gradient = None
            if out.requires_grad:
                (gradient,) = torch.autograd.grad(out.sum(), self.logit, allow_unused=True)
        if self._on and (gradient is None or float(gradient) == 0):
            raise AuditError("the loss has no gradient with respect to the learned p")


def relaxed_keep_mean(p: float) -> float:
    """Return E[1 − z], the mean of the relaxed mask, which differs from 1 − p.

    It is computed by the midpoint rule over the quantiles of u.

    Args:
        p: in [0, 1).
    """
    if p == 0:
        return 1.0
    uniform = (torch.arange(_QUANTILES, dtype=torch.float64) + 0.5) / _QUANTILES
    return float(
        torch.sigmoid(-(torch.logit(uniform) + math.log(p / (1 - p))) / _TEMPERATURE).mean()
    )


class ConcreteDropoutRegulariser(Regulariser):
    """ConcreteDropout after every layer, each with its own learned p.

    Args:
        p: the initial p of every site, in [0, 1).

    Raises:
        ValueError: p is outside [0, 1).
    """

    name: ClassVar[str] = "concrete_dropout"
    needs: ClassVar[str] = "activations"

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:  # noqa: ARG002
        return ConcreteDropout(self.p)
