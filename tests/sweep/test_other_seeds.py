"""A sweep warns before it trains seeds of which compare will count none."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.runs.ledger import Purpose
from dropexp.runs.studies import save_study
from dropexp.sweep.grammar import SweepRequest, compose_sweep
from dropexp.sweep.other_seeds import find_seed_problem
from dropexp.sweep.plan import make_study
from dropexp.sweep.registering import compose_study, register_study
from tests.conftest import run_dropexp
from tests.sweep.ledgers import PAIR, write_trained


def ask(seeds: str, *words: str, study: str = "fresh") -> SweepRequest:
    return compose_sweep([*(words or PAIR), f"seed={seeds}", f"study={study}"])


def test_fresh_seeds_after_a_study_that_could_give_a_verdict_are_warned_of(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    problem = find_seed_problem(ask("range(100,108)"), tmp_path)
    assert "compare study=fresh will count no pair" in problem
    assert "1 row has results on 8 other seeds of study first" in problem
    assert "dropexp study register NAME regulariser=none,dropout2d p=0.3" in problem
    assert f"dropexp extend first --until-decided --runs-dir {tmp_path}" in problem


@pytest.mark.parametrize(
    ("earlier", "asked", "is_warned"),
    [
        ("range(5)", "range(100,108)", False),  # too few for a verdict: they gave the idea
        ("range(6)", "range(100,108)", True),
        ("range(5)", "range(4,12)", True),  # some of them again: which ones may be chosen
        ("range(8)", "range(8)", False),
        ("range(8)", "range(12)", False),
    ],
)
def test_a_few_seeds_may_be_left_out_but_no_choice_of_them(
    tmp_path: Path, earlier: str, asked: str, is_warned: bool
) -> None:
    write_trained(tmp_path, "first", earlier)
    assert bool(find_seed_problem(ask(asked), tmp_path)) == is_warned


def test_own_seeds_other_settings_searches_and_unseen_runs_are_not_warned_of(
    tmp_path: Path,
) -> None:
    write_trained(tmp_path, "fresh", "range(8)")
    write_trained(tmp_path, "wider", "range(8)", *PAIR, "model.width=8")
    write_trained(tmp_path, "search", "range(20,28)", purpose=Purpose.SEARCH)
    write_trained(tmp_path, "unseen", "range(30,38)", with_ends=False)
    assert find_seed_problem(ask("range(100,108)"), tmp_path) == ""


def test_a_setting_without_its_baseline_makes_no_pair_that_could_be_left_out(
    tmp_path: Path,
) -> None:
    write_trained(tmp_path, "first", "range(8)", "regulariser=dropout2d", "p=0.3")
    assert find_seed_problem(ask("range(100,108)"), tmp_path) == ""
    write_trained(tmp_path, "second", "range(8)", "regulariser=none")
    assert "1 row has results" in find_seed_problem(ask("range(100,108)"), tmp_path)


def test_a_setting_of_the_study_may_have_no_run_left(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    save_study(tmp_path, replace(make_study(ask("range(2)")), members=()))
    assert find_seed_problem(ask("range(100,108)", "regulariser=none"), tmp_path)


def test_a_registered_study_may_have_fresh_seeds(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    request = compose_study("fresh", [*PAIR, "seed=range(100,108)"], None)
    register_study(request, request.question, tmp_path)
    assert find_seed_problem(ask("range(100,108)"), tmp_path) == ""
    assert find_seed_problem(ask("range(100,109)"), tmp_path)  # one is not registered


def test_the_warning_replaces_the_promise_of_a_dry_run(tmp_path: Path) -> None:
    words = ("sweep", "study=fresh", *PAIR, "seed=range(100,108)", "--dry-run")
    alone = run_dropexp(tmp_path, *words)
    assert "planned test" in alone.stdout
    assert alone.stderr == ""
    write_trained(tmp_path / "runs", "first", "range(8)")
    after = run_dropexp(tmp_path, *words)
    assert "planned test" not in after.stdout
    assert after.stderr.startswith("warning: compare study=fresh will count no pair")
    assert after.stderr.endswith("dropexp extend first --until-decided\n")


def test_to_extend_a_registered_study_is_warned_of(tmp_path: Path) -> None:
    run_dropexp(tmp_path, "study", "register", "mine", *PAIR)
    write_trained(tmp_path / "runs", "mine", "range(8)")
    done = run_dropexp(tmp_path, "extend", "mine", "--seeds", "+2", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "warning: mine was registered on " in done.stderr
