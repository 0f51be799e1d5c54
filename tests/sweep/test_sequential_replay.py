"""The rounds of a sweep until decided, replayed from made-up results."""

import random
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.compare.rules import Rule, TestKind
from dropexp.statistics import Verdict
from dropexp.sweep.sequential.design import (
    Cell,
    Fate,
    Lost,
    RowOfDesign,
    RunValue,
    SequentialDesign,
    SequentialState,
    StopReason,
)
from dropexp.sweep.sequential.replay import Replay, preview, replay

MOST = 24
BASELINE = "none"


def make_design(
    rows: int, *, seeds: int = 1, at_a_time: int = 2, margin: float | None = None
) -> SequentialDesign:
    return SequentialDesign(
        rows=tuple(RowOfDesign(f"row {k}", BASELINE) for k in range(rows)),
        seeds=tuple(range(seeds)),
        most_seeds=MOST,
        runs_at_a_time=at_a_time,
        rule=Rule(TestKind.ANYTIME, margin=margin),
    )


def make_values(effects: list[float], number: int, *, lost: float = 0.0) -> dict[Cell, RunValue]:
    """The values of all runs: normal, of standard deviation 1/√2, with some runs lost."""
    generator = np.random.default_rng(number)
    values: dict[Cell, RunValue] = {}
    for k, effect in enumerate([0.0, *effects]):
        name = f"row {k - 1}" if k else BASELINE
        for seed in range(MOST):
            values[name, seed] = float(generator.normal(effect, 0.5**0.5))
            draw = generator.random()
            if draw < lost:
                values[name, seed] = Lost.DIVERGED if draw < lost / 2 else Lost.LEFT_OUT
    return values


def train_to_the_end(
    design: SequentialDesign, everything: Mapping[Cell, RunValue]
) -> tuple[SequentialState, dict[Cell, RunValue]]:
    """Do what the command does: train what is missing until nothing is."""
    known: dict[Cell, RunValue] = {}
    while (state := replay(design, known)).round is not None:
        assert state.round.missing
        known |= {cell: everything[cell] for cell in state.round.missing}
    return state, known


def test_no_look_before_a_verdict_is_possible() -> None:
    design = make_design(4)
    state = replay(design, {})
    assert design.fewest_seeds == 8  # 4 · 2/2^8 is below 0.05, 4 · 2/2^7 is not
    assert state.round is not None
    assert state.round.seeds == tuple(range(8))
    assert len(state.round.missing) == 8 * 5
    assert state.round.missing[:5] == tuple(
        (name, 0) for name in (BASELINE, "row 0", "row 1", "row 2", "row 3")
    )


def test_decided_rows_get_no_more_seeds_and_their_baseline_goes_on() -> None:
    design = make_design(2)
    values = make_values([-5.0, 0.0], 3)
    state, known = train_to_the_end(design, values)
    decided, open_row = state.rows
    assert decided.decision is not None
    assert decided.decision.verdict is Verdict.BETTER
    assert len(decided.seeds) < MOST
    assert open_row.fate is Fate.OPEN
    assert len(open_row.seeds) == MOST
    assert state.reason is StopReason.MOST_SEEDS
    seeds_of_baseline = [seed for name, seed in known if name == BASELINE]
    assert sorted(seeds_of_baseline) == list(range(MOST))
    assert len(known) == 2 * MOST + len(decided.seeds)


def test_a_preview_counts_pairs_in_order_and_decides_nothing() -> None:
    design = make_design(1)
    values = make_values([-5.0], 0)
    state = replay(design, {})
    ended = {cell: values[cell] for cell in values if cell[1] in (0, 1, 3)}
    [row] = preview(design, state, ended).rows
    assert [pair.seed for pair in row.comparison.pairs] == [0, 1]  # seed 2 has not ended
    assert row.decision is not None
    assert row.fate is Fate.OPEN


def test_a_margin_decides_rows_without_an_effect() -> None:
    state, known = train_to_the_end(make_design(2, margin=1.2), make_values([0.0, -5.0], 1))
    assert state.reason is StopReason.DECIDED
    verdicts = [row.decision.verdict for row in state.rows if row.decision is not None]
    assert verdicts == [Verdict.PRACTICALLY_EQUAL, Verdict.BETTER]
    assert len(known) < 3 * MOST


@pytest.mark.parametrize(("at_a_time", "seeds"), [(1, 1), (2, 1), (6, 2), (16, 5)])
def test_a_later_round_fills_the_slots(at_a_time: int, seeds: int) -> None:
    design = make_design(2, at_a_time=at_a_time)  # three runs a seed
    values = make_values([0.0, 0.0], 0)
    first = replay(design, {}).round
    assert first is not None
    state = replay(design, {cell: values[cell] for cell in first.missing})
    assert state.round is not None
    assert len(state.round.seeds) == seeds


