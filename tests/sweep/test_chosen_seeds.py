"""A sweep until decided does not start on seeds that results could have chosen."""

from pathlib import Path

import pytest

from dropexp.errors import ConfigError
from dropexp.runs.ledger import Purpose, read_ledger
from dropexp.sweep.sequential.chosen_seeds import refuse_chosen_seeds
from dropexp.sweep.sequential.rows import compose_until_decided, extend_until_decided
from tests.sweep.ledgers import PAIR, write_trained


def start(runs: Path, seeds: str, study: str = "fresh") -> None:
    """Start a sweep until decided, as far as the check goes."""
    words = [*PAIR, f"seed={seeds}", f"study={study}", f"runs_dir='{runs}'"]
    refuse_chosen_seeds(compose_until_decided(words, 64), read_ledger(runs), runs)


def extend(runs: Path, study: str) -> None:
    refuse_chosen_seeds(extend_until_decided(runs, study, [], 64), read_ledger(runs), runs)


def test_fresh_seeds_after_enough_for_a_verdict_are_refused(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    with pytest.raises(ConfigError) as refused:
        start(tmp_path, "range(100,108)")
    message = str(refused.value)
    assert "dropout2d p=0.3 has results on 8 other seeds of study first" in message
    assert f"dropexp extend first --until-decided --runs-dir {tmp_path}" in message
    assert "seed=0,1,2,3,4,5,6,7,100,101,102,103,104,105,106,107 --until-decided" in message


def test_fresh_seeds_after_a_few_are_not(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(5)")
    start(tmp_path, "range(100,108)")


def test_some_of_the_seeds_are_refused_and_all_of_them_are_not(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    with pytest.raises(ConfigError, match="has results on 2 other seeds"):
        start(tmp_path, "1,2,3,4,5,6")
    start(tmp_path, "range(8)")
    start(tmp_path, "range(10)")


def test_who_extends_their_own_study_is_not_refused(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    extend(tmp_path, "first")
    write_trained(tmp_path, "first", "range(8,10)", purpose=Purpose.SEQUENTIAL)
    extend(tmp_path, "first")


def test_seeds_of_a_search_and_of_other_settings_do_not_matter(tmp_path: Path) -> None:
    write_trained(tmp_path, "search", "range(8)", purpose=Purpose.SEARCH)
    write_trained(tmp_path, "wider", "range(8)", *PAIR, "model.width=8")
    start(tmp_path, "range(100,108)")


def test_to_extend_a_study_of_fresh_seeds_is_refused_with_what_works(tmp_path: Path) -> None:
    write_trained(tmp_path, "first", "range(8)")
    write_trained(tmp_path, "second", "range(100,108)")
    with pytest.raises(ConfigError) as refused:
        extend(tmp_path, "second")
    # The other study cannot be extended either: its test would leave out the seeds of this one.
    assert "dropexp extend" not in str(refused.value)
    with pytest.raises(ConfigError):
        extend(tmp_path, "first")
    listed = str(refused.value).split("study=NAME seed=")[1].removesuffix(" --until-decided")
    start(tmp_path, listed, study="all")
