"""The design of a sweep until decided, and the state that results have brought it to."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from dropexp.compare.decisions import Decision
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.rules import Rule, TestKind
from dropexp.statistics import fewest_anytime_pairs
from dropexp.sweep.budget import MOST_SEEDS

Cell = tuple[str, int]
"""The name of a setting and a seed: one run."""
_ANYTIME = Rule(TestKind.ANYTIME)


class Lost(Enum):
    """Why a run that has ended has no value."""

    DIVERGED = "diverged"  # it loses its pair
    LEFT_OUT = "left out"  # it failed, or it cannot be compared: its pair does not count


RunValue = float | Lost
"""The value of the deciding metric of a run that has ended, in the metric's unit."""


class StopReason(StrEnum):
    """Why no further seed is needed."""

    DECIDED = "every row is decided"
    MOST_SEEDS = "the open rows have the most seeds that are allowed"
    MOST_RUNS = "the budget does not pay for another round"
    MOST_TIME = "the time of the budget is up"
    FAILED = "no open row is left, as runs have failed"


class Fate(StrEnum):
    """What becomes of a row."""

    OPEN = "open"
    DECIDED = "decided"
    FAILED = "failed"  # no pair has two values, or most pairs do not count


@dataclass(frozen=True)
class RowOfDesign:
    """A setting and the baseline that it is compared with, by name."""

    setting: str
    baseline: str


@dataclass(frozen=True)
class SequentialDesign:
    """Everything that decides which runs are needed, apart from their results.

    Attributes:
        rows: what is to be decided; at least one.
        seeds: the seeds to start with, in order; at least one. Later seeds count on from the
            highest.
        most_seeds: how many seeds a row gets at most.
        runs_at_a_time: how many runs train at the same time; a later round has as many seeds as
            fill them.
        sign: 1 where a lower value is better, −1 where a higher one is.
        rule: how rows are decided, by the anytime test.
        further_tests: how many rows of other sweeps count in the correction.
        most_runs: how many runs the sweep may ask for; None: no limit.
        free: runs that do not count against most_runs, since others have asked for them.
    """

    rows: tuple[RowOfDesign, ...]
    seeds: tuple[int, ...]
    most_seeds: int = MOST_SEEDS
    runs_at_a_time: int = 1
    sign: int = 1
    rule: Rule = _ANYTIME
    further_tests: int = 0
    most_runs: int | None = None
    free: Collection[Cell] = field(default_factory=frozenset)

    @property
    def tests(self) -> int:
        """How many rows the correction counts."""
        return len(self.rows) + self.further_tests

    @property
    def fewest_seeds(self) -> int:
        """The fewest seeds at which the test can decide one of the rows, whatever the data."""
        return fewest_anytime_pairs(self.tests, self.rule.alpha)

    def list_seeds(self) -> tuple[int, ...]:
        """Return all seeds that a row may get, in order."""
        more = max(0, self.most_seeds - len(self.seeds))
        following = max(self.seeds) + 1
        return (*self.seeds, *range(following, following + more))[: self.most_seeds]

    def list_cells(self, rows: Collection[RowOfDesign], seeds: Collection[int]) -> list[Cell]:
        """Return the runs of rows and of their baselines, seed by seed, baselines first."""
        baselines = dict.fromkeys(row.baseline for row in rows)
        settings = [*baselines, *(row.setting for row in rows if row.setting not in baselines)]
        return [(setting, seed) for seed in seeds for setting in settings]


@dataclass(frozen=True)
class RowState:
    """What is known of a row.

    Attributes:
        row: of the design.
        seeds: that the row has got, in order.
        comparison: its pairs that count, in the order of seeds.
        failed: how many pairs do not count.
        decision: of the anytime test; None before the first round has ended.
        fate: whether it gets further seeds.
    """

    row: RowOfDesign
    comparison: PairedComparison
    seeds: tuple[int, ...] = ()
    failed: int = 0
    decision: Decision | None = None
    fate: Fate = Fate.OPEN

    @property
    def setting(self) -> str:
        """The name of its setting."""
        return self.row.setting


@dataclass(frozen=True)
class SeedRound:
    """The seeds that the open rows get next.

    Attributes:
        number: from 1.
        seeds: of this round, in order.
        cells: its runs, whether they have ended or not, seed by seed.
        missing: those that have not ended.
    """

    number: int
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    missing: tuple[Cell, ...]


@dataclass(frozen=True)
class SequentialState:
    """Where a sweep until decided stands.

    Attributes:
        rows: in the order of the design, as of the last round that has ended.
        round: the round that is under way; None at the end.
        reason: why it has ended; None while a round is under way.
        cells: the runs of all rounds so far, with that which is under way.
        asked: how many of them count against the budget.
    """

    rows: tuple[RowState, ...]
    round: SeedRound | None
    reason: StopReason | None
    cells: tuple[Cell, ...]
    asked: int

    @property
    def open_rows(self) -> tuple[RowState, ...]:
        """The rows that get further seeds."""
        return tuple(row for row in self.rows if row.fate is Fate.OPEN)
