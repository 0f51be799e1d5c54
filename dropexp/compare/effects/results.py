"""The result types of a factorial study: frozen values, of which tables and charts are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.decisions import Decision
from dropexp.compare.effects.factors import Cell, Factor, Factorial
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.rules import Rule, TestInForce
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.statistics import Estimate, Verdict, mean_interval

_TOGETHER = {Verdict.BETTER: "better together", Verdict.WORSE: "worse together"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A main effect or a two-way interaction, decided over seeds.

    Attributes:
        name: ``dropout2d p=0.3``, or ``dropout2d p=0.3 × augment=crop``.
        levels: the number of a factor → the number of its level; one for a main effect, two for
            an interaction.
        pairs: one pair for each seed: the mean with the level and the mean without it. Of an
            interaction: the cells with both levels or none of them, and those with one of them.
        decision: what may be claimed.
    """

    name: str
    levels: Mapping[int, int]
    pairs: PairedComparison
    decision: Decision

    @property
    def is_interaction(self) -> bool:
        """Whether it is of two factors."""
        return len(self.levels) == 2

    @property
    def difference(self) -> Estimate:
        """Its size with the interval of the test that spoke, in the metric's unit."""
        return self.decision.difference

    @property
    def verdict(self) -> str:
        """The verdict in words; two levels are together better or worse than their sum."""
        verdict = self.decision.verdict
        return _TOGETHER.get(verdict, verdict) if self.is_interaction else verdict


@dataclass(frozen=True)
class Effects:
    """The effects of a factorial study.

    Attributes:
        factorial: the settings by cell.
        effects: the main effects, then the interactions.
        values: cell → the value of each seed, in the order of ``seeds``; NaN for a run that
            diverged.
        seeds: those with a run in every cell that the test counts.
        metric: the deciding metric.
        at: the epoch at which runs are compared.
        rule: how effects were decided.
        test: the test that spoke, and why.
        notes: what the study's file asks, whether seeds are too few or the margin was given late,
            and what was left out, as sentences.
    """

    factorial: Factorial
    effects: tuple[Effect, ...]
    values: Mapping[Cell, Sequence[float]]
    seeds: tuple[int, ...]
    metric: Metric
    at: EpochChoice
    rule: Rule
    test: TestInForce
    notes: tuple[str, ...]

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The factors."""
        return self.factorial.factors

    def estimate_mean(self, levels: Mapping[int, int]) -> Estimate:
        """Return the mean of the cells with these levels, with its t interval over seeds.

        Args:
            levels: the number of a factor → the number of its level.
        """
        by_seed = self._average(levels)
        return mean_interval(by_seed[np.isfinite(by_seed)], self.rule.confidence)

    def estimate_two_way(self, first: int, second: int) -> dict[tuple[int, int], Estimate]:
        """Return the means of two factors' levels, over all other factors, with paired intervals.

        What a seed has in all its runs is taken out of the intervals, as these means are compared
        within seeds (Morey 2008, "Confidence intervals from normalized data", equation 2).

        Args:
            first: the number of a factor.
            second: that of another one.

        Returns:
            The levels of both → the mean with its interval. Seeds of which a run diverged are left
            out.
        """
        levels = [
            (one, other)
            for one in range(len(self.factors[first].levels))
            for other in range(len(self.factors[second].levels))
        ]
        means = np.array([self._average({first: one, second: other}) for one, other in levels])
        means = means[:, np.isfinite(means).all(axis=0)]
        centred = means - means.mean(axis=0) + means.mean()
        correction = math.sqrt(len(levels) / (len(levels) - 1))
        found = {}
        for key, row in zip(levels, centred, strict=True):
            plain = mean_interval(row, self.rule.confidence)
            half = correction * (plain.high - plain.value)
            found[key] = Estimate(plain.value, plain.value - half, plain.value + half, plain.n)
        return found

    def _average(self, levels: Mapping[int, int]) -> NDArray[np.float64]:
        """Return the mean of the cells with these levels, shape (seeds,)."""
        chosen = [
            self.values[cell]
            for cell in self.values
            if all(cell[factor] == level for factor, level in levels.items())
        ]
        average: NDArray[np.float64] = np.array(chosen).mean(axis=0)
        return average
