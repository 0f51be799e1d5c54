"""Contrasts of a factorial study: which cells a main effect or an interaction compares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from dropexp.compare.effects.factors import Cell, Factor
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair

Values = Mapping[Cell, Mapping[int, float | None]]
"""The value of each cell by seed; None for a run that diverged."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """A main effect of a level, or the interaction of two levels of two factors.

    A main effect is the mean over all combinations of the other factors of the difference between
    a level and the reference. An interaction is the difference of two such differences: the effect
    of one level where the other one is on, less its effect where that is at its reference; also
    the mean over the other factors. It is 0 where two effects add up.

    Attributes:
        levels: the number of a factor → the number of its level, which is not the reference.
    """

    levels: Mapping[int, int]

    def name(self, factors: Sequence[Factor]) -> str:
        """Return its name in tables."""
        return " × ".join(factors[place].describe(level) for place, level in self.levels.items())

    def pair(self, values: Values, seeds: Sequence[int], sign: int) -> PairedComparison:
        """Return its two sides, seed by seed; their difference is the contrast.

        A side in which a run diverged has no value.

        Args:
            values: of every cell.
            seeds: with a value in every cell, in the order in which they were asked for.
            sign: of the metric.
        """
        sides = (self._choose_cells(values, is_on=False), self._choose_cells(values, is_on=True))
        # Of an interaction each side is the sum of two means: of ++ and −−, and of +− and −+.
        scale = len(self.levels)
        pairs = [
            Pair(seed, *(_average([values[cell][seed] for cell in side], scale) for side in sides))
            for seed in seeds
        ]
        return PairedComparison(tuple(pairs), sign)

    def _choose_cells(self, values: Values, *, is_on: bool) -> list[Cell]:
        """Return the cells of a side; cells with another level of these factors are on none."""
        chosen = []
        for cell in values:
            if all(cell[place] in (0, level) for place, level in self.levels.items()):
                missing = sum(cell[place] == 0 for place in self.levels)
                if (missing % 2 == 0) == is_on:
                    chosen.append(cell)
        return chosen


def list_contrasts(factors: Sequence[Factor]) -> list[Contrast]:
    """Return the contrasts of a study: every main effect, then every two-way interaction."""
    levels = [
        (place, level)
        for place, factor in enumerate(factors)
        for level in range(1, len(factor.levels))
    ]
    mains = [Contrast({place: level}) for place, level in levels]
    pairs = [Contrast(dict(pair)) for pair in combinations(levels, 2) if pair[0][0] != pair[1][0]]
    return mains + pairs


def _average(values: Sequence[float | None], scale: int) -> float | None:
    known = [value for value in values if value is not None]
    return scale * sum(known) / len(known) if len(known) == len(values) else None
