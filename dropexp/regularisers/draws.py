"""What a noise module's draws came to in a probe pass, and how likely that is at its p."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from dropexp.errors import AuditError
from dropexp.statistics import bernstein_bound, binomial_tail_bound, normal_variance_bound

_ROUNDING = 1e-5
"""Of a mean of ratios, in float32."""


@dataclass(frozen=True)
class Draws:
    """The independent units of a probe pass.

    Attributes:
        dropped: float (units,), in [0, 1]: which share of each was dropped. Its expectation is p.
        ratios: float (n,): outputs in training mode ÷ in eval mode, whose expectation is 1;
            None where training and evaluation need not agree in expectation.
        low, high: what a ratio lies between.
        bias: by how much the expectation of a ratio may differ from 1, by design.
        passes: over how many batches of the given size they are spread.
    """

    dropped: Tensor
    ratios: Tensor | None
    low: float = 0.0
    high: float = math.inf
    bias: float = 0.0
    passes: float = 1.0

    @classmethod
    def of_bernoulli(cls, ratios: Tensor, p: float, passes: float = 1.0) -> Self:
        """Of units that are either zero, with probability p, or multiplied by 1 / (1 − p)."""
        return cls((ratios == 0).float(), ratios.float(), high=1 / (1 - p), passes=passes)

    @property
    def units(self) -> int:
        """How many there are."""
        return self.dropped.numel()

    @property
    def drop_rate(self) -> float:
        """The p that was found."""
        return float(self.dropped.double().mean())

    def probability(self, p: float) -> float:
        """An upper bound on the probability of a drop rate this far from p, in [0, 1]."""
        return binomial_tail_bound(float(self.dropped.double().sum()), self.units, p)

    def describe(self, p: float) -> str:
        """What was found, for a person."""
        dropped = float(self.dropped.double().sum())
        return f"{dropped:.6g} of {self.units} units dropped at p={p:.4g}"

    @property
    def deviation(self) -> float:
        """Of the mean ratio from 1."""
        assert self.ratios is not None
        return abs(float(self.ratios.double().mean()) - 1)

    def largest_deviation(self, p: float, false_alarm: float) -> float:  # noqa: ARG002
        """What chance explains, but with a probability of ``false_alarm`` at the most."""
        assert self.ratios is not None
        # No variable in [low, high] with mean 1 has a larger variance: Bhatia and Davis 2000.
        variance = (self.high - 1) * (1 - self.low)
        largest = max(self.high - 1, 1 - self.low)
        chance = bernstein_bound(variance, largest, self.ratios.numel(), false_alarm)
        return chance + self.bias + _ROUNDING


@dataclass(frozen=True)
class NormalDraws(Draws):
    """Units multiplied by N(1, p / (1 − p)): dropout's mean and variance, without zeros."""

    @classmethod
    def of(cls, ratios: Tensor) -> Self:
        """From the factors themselves.

        Raises:
            AuditError: some are exactly zero, as those of a Bernoulli's are and a normal's not.
        """
        if (ratios == 0).any():
            raise AuditError("factors of exactly zero: the noise is not normal")
        return cls(dropped=torch.zeros_like(ratios), ratios=ratios.float(), low=-math.inf)

    @property
    def drop_rate(self) -> float:
        """The p whose p / (1 − p) is the variance that was found."""
        variance = self._variance()
        return variance / (1 + variance)

    def probability(self, p: float) -> float:
        """An upper bound on the probability of a variance this far from p / (1 − p)."""
        return normal_variance_bound(self._variance(), p / (1 - p), self.units)

    def describe(self, p: float) -> str:
        """What was found, for a person."""
        return (
            f"variance {self._variance():.4g} of {self.units} factors, {p / (1 - p):.4g} at "
            f"p={p:.4g}"
        )

    def largest_deviation(self, p: float, false_alarm: float) -> float:
        """A normal mean's: its Chernoff bound solved for the deviation."""
        variance = p / (1 - p) / self.units
        return math.sqrt(2 * variance * math.log(2 / false_alarm)) + _ROUNDING

    def _variance(self) -> float:
        assert self.ratios is not None
        return float((self.ratios.double() - 1).square().mean())