def test_a_budget_in_runs_ends_before_a_round_that_it_does_not_pay_for() -> None:
    design = make_design(2, margin=0.1)
    values = make_values([0.0, 0.0], 0)
    limited = replace(design, most_runs=3 * 9 + 2)
    state, known = train_to_the_end(limited, values)
    assert state.reason is StopReason.MOST_RUNS
    assert state.asked == len(known) == 3 * 9


def test_a_large_round_is_made_smaller_where_the_budget_pays_for_a_part() -> None:
    design = make_design(1, at_a_time=16, margin=0.01)
    state, known = train_to_the_end(replace(design, most_runs=18), make_values([0.0], 0))
    assert state.reason is StopReason.MOST_RUNS
    assert len(known) == 18


def test_runs_that_others_have_asked_for_are_free() -> None:
    design = make_design(1, margin=0.01)
    free = {(BASELINE, seed) for seed in range(MOST)}
    limited = replace(design, most_runs=10, free=frozenset(free))
    state, known = train_to_the_end(limited, make_values([0.0], 0))
    assert state.asked == 10
    assert len(known) == 20


def test_a_row_whose_runs_fail_or_all_diverge_gets_no_more_seeds() -> None:
    design = make_design(3)
    values = make_values([0.0, 0.0, -5.0], 0)
    values |= {("row 0", seed): Lost.LEFT_OUT for seed in range(MOST)}
    values |= {("row 1", seed): Lost.DIVERGED for seed in range(MOST)}
    state, _ = train_to_the_end(design, values)
    assert [row.fate for row in state.rows] == [Fate.FAILED, Fate.FAILED, Fate.DECIDED]
    assert state.reason is StopReason.FAILED
    assert len(state.rows[0].seeds) == design.fewest_seeds


def test_a_diverged_run_loses_its_pair_and_a_failed_one_does_not_count() -> None:
    design = make_design(1)
    values = make_values([-5.0], 0)
    values["row 0", 2] = Lost.LEFT_OUT
    values["row 0", 3] = Lost.DIVERGED
    state, _ = train_to_the_end(design, values)
    comparison = state.rows[0].comparison
    assert 2 not in [pair.seed for pair in comparison.pairs]
    assert state.rows[0].failed == 1
    assert comparison.scores_in_order[2] == -min(comparison.scores_in_order[:2])


def test_a_higher_accuracy_is_better() -> None:
    state, _ = train_to_the_end(replace(make_design(1), sign=-1), make_values([5.0], 0))
    assert state.rows[0].decision is not None
    assert state.rows[0].decision.verdict is Verdict.BETTER


@given(
    number=st.integers(0, 10_000),
    effects=st.lists(st.sampled_from([0.0, 0.7, -1.5, -4.0]), min_size=1, max_size=4),
    at_a_time=st.sampled_from([1, 2, 5, 16]),
    margin=st.sampled_from([None, 1.0]),
    lost=st.sampled_from([0.0, 0.1, 0.5]),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=20)
@pytest.mark.slow
def test_kills_two_commands_and_runs_of_others_change_nothing(
    number: int,
    effects: list[float],
    at_a_time: int,
    margin: float | None,
    lost: float,
    order: random.Random,
) -> None:
    """Whatever has ended so far, in any order, leads to the same runs and the same end."""
    design = make_design(len(effects), at_a_time=at_a_time, margin=margin)
    everything = make_values(effects, number, lost=lost)
    end, needed = train_to_the_end(design, everything)
    known: dict[Cell, RunValue] = {}
    command = Replay(design)
    while (state := replay(design, known)).round is not None:
        assert command.advance(known) == state
        ahead = state.round
        # Some of the missing runs end, in any order; then the command is killed.
        ended = order.sample(ahead.missing, order.randint(1, len(ahead.missing)))
        known |= {cell: everything[cell] for cell in ended}
        if order.random() < 0.3:
            cell = order.choice(list(everything))  # another sweep trains a run
            known[cell] = everything[cell]
        assert set(ahead.cells) <= needed.keys()
    assert state == end
    assert needed.keys() <= known.keys()


@given(number=st.integers(0, 1000))
@settings(max_examples=12)
def test_to_start_again_from_the_seeds_that_all_rows_have_changes_nothing(
    number: int,
) -> None:
    """`extend` knows no other seeds to start with."""
    design = make_design(3, margin=1.0)
    everything = make_values([0.0, -1.5, -4.0], number)
    end, _ = train_to_the_end(design, everything)
    common = min(len(row.seeds) for row in end.rows)
    again, _ = train_to_the_end(replace(design, seeds=tuple(range(common))), everything)
    assert again.rows == end.rows
    assert again.reason == end.reason
