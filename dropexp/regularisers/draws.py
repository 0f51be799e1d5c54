"""The draws of a noise module in a probe pass, and how likely they are at its p."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from dropexp.errors import AuditError
from dropexp.statistics import bernstein_bound, binomial_tail_bound, normal_variance_bound

_ROUNDING = 1e-5
"""Largest rounding error of a mean of float32 ratios."""


@dataclass(frozen=True)
class Draws:
    """What a probe pass drew for each of its independent units.

    Attributes:
        dropped: float (units,), in [0, 1]: the dropped share of each unit; its expectation is p.
        ratios: float (n,): outputs in training ÷ outputs in eval mode; their expectation is 1.
            None if training and evaluation need not agree in expectation.
        low, high: the smallest and the largest possible ratio.
        bias: how far the expectation of a ratio differs from 1 by design.
        passes: the number of passes over a batch of the probe's size that give as many units.
    """

    dropped: Tensor
    ratios: Tensor | None
    low: float = 0.0
    high: float = math.inf
    bias: float = 0.0
    passes: float = 1.0

    @classmethod
    def from_bernoulli(cls, ratios: Tensor, p: float, passes: float = 1.0) -> Self:
        """Return the draws of units that are zero with probability p, else times 1 / (1 − p).

        Args:
            ratios: (units,), outputs in training ÷ outputs in eval mode.
            p: in [0, 1).
            passes: see Draws.
        """
        return cls((ratios == 0).float(), ratios.float(), high=1 / (1 - p), passes=passes)

    @property
    def units(self) -> int:
        """The number of units."""
        return self.dropped.numel()

    @property
    def drop_rate(self) -> float:
        """The measured drop probability."""
        return float(self.dropped.double().mean())

    def probability(self, p: float) -> float:
        """Return an upper bound, in [0, 1], on the probability of a drop rate this far from p."""
        return binomial_tail_bound(float(self.dropped.double().sum()), self.units, p)

    def describe(self, p: float) -> str:
        """Return the measurement as text for the audit's report."""
        dropped = float(self.dropped.double().sum())
        return f"{dropped:.6g} of {self.units} units dropped at p={p:.4g}"

    @property
    def deviation(self) -> float:
        """The distance of the mean ratio from 1; ``ratios`` must not be None."""
        assert self.ratios is not None
        return abs(float(self.ratios.double().mean()) - 1)

    def largest_deviation(self, p: float, false_alarm: float) -> float:  # noqa: ARG002
        """Return the deviation that correct noise exceeds with probability false_alarm at most.

        By Bernstein's inequality. A variable in [low, high] of mean 1 has no larger variance than
        (high − 1)(1 − low): Bhatia and Davis 2000, "A better bound on the variance".

        Args:
            p: the drop probability of the module.
            false_alarm: in (0, 1).
        """
        assert self.ratios is not None
        variance = (self.high - 1) * (1 - self.low)
        largest = max(self.high - 1, 1 - self.low)
        chance = bernstein_bound(variance, largest, self.ratios.numel(), false_alarm)
        return chance + self.bias + _ROUNDING


@dataclass(frozen=True)
class NormalDraws(Draws):
    """Units multiplied by N(1, p / (1 − p)): dropout's mean and variance, without zeros."""

    @classmethod
    def from_factors(cls, ratios: Tensor) -> Self:
        """Return the draws of units that were multiplied by normal factors.

        Args:
            ratios: (units,), the factors.

        Raises:
            AuditError: a factor is exactly zero, which a normal number never is.
        """
        if (ratios == 0).any():
            raise AuditError("some factors are exactly zero: the noise is not normal")
        return cls(dropped=torch.zeros_like(ratios), ratios=ratios.float(), low=-math.inf)

    @property
    def drop_rate(self) -> float:
        """The p for which p / (1 − p) is the measured variance."""
        variance = self._variance()
        return variance / (1 + variance)

    def probability(self, p: float) -> float:
        """Return an upper bound on the probability of a variance this far from p / (1 − p)."""
        return normal_variance_bound(self._variance(), p / (1 - p), self.units)

    def describe(self, p: float) -> str:
        """Return the measurement as text for the audit's report."""
        return (
            f"variance {self._variance():.4g} of {self.units} factors, {p / (1 - p):.4g} at "
            f"p={p:.4g}"
        )

    def largest_deviation(self, p: float, false_alarm: float) -> float:
        """See Draws; by the Chernoff bound of a normal mean."""
        variance = p / (1 - p) / self.units
        return math.sqrt(2 * variance * math.log(2 / false_alarm)) + _ROUNDING

    def _variance(self) -> float:
        assert self.ratios is not None
        return float((self.ratios.double() - 1).square().mean())


def take_one_per_unit(outputs: Tensor) -> Tensor:
    """Return one element of each unit, after checking that all its elements are equal.

    Args:
        outputs: (units, elements of a unit).

    Returns:
        (units,), of the dtype of the outputs.

    Raises:
        AuditError: elements of a unit differ, so the mask has another shape than documented.
    """
    first = outputs[:, :1]
    if not torch.equal(outputs, first.expand_as(outputs)):
        raise AuditError(
            "the mask is not constant within a unit: it has another shape than claimed"
        )
    return first.squeeze(1)
