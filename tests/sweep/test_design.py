"""What a sweep can find is known before it starts."""

from pathlib import Path

import pytest

from dropexp.config.groups import list_studies
from dropexp.runs.ledger import LEDGER, Purpose, record_end, record_request
from dropexp.runs.studies import save_study
from dropexp.sweep.design import Design, describe_design, find_design, find_design_problem
from dropexp.sweep.grammar import SweepRequest, compose_sweep
from dropexp.sweep.plan import make_study
from tests.builders import ask_for_study
from tests.run_folders import write_finished_run

PAIR = ("regulariser=none,dropout2d", "p=0.3")


# One network in several sizes, without noise: a chart answers, and --baseline compares two of them.
SIZES_ONLY = "double_descent"


@pytest.mark.parametrize("name", sorted({*list_studies()} - {SIZES_ONLY}))
def test_every_ready_study_can_answer_its_own_question(name: str, tmp_path: Path) -> None:
    design = find_design(compose_sweep(ask_for_study(name, tmp_path)), tmp_path)
    assert design.rows >= 2
    (pairs,) = set(design.pairs)
    assert pairs >= 8
    assert not design.is_anytime
    assert find_design_problem(design) == ""
    assert design.power(2.0) >= 0.7
    assert f"{design.rows} rows, {pairs} seeds" in describe_design(design)
    assert f"with probability {design.power():.2f} (planned test)" in describe_design(design)


def test_a_ready_study_of_sizes_says_that_it_has_no_baseline(tmp_path: Path) -> None:
    design = find_design(compose_sweep([f"study={SIZES_ONLY}"]), tmp_path)
    assert (design.settings, design.rows) == (6, 0)
    assert "--baseline" in find_design_problem(design)


def test_classics_count_as_rows_and_have_their_own_baselines(tmp_path: Path) -> None:
    request = compose_sweep([*PAIR, "classic=none,weight_decay", "seed=range(7)"])
    assert find_design(request, tmp_path).pairs == (7, 7, 7)


@pytest.mark.parametrize("seeds", [1, 4, 5])
def test_fewer_than_six_seeds_are_warned_of(seeds: int, tmp_path: Path) -> None:
    design = find_design(compose_sweep([*PAIR, f"seed=range({seeds})"]), tmp_path)
    problem = find_design_problem(design)
    assert "cannot conclude" in problem
    assert f"no p-value is below {2 / 2**seeds:.2g}" in problem
    assert "'seed=range(8)'" in problem
    assert design.power(9.0) == 0.0


@pytest.mark.parametrize(
    ("seeds", "words"),
    [("range(200,204)", "'seed=range(200,208)'"), ("3,7", "seed=3,7,8,9,10,11,12,13")],
)
def test_the_seeds_to_ask_for_go_on_with_those_given(
    seeds: str, words: str, tmp_path: Path
) -> None:
    design = find_design(compose_sweep([*PAIR, f"seed={seeds}"]), tmp_path)
    assert find_design_problem(design).endswith(f"Ask for 8 seeds: {words}")


def test_six_seeds_are_not_warned_of(tmp_path: Path) -> None:
    design = find_design(compose_sweep([*PAIR, "seed=range(6)"]), tmp_path)
    assert find_design_problem(design) == ""


def test_settings_without_a_baseline_are_warned_of(tmp_path: Path) -> None:
    without_none = ["regulariser=dropout2d", "p=0.1,0.3", "seed=range(8)"]
    design = find_design(compose_sweep(without_none), tmp_path)
    assert describe_design(design) == ""
    assert "regulariser=none,…" in find_design_problem(design)
    without_regulariser = ["optimiser.lr=0.1,0.01", "seed=range(8)"]
    design = find_design(compose_sweep(without_regulariser), tmp_path)
    assert "--baseline" in find_design_problem(design)


def test_one_setting_has_nothing_to_be_warned_of(tmp_path: Path) -> None:
    design = find_design(compose_sweep(["seed=range(2)"]), tmp_path)
    assert describe_design(design) == find_design_problem(design) == ""


def test_seeds_without_a_partner_do_not_count(tmp_path: Path) -> None:
    save_study(tmp_path, make_study(compose_sweep(["study=mine", "seed=range(4)"])))
    later = compose_sweep(["study=mine", "regulariser=dropout2d", "p=0.3", "seed=range(3,9)"])
    assert find_design(later, tmp_path).pairs == (1,)
    apart = compose_sweep(["study=mine", "regulariser=dropout2d", "p=0.3", "seed=range(5,9)"])
    design = find_design(apart, tmp_path)
    assert design.rows == 0
    assert "no setting has a seed in common" in find_design_problem(design)


def ask_for(runs: Path, request: SweepRequest, purpose: Purpose = Purpose.SWEEP) -> None:
    study = make_study(request)
    save_study(runs, study)
    record_request(runs, study.name, [member.run_id for member in study.members], purpose)


def test_seeds_that_join_finished_runs_are_for_the_anytime_test(tmp_path: Path) -> None:
    first = compose_sweep(["study=mine", *PAIR, "seed=range(6)"])
    ask_for(tmp_path, first)
    more = compose_sweep(["study=mine", *PAIR, "seed=range(8)"])
    assert not find_design(more, tmp_path).is_anytime  # nobody can have looked yet
    record_end(tmp_path, first.configs[0].run_id)
    assert not find_design(first, tmp_path).is_anytime  # it only goes on
    design = find_design(more, tmp_path)
    assert (design.is_anytime, design.pairs) == (True, (8,))
    assert "(anytime test, as runs have ended before others were asked for)" in describe_design(
        design
    )
    ask_for(tmp_path, more)
    assert find_design(more, tmp_path).is_anytime  # also when it is given again


def test_a_baseline_that_has_ended_before_is_for_the_anytime_test(tmp_path: Path) -> None:
    request = compose_sweep([*PAIR, "seed=range(8)"])
    record_request(tmp_path, None, [request.configs[0].run_id], Purpose.SWEEP)
    record_end(tmp_path, request.configs[0].run_id)
    assert find_design(request, tmp_path).is_anytime


def test_a_run_of_which_no_request_is_known_is_for_the_anytime_test(tmp_path: Path) -> None:
    folder = write_finished_run(tmp_path, 0.5, "regulariser=none", "seed=3")
    (tmp_path / LEDGER).unlink()
    request = compose_sweep([*PAIR, "seed=range(8)"])
    assert folder.run_id in {config.run_id for config in request.configs}
    assert find_design(request, tmp_path).is_anytime


def test_what_was_asked_for_because_of_results_is_for_the_anytime_test(tmp_path: Path) -> None:
    request = compose_sweep(["study=mine", *PAIR, "seed=range(8)"])
    ask_for(tmp_path, request, Purpose.SEQUENTIAL)
    assert find_design(request, tmp_path).is_anytime


def test_the_anytime_test_needs_more_seeds_for_more_rows() -> None:
    assert find_design_problem(Design(2, (8,), is_anytime=True)) == ""
    problem = find_design_problem(Design(21, (8,) * 20, is_anytime=True))
    assert "cannot conclude" in problem
    assert "'seed=range(12)'" in problem
