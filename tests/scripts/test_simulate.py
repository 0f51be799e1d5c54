"""scripts/simulate: its fast tests are those of compare(), and what must go wrong does."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.compare import compare, find_runs
from dropexp.compare.rules import TestKind
from dropexp.statistics import anytime_interval, mean_interval, step_down_max_t
from simulations import (
    alarms,
    checking,
    cost,
    coverage,
    factorial,
    fishing,
    forecasts,
    found,
    headline,
    parts,
    replay,
    worth,
)
from simulations.folders import STUDY, StudyFolder
from simulations.laws import LAWS, SKEWED, Law
from simulations.work import Work

SCRIPT = Path(__file__).parents[2] / "scripts" / "simulate"
NAMES = [law.name for law in (*LAWS, SKEWED)]
SHAPES = [(4, 12), (20, 9), (3, 19)]


@pytest.mark.parametrize("law", [*LAWS, SKEWED], ids=NAMES)
@pytest.mark.parametrize(("rows", "seeds"), SHAPES)
def test_the_fast_planned_test_has_the_p_value_of_the_real_one(
    law: Law, rows: int, seeds: int
) -> None:
    values = law.draw(np.random.default_rng(rows), (3, 1 + rows, seeds))
    for table in values:
        scores = replay.score_planned(table)
        expected = step_down_max_t(scores, np.random.default_rng(0)).min()

        assert replay.planned_p_value(scores) == pytest.approx(expected, abs=1e-4)
        may_claim = replay.planned_p_value(scores, stop_above=0.05) <= 0.05
        assert may_claim == (expected <= 0.05)


def test_random_tables_have_the_verdicts_of_compare() -> None:
    # It raises where one differs; both outcomes must be among them.
    claims = checking.compare_random_tables("tables", np.random.default_rng(1), 8)

    assert 0 < claims.mean() < 1


def test_a_wrong_fast_test_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "planned_p_value", lambda scores, stop_above=1.0: 0.5)

    with pytest.raises(AssertionError, match="planned p of"):
        checking.compare_random_tables("tables", np.random.default_rng(1), 2)


def test_looking_after_every_seed_breaks_the_planned_test_and_not_the_anytime_test() -> None:
    hits = alarms.simulate_cell(("normal", 1), np.random.default_rng(2), 120).mean(axis=0)
    shares = dict(zip(alarms.POLICIES, hits[:4], strict=True))
    anytime = dict(zip(alarms.POLICIES, hits[4:8], strict=True))

    assert shares["every seed"] > 0.10
    assert shares["every seed"] >= shares["+4 to 64"] >= shares["once"]
    assert shares["once"] < 0.05 + 4 * 0.02
    assert anytime["every seed"] < 0.05 + 4 * 0.02
    assert anytime["every seed"] >= anytime["as told"] >= anytime["once"]


def test_numbers_do_not_depend_on_the_processes() -> None:
    cells = [(1, 1.0), (2, 1.0)]
    with ThreadPoolExecutor(3) as executor:
        several = Work(30, executor).simulate(forecasts.simulate_cell, cells)
    alone = Work(30).simulate(forecasts.simulate_cell, cells)

    for cell in cells:
        assert len(alone[cell]) == 30
        np.testing.assert_array_equal(alone[cell], several[cell])
    assert not np.array_equal(alone[cells[0]], alone[cells[1]])


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_misses_of_intervals_are_those_of_the_real_ones(number: int) -> None:
    differences = np.random.default_rng(number).normal(0.3, 1, 20)
    real = [anytime_interval(differences[:n]) for n in range(1, 21)]

    missed = any(not each.low <= 0.9 <= each.high for each in real)
    assert coverage._misses_anytime(differences, 0.9) == missed
    estimate = mean_interval(differences)
    is_missed = not estimate.low <= 0.9 <= estimate.high
    assert coverage._misses_mean(differences, 0.9) == is_missed


def test_a_wrong_truth_is_missed_and_the_right_one_rarely() -> None:
    misses = coverage.simulate_cell(coverage.EFFECT, np.random.default_rng(3), 100).mean(axis=0)

    assert misses[1] < 0.05 + 4 * 0.022  # t at 8 seeds
    assert misses[3] > 0.15  # t at every look
    assert misses[4] < 0.05 + 4 * 0.022  # anytime at every look


def test_the_probability_under_a_skewed_baseline_is_that_of_drawn_values() -> None:
    values = SKEWED.draw(np.random.default_rng(4), (1, 2, 100_000))[0]

    assert (values[1] < values[0]).mean() == pytest.approx(SKEWED.probability, abs=0.01)
    assert values[0].mean() == pytest.approx(0, abs=0.05)


def test_large_differences_are_found_more_often_and_none_rarely() -> None:
    generator = np.random.default_rng(5)
    large = found.simulate_cell((4, 2.0), generator, 40).mean(axis=0)
    none = found.simulate_cell((4, 0.0), generator, 40).mean(axis=0)

    assert large[1] > 0.8
    assert none.max() < 0.15
    assert (large >= none).all()


def test_forecasts_and_their_fate_are_numbers_of_open_rows() -> None:
    results = forecasts.simulate_cell((1, 0.75), np.random.default_rng(6), 60)
    column = forecasts.Column
    known = results[~np.isnan(results[:, column.LOW])]

    assert 5 < len(known) < 60
    assert (known[:, column.IS_OPEN] == 1).all()
    assert (known[:, column.LOW] <= known[:, column.HIGH]).all()
    assert (known[:, column.AFTER_LOW] <= known[:, column.AFTER_HIGH]).all()


def test_a_written_study_is_planned_and_has_the_results_written_last(tmp_path: Path) -> None:
    study = StudyFolder(tmp_path / "runs", rows=2, seeds=6)
    for number in (1, 2):
        values = np.random.default_rng(number).normal(size=(3, 6))
        study.write_results(values, values + 0.5)
        comparison = compare(find_runs([f"study={STUDY}"], tmp_path / "runs"))

        assert comparison.test.kind is TestKind.PLANNED
        differences = [row.difference for row in comparison.rows[1:]]
        shown = [each.value for each in differences if each is not None]
        np.testing.assert_allclose(shown, (values[1:] - values[0]).mean(axis=1))


@pytest.mark.slow
def test_a_filter_does_not_make_the_test_easier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fishing, "ROWS", 6)
    monkeypatch.setattr(fishing, "SEEDS", 8)
    hits = fishing.simulate_cell("null", np.random.default_rng(7), 30).mean(axis=0)
    command, naive = hits[[0, 2]], hits[[1, 3]]

    assert (naive >= command).all()
    assert naive[0] > 0.10  # 1 − 0.95⁶ is 26 %
    assert command.max() < 0.05 + 4 * 0.04


@pytest.mark.slow
def test_the_best_test_result_is_overstated_and_the_held_out_size_is_not() -> None:
    results = headline.simulate_headlines((0.5, 0.0), np.random.default_rng(8), 40)
    on_test, true_of_it, chosen, true, held_out, _ = results.mean(axis=0)

    assert on_test / true_of_it > 1.4
    assert chosen / true < on_test / true_of_it
    assert held_out / true == pytest.approx(1, abs=0.5)


def test_the_cost_of_an_answer_is_that_of_a_sweep_until_decided() -> None:
    result = cost.simulate_cost((1.25, 10), np.random.default_rng(9), 1)
    again = cost._read(result)

    assert again.margin == 1.25
    assert again.runs >= 5 * 4
    assert 0.5 < again.right <= 1


def test_a_search_chooses_a_setting_that_is_close_to_the_best_one() -> None:
    grid, search = cost.simulate_search(cost.BUDGET, np.random.default_rng(10), 3).T

    assert (grid >= 0).all()  # the best setting is one of the grid's
    assert np.median(search) <= 0.01


def run_script(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_prints_the_parts_that_are_named() -> None:
    result = run_script("found", "--repetitions", "2", "--jobs", "2")

    assert result.returncode == 0, result.stderr
    assert "### True differences found" in result.stdout
    assert "| 20, 2 SD |" in result.stdout
    assert "### Intervals" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "nonsense is not a part; allowed: alarms, coverage"),
        pytest.param(["--repetitions", "0"], "must be at least 1", marks=pytest.mark.slow),
        pytest.param(["--docs", "alarms"], "leave the names of parts", marks=pytest.mark.slow),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str) -> None:
    result = run_script(*arguments)

    assert result.returncode == 2
    assert message in result.stderr


def test_the_page_is_written_between_its_marks_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- simulate -->\n\nafter\n", encoding="utf-8")

    parts.write_page("first", page)
    parts.write_page("second", page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "second" in text
    assert "first" not in text
    page.write_text("no mark", encoding="utf-8")
    with pytest.raises(ValueError, match="has neither"):
        parts.write_page("third", page)


def test_a_worth_holds_the_truth_where_the_law_does_and_a_wrong_law_is_refused() -> None:
    generator = np.random.default_rng(11)
    right = worth.simulate_cell(("a third more images", 8), generator, 16)
    wrong = worth.simulate_cell(("a third more, no power law", 16), generator, 8)
    assert np.nanmean(right[:, [0, 2]]) < 0.2, "misses"
    assert right[:, -1].mean() < 0.3
    assert wrong[:, -1].mean() > 0.7


def test_effects_that_add_up_have_no_interaction() -> None:
    alarms = factorial.simulate_cell(
        "main effects that add up, normal", np.random.default_rng(12), 12
    ).mean(axis=0)
    assert alarms[0] < 0.25
    assert alarms[3] < 0.25
