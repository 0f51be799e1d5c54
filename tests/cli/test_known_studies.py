"""A name behind study=: a known study is resumed, and a mistyped name is refused."""

from pathlib import Path

import pytest

from dropexp.config.compose import to_yaml
from dropexp.config.overrides import parse_overrides
from dropexp.runs.files import CONFIG
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.studies import save_study
from dropexp.runs.study_names import explain_new_study, refuse_sweep_or_typo
from dropexp.runs.write import RunFolder
from dropexp.sweep.grammar import SweepRequest, compose_sweep
from dropexp.sweep.plan import make_study
from tests.conftest import QUICK, Dropexp, assert_refused, run_dropexp

BIG = ("regulariser=none,dropout2d", "p=0.3", "seed=0,1", *QUICK)


def ask(folder: Path, *overrides: str) -> SweepRequest:
    """Leave what a sweep leaves that was stopped before its first run had ended."""
    runs = folder / "runs"
    runs.mkdir(exist_ok=True)
    request = compose_sweep(overrides)
    study = make_study(request)
    save_study(runs, study)
    ids = [run.run_id for run in request.planned.runs]
    record_request(runs, study.name, ids, Purpose.SWEEP, is_study=True)
    return request


def list_planned(folder: Path, *arguments: str) -> set[str]:
    done = run_dropexp(folder, *arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    return {line.split()[0] for line in done.stdout.splitlines() if line.endswith("new")}


def test_the_name_of_a_study_alone_asks_for_its_runs(tmp_path: Path) -> None:
    first = ask(tmp_path, "study=big", *BIG)
    later = ask(tmp_path, "study=big", "regulariser=dropout", "p=0.1", "seed=7", *QUICK)
    expected = {run.run_id for each in (first, later) for run in each.planned.runs}
    assert list_planned(tmp_path, "sweep", "study=big", "device=cpu") == expected
    again = run_dropexp(tmp_path, "sweep", "study=big", "p=0.4", "--dry-run")
    assert "1 run: 1 new" in again.stdout, "with an override on the run, the name is a label"


def test_a_study_elsewhere_is_resumed_in_its_place(tmp_path: Path) -> None:
    request = ask(tmp_path, "study=big", *BIG)
    (tmp_path / "runs").rename(tmp_path / "others")
    planned = list_planned(tmp_path, "sweep", "study=big", "runs_dir=others")
    assert planned == {run.run_id for run in request.planned.runs}
    assert_refused(tmp_path, ["sweep", "study=big"], ["study=big is not known"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "study=quik"], ["study=quik is not known", "Did you mean quick?"]),
        (["sweep", "study=bg"], ["study=bg is not known", "Did you mean big?"]),
        (["sweep", "study=bg", "p=0.4"], ["study=bg is not known", "one run only", "big"]),
        (["sweep", "study=new"], ["study=new is not known", "dropexp sweep study=new regulariser"]),
        (["sweep", "study=bg", "--until-decided"], ["study=bg is not known"]),
        (["train", "study=quick"], ["study=quick is a sweep", "dropexp sweep study=quick"]),
        (["train", "study=big"], ["study=big is a sweep", "dropexp sweep study=big"]),
        (["train", "study=bg"], ["study=bg is not known", "Did you mean big?"]),
        (["sweep", "study=single"], ["study=single is the label", "dropexp train"]),
    ],
)
def test_a_name_that_begins_no_study_is_refused(
    tmp_path: Path, arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    ask(tmp_path, "study=big", *BIG)
    record_request(tmp_path / "runs", "single", ["none-p0-s0-00000000"], Purpose.SWEEP)
    assert_refused(tmp_path, arguments, words)


def test_a_new_name_begins_a_study(tmp_path: Path) -> None:
    ask(tmp_path, "study=big", *BIG)
    refuse_sweep_or_typo("another", tmp_path / "runs")
    assert len(list_planned(tmp_path, "sweep", "study=bg", "seed=0,1", *QUICK)) == 2
    assert len(list_planned(tmp_path, "sweep", "study=another", *QUICK)) == 1
    assert parse_overrides(["study=bg", "p=0.3"])[1].is_about_the_run


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("learnin_curve", "Did you mean learning_curve"),
        ("bg", "Did you mean big?"),
        ("big2", ""),  # a series of big
        ("big", ""),
        ("quick", ""),
        ("regular", ""),  # a little like regularisers
    ],
)
def test_a_new_name_that_looks_mistyped_is_said(tmp_path: Path, name: str, close: str) -> None:
    ask(tmp_path, "study=big", *BIG)
    sentence = explain_new_study(name, tmp_path / "runs")
    assert sentence.startswith(f"study={name} is a new label") if close else sentence == ""
    assert close in sentence


def test_a_run_under_a_mistyped_name_is_trained_with_one_warning(tmp_path: Path) -> None:
    overrides = ("regulariser=none", "study=quik", "tensorboard.enabled=false", *QUICK)
    warning = "warning: study=quik is a new label: no study has this name. Did you mean quick?"
    for seed, count in (("seed=0", 1), ("seed=1", 0)):
        done = run_dropexp(tmp_path, "train", *overrides, seed)
        assert done.returncode == 0, done.stderr
        assert " ".join((done.stdout + done.stderr).split()).count(warning) == count
    swept = run_dropexp(tmp_path, "sweep", "study=quck", "seed=0,1", *QUICK, "--dry-run")
    assert "study=quck is a new label" in swept.stderr


def test_what_is_there_of_an_interrupted_study_is_said(dropexp: Dropexp, tmp_path: Path) -> None:
    request = ask(tmp_path, "study=big", *BIG)
    for command in (["compare"], ["compare", "study=big"], ["report", "study=big"]):
        done = dropexp(*command)
        assert done.returncode == 2
        assert "big: 0 of 4 runs finished, 4 waiting; dropexp sweep study=big" in done.stderr
    assert "4 waiting" in dropexp("runs").stdout
    interrupted = RunFolder(tmp_path / "runs", request.planned.runs[0].run_id)
    with interrupted.lock():
        interrupted.write(CONFIG, to_yaml(request.configs[0]))
    assert dropexp("train", "study=big", "regulariser=none", "seed=1", *QUICK).returncode == 0
    done = dropexp("compare", "study=big")
    assert done.returncode == 0, done.stderr
    assert "big: 1 of 4 runs finished, 1 interrupted, 2 waiting" in done.stdout + done.stderr
