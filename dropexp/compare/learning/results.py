"""The result types of learning curves: frozen values, of which tables and charts are made."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.results import Comparison
from dropexp.compare.settings import Setting
from dropexp.runs.metric_types import Metric, Notation, Unit
from dropexp.statistics import Estimate

SIZE_KEY = "data.train_size"


class WorthBounds(StrEnum):
    """Which ends of an interval of worth lie within the sizes that the baseline was trained on."""

    BOTH = "both"
    LOWER = "lower"  # the worth is at least so much
    UPPER = "upper"  # the worth is at most so much
    NONE = "none"  # nothing is known


@dataclass(frozen=True, slots=True)
class Worth:
    """How many more images the baseline needs for the result of a setting; below 0: fewer.

    Attributes:
        size: the training images of the setting.
        value: images; infinite where the baseline reaches the result at no size that was trained.
        low: the lower end of the interval, images; −∞ where it is below the sizes.
        high: the upper end; ∞ where it is above the sizes.
        least: what is left of a worth below the sizes: their smallest − ``size``.
        most: what is left of a worth above the sizes: their largest − ``size``.
    """

    size: int
    value: float
    low: float
    high: float
    least: float
    most: float

    @property
    def bounds(self) -> WorthBounds:
        """Which ends are known."""
        has_low, has_high = self.low > -math.inf, self.high < math.inf
        if has_low and has_high:
            return WorthBounds.BOTH
        if not (has_low or has_high):
            return WorthBounds.NONE
        return WorthBounds.LOWER if has_low else WorthBounds.UPPER

    @property
    def bound(self) -> float:
        """The one end that is known, images; NaN unless exactly one is."""
        match self.bounds:
            case WorthBounds.LOWER:
                return min(self.low, self.most)
            case WorthBounds.UPPER:
                return max(self.high, self.least)
            case _:
                return math.nan


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A learning curve at one size.

    Attributes:
        size: training images.
        result: the mean over seeds with its t interval, in the curves' unit; lower is better.
        gap: the mean gap between validation and training; None where it is not known.
        fitted: the power law's value; NaN without a law.
    """

    size: int
    result: Estimate
    gap: Estimate | None
    fitted: float


@dataclass(frozen=True, slots=True)
class Law:
    """A fitted power law a + b · n^(−c), and how well it fits.

    Attributes:
        a: the limit for n → ∞, in the curves' unit.
        b: in the curves' unit.
        c: the exponent, with its bootstrap interval; NaN ends with too few seeds.
        misfit: the size at which a law that does not fit is furthest from the mean, in standard
            errors; None where it fits.
        miss: fitted − mean there, in the curves' unit; 0 where the law fits.
    """

    a: float
    b: float
    c: Estimate
    misfit: int | None = None
    miss: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """A fitted curve for charts, with the bootstrap interval at each size; arrays of one length."""

    sizes: NDArray[np.float64]
    fitted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """A setting over training-set sizes.

    Attributes:
        name: the setting's name without the size.
        setting: the setting at its smallest size.
        seeds: those that every size has a result for; only these count.
        points: by size.
        law: None where there are too few sizes or seeds.
        band: of the law; None likewise.
        baseline: the name of the curve that it is compared with; None without one.
        worths: one for each size, if the baseline's law and its own fit.
        no_worth: why there is none, as a sentence; empty where there are worths or no baseline.
    """

    name: str
    setting: Setting
    seeds: tuple[int, ...]
    points: tuple[CurvePoint, ...]
    law: Law | None = None
    band: Band | None = None
    baseline: str | None = None
    worths: tuple[Worth, ...] = ()
    no_worth: str = ""

    def worth_at(self, size: int) -> Worth | None:
        """Return the worth at a size; None where there is none."""
        return next((worth for worth in self.worths if worth.size == size), None)


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """The learning curves of a comparison.

    Attributes:
        curves: one for each setting without its size.
        comparison: what they were made of.
        answer_size: the size at which the question of worth is answered.
        notes: what was left out, and what to know of the intervals.
    """

    curves: tuple[LearningCurve, ...]
    comparison: Comparison
    answer_size: int
    notes: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        """The deciding metric."""
        return self.comparison.metric

    @property
    def quantity(self) -> str:
        """What the curves show: ``test loss``, ``test error``."""
        return self.metric.name.replace("accuracy", "error")

    def format(self, value: float, notation: Notation = Notation.TERMINAL) -> str:
        """Return a value of a curve as text, without its unit."""
        return self.metric.format(value, notation)

    @property
    def gap_key(self) -> str:
        """The metric of the gap that belongs to the curves."""
        return "acc_gap" if self.metric.unit is Unit.FRACTION else "loss_gap"

    def curve(self, name: str) -> LearningCurve:
        """Return the curve of a name.

        Raises:
            KeyError: there is none.
        """
        for curve in self.curves:
            if curve.name == name:
                return curve
        raise KeyError(name)
