"""Sweeps until decided and searches from Python, on runs that are there; nothing is trained."""

from pathlib import Path
from unittest import mock

import pytest

import dropexp
from baselines import run_folders
from dropexp.api import DecidedStudy, TunedStudy
from dropexp.errors import ConfigError, UserError
from dropexp.runs.studies import save_study
from dropexp.statistics import Verdict
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_study
from dropexp.sweep.sequential.design import StopReason
from dropexp.sweep.tuning.candidates import Candidate
from dropexp.sweep.tuning.conduct import TuneResult
from dropexp.sweep.tuning.confirmation import Confirmation
from dropexp.sweep.tuning.proposals import WORST, Trial, TrialState
from dropexp.sweep.tuning.search import Search

SWEPT = ("regulariser=none,dropout2d", "p=0.1", "data.train_size=400", "data.label_noise=0.2")
SEEDS = 12


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finished runs of both settings."""
    folder = tmp_path_factory.mktemp("decided") / "runs"
    run_folders.make_runs(folder, runs=2 * SEEDS, seeds=SEEDS)
    return folder


def test_a_sweep_until_decided_returns_its_rows_and_why_it_ended(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = [*SWEPT, f"seed=range({SEEDS})", "study=mine", f"runs_dir={runs}"]
    study: DecidedStudy = dropexp.sweep_until_decided(overrides, quiet=True, most_seeds=SEEDS)
    assert capsys.readouterr().out == ""
    (row,) = study.rows
    assert row.setting == "dropout2d p=0.1"
    assert row.decision is not None
    assert row.decision.verdict is Verdict.BETTER
    assert (study.is_decided, study.reason) == (True, StopReason.DECIDED)
    assert len(study.run_ids) == 2 * len(row.seeds) == 2 * SEEDS
    assert repr(study) == f"<study mine: 24 runs in {runs}, 0 trained now; every row is decided>"
    compared = study.compare()
    assert [each.verdict for each in compared.rows] == [None, Verdict.BETTER]
    assert {run.run_id for each in compared.rows for run in each.setting.completed} == set(
        study.run_ids
    )


def test_what_cannot_be_decided_is_refused_in_the_words_of_the_command(runs: Path) -> None:
    overrides = [*SWEPT, f"runs_dir={runs}"]
    with pytest.raises(ConfigError, match=r"--at matched is not allowed with --until-decided"):
        dropexp.sweep_until_decided(overrides, at="matched")
    with pytest.raises(UserError, match=r"--most-seeds 0 is not allowed"):
        dropexp.sweep_until_decided(overrides, most_seeds=0)
    with pytest.raises(UserError, match=r"--metric acc is unknown"):
        dropexp.sweep_until_decided(overrides, metric="acc")
    with pytest.raises(UserError, match=r"give a list"):
        dropexp.sweep_until_decided("p=0.3")


TRIED = [
    Trial(Candidate("dropout2d", (("p", "0.3"),)), {0: -0.02, 1: -0.04}, TrialState.COMPLETE),
    Trial(Candidate("cutout", (("p", "0.6"),)), {0: WORST}, TrialState.DROPPED),
]


def test_a_search_returns_its_choice_and_what_it_tried(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    confirmed = Confirmation(TRIED[0].candidate)
    result = TuneResult("found", Search(TRIED), (confirmed,), 4, 4, 0, 1.0, {})
    overrides = [
        "regulariser=dropout2d,cutout",
        "study=found",
        f"runs_dir={runs}",
        "precision=float32",
    ]
    swept = make_study(compose_sweep([*SWEPT, "study=found", f"runs_dir={runs}", "seed=0,1"]))
    save_study(runs, swept)
    with mock.patch("dropexp.sweep.tuning.conduct.tune", return_value=result) as search:
        study: TunedStudy = dropexp.tune(overrides, budget="100runs", confirm="each", quiet=True)
    assert capsys.readouterr().out == ""
    assert str(search.call_args.args[1]) == "100 runs"
    assert study.rows == (confirmed,)
    assert (
        study.answer == "dropout2d p=0.3 was chosen, and the budget has left no seed to confirm it"
    )
    assert study.overrides[:2] == ("regulariser=dropout2d", "p=0.3")
    assert "precision=float32" in study.overrides
    assert study.run_ids == tuple(run.run_id for run in swept.runs)
    frame = study.to_frame()
    assert frame["setting"].tolist() == ["dropout2d p=0.3", "cutout p=0.6"]
    assert frame["mean_difference"].isna().tolist() == [False, True]


def test_a_search_that_was_stopped_raises_what_ctrl_c_raises(runs: Path) -> None:
    stopped = mock.patch("dropexp.sweep.tuning.conduct.tune", side_effect=KeyboardInterrupt)
    with stopped, pytest.raises(KeyboardInterrupt):
        dropexp.tune(["regulariser=dropout2d,cutout", f"runs_dir={runs}"], quiet=True)
    with pytest.raises(ConfigError, match=r"--confirm all is not known. Known: best, each"):
        dropexp.tune(confirm="all")
    with pytest.raises(ConfigError, match=r"--budget lots"):
        dropexp.tune(budget="lots")
