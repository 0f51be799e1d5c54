"""How many runs `--until-decided` takes, beside a fixed sweep that answers as often.

Four rows share a baseline: two have a true effect, two have none. The values of all runs are
normal; effects and the margin are in standard deviations of the paired differences. A sweep has
answered rightly if both effects are `better` and both others `practically equal`. The fixed sweep
trains all settings on the fewest seeds with which the planned test is right as often.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.decisions import decide
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.compare.rules import Rule, TestKind
from dropexp.statistics import Verdict
from dropexp.sweep.sequential.design import Cell, RowOfDesign, RowState, RunValue, SequentialDesign
from dropexp.sweep.sequential.replay import replay

EFFECTS = (-1.5, -1.5, 0.0, 0.0)
"""The true mean differences, in standard deviations of the paired differences."""

_RIGHT = [Verdict.BETTER if effect < 0 else Verdict.PRACTICALLY_EQUAL for effect in EFFECTS]
_BASELINE = "none"
_SETTINGS = (_BASELINE, *(f"row {k}" for k in range(len(EFFECTS))))


@dataclass(frozen=True)
class Cost:
    """What an answer costs.

    Attributes:
        margin: in standard deviations of the paired differences.
        runs: the mean number of runs of a sweep until decided.
        right: how often all its verdicts are right.
        fixed_seeds: the seeds of the fixed sweep; None if none up to the most seeds is as often
            right.
        fixed_right: how often the fixed sweep is right.
    """

    margin: float
    runs: float
    right: float
    fixed_seeds: int | None
    fixed_right: float

    @property
    def ratio(self) -> float | None:
        """The runs of the sweep until decided for one run of the fixed sweep."""
        if self.fixed_seeds is None:
            return None
        return self.runs / (self.fixed_seeds * len(_SETTINGS))


def simulate_cost(
    margin: float, repetitions: int, most_seeds: int = 64, runs_at_a_time: int = 2, number: int = 0
) -> Cost:
    """Return what an answer costs with and without stopping early.

    Args:
        margin: in standard deviations of the paired differences.
        repetitions: how many sweeps to make up.
        most_seeds: of the sweep until decided, and the most that the fixed sweep is tried with.
        runs_at_a_time: of the sweep until decided.
        number: the seed of the made-up values.
    """
    values = _make_up(repetitions, most_seeds, number)
    design = SequentialDesign(
        rows=tuple(RowOfDesign(name, _BASELINE) for name in _SETTINGS[1:]),
        seeds=(0,),
        most_seeds=most_seeds,
        runs_at_a_time=runs_at_a_time,
        rule=Rule(TestKind.ANYTIME, margin=margin),
    )
    states = [replay(design, _tabulate(of_sweep)) for of_sweep in values]
    right = float(np.mean([_is_right(state.rows) for state in states]))
    runs = float(np.mean([len(state.cells) for state in states]))
    seeds, fixed_right = _find_fixed_seeds(values, margin, right)
    return Cost(margin, runs, right, seeds, fixed_right)


def _make_up(repetitions: int, seeds: int, number: int) -> NDArray[np.float64]:
    """Return values of shape (repetitions, settings, seeds), the baseline first."""
    noise = np.random.default_rng(number).normal(size=(repetitions, len(_SETTINGS), seeds))
    # A difference of two values with variance 1/2 has variance 1.
    means = np.array([0.0, *EFFECTS], dtype=np.float64)
    values: NDArray[np.float64] = noise * 0.5**0.5 + means[:, None]
    return values


def _tabulate(values: NDArray[np.float64]) -> dict[Cell, RunValue]:
    return {
        (name, seed): float(value)
        for name, of_setting in zip(_SETTINGS, values, strict=True)
        for seed, value in enumerate(of_setting)
    }


def _is_right(rows: Sequence[RowState]) -> bool:
    return [row.decision.verdict for row in rows if row.decision is not None] == _RIGHT


def _find_fixed_seeds(
    values: NDArray[np.float64], margin: float, right: float
) -> tuple[int | None, float]:
    """Return the fewest seeds with which the planned test is right as often, and how often."""
    shares: dict[int, float] = {}

    def is_enough(seeds: int) -> bool:
        shares[seeds] = float(np.mean([_is_fixed_right(one[:, :seeds], margin) for one in values]))
        return shares[seeds] >= right

    # More seeds are right more often, but for the noise of the simulation.
    candidates = range(8, values.shape[2] + 1)
    place = bisect_left(candidates, True, key=is_enough)
    if place == len(candidates):
        return None, shares[candidates[-1]]
    return candidates[place], shares[candidates[place]]


def _is_fixed_right(values: NDArray[np.float64], margin: float) -> bool:
    rows = {
        name: PairedComparison(
            tuple(
                Pair(seed, float(b), float(v))
                for seed, (b, v) in enumerate(zip(values[0], of_setting, strict=True))
            ),
            sign=1,
        )
        for name, of_setting in zip(_SETTINGS[1:], values[1:], strict=True)
    }
    decisions = decide(rows, Rule(TestKind.PLANNED, margin=margin))
    return [decision.verdict for decision in decisions.values()] == _RIGHT


def format_costs(costs: Sequence[Cost]) -> Iterator[str]:
    """Yield a Markdown table of costs."""
    yield "| margin | runs until decided | all four right | fixed sweep | runs | ratio |"
    yield "|---|---|---|---|---|---|"
    for cost in costs:
        fixed, runs, ratio = "none is as often right", "", ""
        if cost.fixed_seeds is not None and cost.ratio is not None:
            fixed = f"{cost.fixed_seeds} seeds ({cost.fixed_right:.3f} right)"
            runs, ratio = str(cost.fixed_seeds * len(_SETTINGS)), f"{cost.ratio:.2f}"
        yield (
            f"| {cost.margin:g} SD | {cost.runs:.1f} | {cost.right:.3f} | {fixed} | {runs} "
            f"| {ratio} |"
        )
