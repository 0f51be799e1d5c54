"""Replay the rounds of a sweep until decided from the results so far: a pure function.

Every row's evidence is truncated to the seeds of each round in turn, so the same results lead to
the same rounds and the same end, whoever trained the runs and whenever a command was killed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from dropexp.compare.decisions import decide
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.sweep.sequential.design import (
    Cell,
    Fate,
    Lost,
    RowOfDesign,
    RowState,
    RunValue,
    SeedRound,
    SequentialDesign,
    SequentialState,
    StopReason,
)


def replay(design: SequentialDesign, values: Mapping[Cell, RunValue]) -> SequentialState:
    """Return the state that results have brought a design to.

    In a round the open rows and their baselines get the next seeds. Once all runs of the round
    have ended, every row that is decided on the seeds so far gets no more.

    Args:
        design: what is to be decided.
        values: the runs that have ended. Runs that no round so far needs are ignored.
    """
    return Replay(design).advance(values)


def preview(
    design: SequentialDesign, state: SequentialState, values: Mapping[Cell, RunValue]
) -> SequentialState:
    """Return the state with the pairs of its round that have ended so far; it decides nothing.

    Args:
        design: what is to be decided.
        state: by replay.
        values: the runs that have ended.
    """
    if state.round is None:
        return state
    seeds = state.round.seeds
    rows = [_add_ended_pairs(row, seeds, values) for row in state.rows]
    return replace(state, rows=tuple(_decide(design, rows)))


class Replay:
    """Replays rounds, and goes on from the last one that has ended when more runs have ended.

    Args:
        design: what is to be decided.
    """

    def __init__(self, design: SequentialDesign) -> None:
        nothing = PairedComparison((), design.sign)
        self._design = design
        self._rows = {row.setting: RowState(row, nothing) for row in design.rows}
        self._rounds = 0
        self._seeds_taken = 0
        self._cells: list[Cell] = []

    def advance(self, values: Mapping[Cell, RunValue]) -> SequentialState:
        """Return the state that results have brought the design to; see replay.

        Args:
            values: the runs that have ended, with those of earlier calls.
        """
        while (reason := self._find_reason()) is None:
            batch = self._choose_seeds()
            if not batch:
                reason = StopReason.MOST_RUNS
                break
            cells = self._design.list_cells(self._open_rows, batch)
            missing = tuple(cell for cell in cells if cell not in values)
            if missing:
                ahead = SeedRound(self._rounds + 1, tuple(batch), tuple(cells), missing)
                return self._make_state([*self._cells, *cells], ahead, None)
            self._end_round(batch, cells, values)
        return self._make_state(self._cells, None, reason)

    @property
    def _open_rows(self) -> list[RowOfDesign]:
        return [state.row for state in self._rows.values() if state.fate is Fate.OPEN]

    def _find_reason(self) -> StopReason | None:
        fates = {state.fate for state in self._rows.values()}
        if Fate.OPEN not in fates:
            return StopReason.DECIDED if fates == {Fate.DECIDED} else StopReason.FAILED
        if self._seeds_taken >= len(self._design.list_seeds()):
            return StopReason.MOST_SEEDS
        return None

    def _choose_seeds(self) -> Sequence[int]:
        """Return the seeds of the next round; none if the budget does not pay for one seed."""
        design, rows = self._design, self._open_rows
        if self._rounds == 0:
            # No row can be decided with fewer seeds, so a look in between would be in vain.
            size = max(len(design.seeds), design.fewest_seeds)
        else:
            size = max(1, design.runs_at_a_time // len(design.list_cells(rows, [0])))
        batch = design.list_seeds()[self._seeds_taken :][:size]
        if design.most_runs is None:
            return batch
        left = design.most_runs - self._count_paid(self._cells)
        while batch and self._count_paid(design.list_cells(rows, batch)) > left:
            batch = batch[:-1]
        return batch

    def _end_round(
        self, batch: Sequence[int], cells: Sequence[Cell], values: Mapping[Cell, RunValue]
    ) -> None:
        self._rounds += 1
        self._seeds_taken += len(batch)
        self._cells += cells
        for name, state in self._rows.items():
            if state.fate is Fate.OPEN:
                self._rows[name] = _add_pairs(state, batch, values)
        for state in _decide(self._design, self._rows.values()):
            self._rows[state.row.setting] = replace(state, fate=_find_fate(state))

    def _make_state(
        self, cells: Sequence[Cell], ahead: SeedRound | None, reason: StopReason | None
    ) -> SequentialState:
        rows = tuple(self._rows.values())
        return SequentialState(rows, ahead, reason, tuple(cells), self._count_paid(cells))

    def _count_paid(self, cells: Sequence[Cell]) -> int:
        return sum(cell not in self._design.free for cell in cells)


def _decide(design: SequentialDesign, rows: Collection[RowState]) -> list[RowState]:
    """Return the rows with the decisions on their pairs."""
    comparisons = {row.row.setting: row.comparison for row in rows}
    decisions = decide(comparisons, design.rule, further_tests=design.further_tests)
    return [replace(row, decision=decisions[row.row.setting]) for row in rows]


def _add_ended_pairs(
    state: RowState, seeds: Sequence[int], values: Mapping[Cell, RunValue]
) -> RowState:
    if state.fate is not Fate.OPEN:
        return state
    names = (state.row.setting, state.row.baseline)
    ended = takewhile(lambda seed: all((name, seed) in values for name in names), seeds)
    return _add_pairs(state, list(ended), values)


def _add_pairs(state: RowState, batch: Sequence[int], values: Mapping[Cell, RunValue]) -> RowState:
    fresh = []
    for seed in batch:
        value = values[state.row.setting, seed]
        baseline = values[state.row.baseline, seed]
        if Lost.LEFT_OUT not in (value, baseline):
            fresh.append(Pair(seed, _get_value(baseline), _get_value(value)))
    return replace(
        state,
        comparison=replace(state.comparison, pairs=(*state.comparison.pairs, *fresh)),
        seeds=(*state.seeds, *batch),
        failed=state.failed + len(batch) - len(fresh),
    )


def _get_value(outcome: RunValue) -> float | None:
    return None if isinstance(outcome, Lost) else outcome


def _find_fate(state: RowState) -> Fate:
    if state.fate is not Fate.OPEN:
        return state.fate
    if state.decision is not None and state.decision.verdict.is_decided:
        return Fate.DECIDED
    has_value = bool(state.comparison.differences)
    return Fate.OPEN if has_value and state.failed <= len(state.comparison.pairs) else Fate.FAILED
