"""Candidates: the settings that a search can choose from, and the dimensions in which they vary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor, log10, prod

from dropexp.config.groups import REGULARISER
from dropexp.config.overrides import Interval


@dataclass(frozen=True, slots=True)
class Choices:
    """A dimension with a few values, each as the text that stands after ``key=``."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A key that varies.

    Attributes:
        key: ``p``, ``optimiser.weight_decay``, or a config group such as ``optimiser``.
        domain: its values.
    """

    key: str
    domain: Interval | Choices

    @property
    def size(self) -> float:
        """The number of values; infinite for an interval."""
        return len(self.domain.texts) if isinstance(self.domain, Choices) else float("inf")

    def format(self, value: float) -> str:
        """Return the text of a value of an interval, rounded; see round_value."""
        assert isinstance(self.domain, Interval)
        return f"{round_value(self.domain, value):.6g}"


def round_value(interval: Interval, value: float) -> float:
    """Return the value rounded to few digits, within the interval.

    Settings whose values are short to read are shared with other searches and sweeps. On a linear
    scale the interval has 10 to 100 steps, such as 0.01 in p from 0.05 to 0.7; on a logarithmic
    one a value keeps two significant digits.
    """
    if interval.is_integer:
        rounded = float(round(value))
    elif interval.is_log:
        rounded = float(f"{value:.1e}")
    else:
        digits = 2 - ceil(log10(interval.high - interval.low))
        rounded = round(value, digits)
    return min(max(rounded, interval.low), interval.high)


def spread(interval: Interval, fraction: float) -> float:
    """Return the value at a fraction in [0, 1] of the interval, on its own scale; not rounded."""
    if interval.is_log:
        low, high = log10(interval.low), log10(interval.high)
        return min(max(10 ** (low + fraction * (high - low)), interval.low), interval.high)
    return interval.low + fraction * (interval.high - interval.low)


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A setting that can be chosen.

    Attributes:
        regulariser: as ``regulariser=`` chooses it; may be a combination.
        values: the keys that vary, each with the text of its value.
    """

    regulariser: str
    values: tuple[tuple[str, str], ...]

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides that choose it: ``("regulariser=dropout2d", "p=0.3")``."""
        return (
            f"{REGULARISER}={self.regulariser}",
            *(f"{key}={text}" for key, text in self.values),
        )

    @property
    def name(self) -> str:
        """Its name in tables: ``dropout2d p=0.3``."""
        return " ".join([self.regulariser, *(f"{key}={text}" for key, text in self.values)])


SeededCandidate = tuple[Candidate, int]
"""A candidate and the seed that it is tried on."""


@dataclass(frozen=True)
class Space:
    """Everything that a search can choose from.

    Attributes:
        branches: the regularisers, each with the dimensions that it has.
    """

    branches: Mapping[str, tuple[Dimension, ...]]

    @cached_property
    def size(self) -> float:
        """The number of candidates; infinite with an interval."""
        return sum(prod(each.size for each in dimensions) for dimensions in self.branches.values())

    def make_candidate(self, regulariser: str, values: Mapping[str, float | str]) -> Candidate:
        """Return the candidate of a regulariser with these values; numbers are rounded.

        Args:
            regulariser: one of the branches.
            values: one for each dimension of the branch: a number for an interval, else a text.
        """
        return Candidate(
            regulariser,
            tuple(
                (
                    each.key,
                    value if isinstance(value := values[each.key], str) else each.format(value),
                )
                for each in self.branches[regulariser]
            ),
        )


def spread_evenly(dimensions: Sequence[Dimension], count: int) -> list[dict[str, float | str]]:
    """Return values of all dimensions that cover the space, evenly in each dimension.

    Each dimension is cut into as many parts as there are points, as in a Latin hypercube. The
    parts of the second and later dimensions are taken in an order that differs from the first.
    """
    points: list[dict[str, float | str]] = [{} for _ in range(count)]
    for number, dimension in enumerate(dimensions):
        for place, point in enumerate(points):
            # An irrational stride visits the parts of each dimension in another order.
            part = place if number == 0 else _golden_order(count, number)[place]
            fraction = (part + 0.5) / count
            if isinstance(dimension.domain, Interval):
                point[dimension.key] = spread(dimension.domain, fraction)
            else:
                texts = dimension.domain.texts
                point[dimension.key] = texts[floor(fraction * len(texts))]
    return points


def _golden_order(count: int, number: int) -> list[int]:
    keys = [((place + 1) * 0.6180339887498949 * number) % 1 for place in range(count)]
    return sorted(range(count), key=keys.__getitem__)
