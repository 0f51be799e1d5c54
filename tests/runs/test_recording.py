"""Runs of somebody's own training loop are ordinary run folders, and say what they lack."""

import errno
import json
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import dropexp
from dropexp.errors import AuditError, BusyError, ConfigError, DiskError, UserError
from dropexp.runs import durable
from dropexp.runs.listing import list_runs
from dropexp.runs.recorded_run import Recording
from dropexp.runs.records import AuditOutcome, RunStatus
from tests.conftest import Dropexp, UnsyncedDisk

LOSSES = (2.0, 1.0, 1.5)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(**others: Any) -> dict[str, Any]:
    return {"data": "cats", "model": "net", "seed": 0, "epochs": 3, **others}


def record(losses: Sequence[float] = LOSSES, *, test: float = 0.0, **others: Any) -> Recording:
    with dropexp.record(**ask(**others)) as run:
        for epoch in run.epochs:
            run.log(train_loss=0.5, val_loss=losses[epoch - 1], val_acc=0.5)
        if test and not run.is_finished:
            run.log_test(test_loss=test, test_acc=0.9)
    return run


def test_a_recorded_run_has_its_epochs_and_results() -> None:
    run = record(parameters=7, test=1.2, options={"optimiser.lr": 0.1})
    (listed,) = list_runs(Path("runs"))
    summary, records = listed.summary, listed.folder.read_records()
    assert summary is not None
    assert listed.folder.path.name == run.run_id == summary.run_id
    assert [record.val_loss for record in records] == list(LOSSES)
    assert all(record.seconds >= 0 for record in records)
    assert summary.best is not None
    assert (summary.best.epoch, summary.best.test_loss) == (2, 1.2)
    assert (summary.last.epoch, math.isnan(summary.last.test_loss)) == (3, True)
    assert (summary.status, summary.audit) == (RunStatus.COMPLETED, AuditOutcome.SKIPPED)
    assert (summary.parameters, summary.rise) == (7, 0.5)
    assert listed.config["optimiser.lr"] == 0.1
    assert listed.folder.find_damage(whole=True) == ""


def test_the_same_run_is_recorded_once_whatever_the_spelling() -> None:
    first = record(p=0, regulariser="none", options={"optimiser.lr": 1})
    again = record(losses=(9.0,), p=0.5, regulariser="none", options={"optimiser.lr": 1.0})
    assert (first.run_id, first.is_finished) == (again.run_id, False)
    assert again.is_finished
    assert list(again.epochs) == []
    (listed,) = list_runs(Path("runs"))
    assert listed.get("best.val_loss") == 1.0
    with pytest.raises(UserError, match="is finished, and nothing more is recorded"):
        again.log(train_loss=1, val_loss=1)
    assert not record(losses=(3.0, 3.0, 3.0), force=True, options={"optimiser.lr": 1}).is_finished
    assert list_runs(Path("runs"))[0].get("best.val_loss") == 3.0


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"data": "dogs"},
        {"model": "wider"},
        {"epochs": 2},
        {"regulariser": "dropout2d", "p": 0.3},
        {"options": {"data.size": 100}},
        {"options": {"precision": "bfloat16"}},
    ],
)
def test_whatever_makes_another_run_has_another_id(other: dict[str, Any]) -> None:
    assert record().run_id != record(**other).run_id
    assert record(study="mine").run_id == record().run_id


def test_no_run_of_dropexp_is_taken_for_one_of_an_own_loop(dropexp: Dropexp) -> None:
    run = record(test=1.0)
    assert dropexp("train", "train.loop=own").returncode == 2
    done = dropexp("rerun", run.run_id)
    assert done.returncode == 2
    assert "only that loop trains it again" in done.stderr


def break_off(after: int, error: BaseException) -> None:
    with dropexp.record(**ask()) as run:
        for epoch in run.epochs:
            run.log(train_loss=1, val_loss=1)
            if epoch == after:
                raise error


def test_an_interrupted_run_starts_over_with_a_warning_at_the_line_of_the_user() -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(2, KeyboardInterrupt())
    (listed,) = list_runs(Path("runs"))
    assert (listed.status, listed.epochs) == ("interrupted", 2)
    with pytest.warns(UserWarning, match="was interrupted after 2 epochs: it is recorded") as told:
        assert not record().is_finished
    assert told[0].filename == __file__
    assert list_runs(Path("runs"))[0].status == "finished"


def test_an_exception_makes_a_failed_run_with_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        break_off(1, ZeroDivisionError("of my own"))
    (listed,) = list_runs(Path("runs"))
    assert listed.status == "failed"
    assert "of my own" in listed.folder.read_error()
    with pytest.warns(UserWarning, match="failed after 1 epoch: "):
        record()


class FullDisk(UnsyncedDisk):
    """Has no room for a change from the moment that ``is_full`` is set."""

    def __init__(self) -> None:
        self.is_full = False

    def open_to_append(self, path: str) -> int:
        self._refuse(path)
        return super().open_to_append(path)

    def create(self, path: str) -> int:
        self._refuse(path)
        return super().create(path)

    def make_folder(self, path: str) -> None:
        self._refuse(path)
        super().make_folder(path)

    def _refuse(self, path: str) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_on_a_full_disk_a_recording_is_interrupted_and_says_that_it_starts_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = FullDisk()
    monkeypatch.setattr(durable, "disk", disk)
    again = "the disk is full.* the same command records the run from its start"

    def train() -> None:
        with dropexp.record(**ask()) as run:
            for epoch in run.epochs:
                disk.is_full = epoch == 2
                run.log(train_loss=1, val_loss=1)

    with pytest.raises(DiskError, match=again):
        train()
    with pytest.raises(DiskError, match=again):
        record(seed=1)
    disk.is_full = False
    (listed,) = list_runs(Path("runs"))
    assert (listed.status, listed.epochs) == ("interrupted", 1)
    with pytest.warns(UserWarning, match="was interrupted after 1 epoch: it is recorded again"):
        record()


def test_a_loop_that_stops_early_or_diverges_ends_the_run() -> None:
    with dropexp.record(**ask()) as run:
        for _ in run.epochs:
            run.log(train_loss=1, val_loss=1)
            assert run.is_best
            break
    (listed,) = list_runs(Path("runs"))
    assert (listed.status, listed.epochs) == ("finished", 1)
    record(losses=(1.0, math.nan, 1.0), seed=1)
    by_seed = {run.config["seed"]: run for run in list_runs(Path("runs"))}
    assert (by_seed[1].status, by_seed[1].epochs) == ("diverged", 2)
    assert by_seed[1].get("best.epoch") == 1


def log_nothing() -> None:
    with dropexp.record(**ask()) as run:
        for _ in run.epochs:
            pass


def log_no_epoch() -> None:
    with dropexp.record(**ask()):
        pass


def log_wrong_share() -> None:
    with dropexp.record(**ask()) as run:
        run.log(train_loss=1, val_loss=1, val_acc=73)


def test_nothing_is_logged_after_the_end_or_beyond_the_epochs() -> None:
    """It would be in metrics.csv, and not in the summary that is already written."""
    run = record()
    with pytest.raises(UserError, match="has ended: call log"):
        run.log(train_loss=9, val_loss=9)
    with dropexp.record(**ask(seed=1)) as more:
        for _ in range(3):
            more.log(train_loss=1, val_loss=1)
        with pytest.raises(UserError, match="all 3 epochs of none-p0-s1-"):
            more.log(train_loss=1, val_loss=1)
    for listed in list_runs(Path("runs")):
        assert not listed.folder.find_damage(whole=True)


@pytest.mark.parametrize("value", ["abc", None, 10**400, np.ones(2)])
def test_a_loss_that_is_no_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(UserError, match=r"val_loss=.* it is a single number"):
        record([value])


def test_numbers_of_numpy_are_those_of_python() -> None:
    own = ask(regulariser="noise", p=0.25, options={"optimiser.lr": 0.5})
    arrays = ask(regulariser="noise", options={"optimiser.lr": np.float64(0.5)})
    arrays |= {"seed": np.int64(0), "epochs": np.int32(3), "p": np.float32(0.25)}
    assert record(**arrays).run_id == record(**own).run_id


def test_a_key_that_makes_no_other_run_is_refused() -> None:
    """Two files of weights in turn must not be one run."""
    with pytest.raises(ConfigError, match=r"'model\.weights', which makes no other run"):
        record(options={"model.weights": "a.pt"})


def test_recording_a_run_inside_of_itself_is_refused() -> None:
    with dropexp.record(**ask()) as run:
        run.log(train_loss=1, val_loss=1)
        with (
            pytest.warns(UserWarning, match="is locked; waiting"),
            pytest.raises(BusyError, match="being trained or recorded here already"),
        ):
            record()


def test_wrong_epochs_are_refused() -> None:
    with pytest.raises(UserError, match="epoch 1 was not logged once"):
        log_nothing()
    with (
        pytest.warns(UserWarning, match="failed"),
        pytest.raises(UserError, match=r"no epoch of none-p0-s0-\w+ was logged"),
    ):
        log_no_epoch()
    with (
        pytest.warns(UserWarning, match="failed"),
        pytest.raises(UserError, match="val_acc=73 is not allowed"),
    ):
        log_wrong_share()


def test_wrong_test_results_are_refused() -> None:
    with dropexp.record(**ask()) as run:
        run.log(train_loss=1, val_loss=1)
        with pytest.raises(UserError, match="Allowed: best, last"):
            run.log_test(test_loss=1, at="first")  # type: ignore[arg-type]
        with pytest.raises(UserError, match="test_acc=2 is not allowed"):
            run.log_test(test_loss=1, test_acc=2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"p": 1.0, "regulariser": "dropout"}, "p=1.0 is not allowed"),
        ({"p": True}, "p=True"),
        ({"seed": -1}, "seed=-1 is not allowed"),
        ({"seed": 2**63}, "seed="),
        ({"epochs": 0}, "epochs=0"),
        ({"epochs": 2.0}, "epochs=2.0"),
        ({"data": ""}, "data=''"),
        ({"model": "x" * 201}, "model='xxx"),
        ({"regulariser": "../up"}, "regulariser='../up'"),
        ({"study": "a/b"}, "study=a/b"),
        ({"options": {"lr": 1}}, "such as optimiser.lr"),
        ({"options": {"train.epochs": 1}}, "an argument of its own"),
        ({"options": {"train.loop": "x"}}, "an argument of its own"),
        ({"options": {"optimiser.lr": math.nan}}, "not finite"),
        ({"options": {"optimiser.lr": object()}}, "type object"),
        ({"options": {"data.a b": 1}}, "such as optimiser.lr"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(
    wrong: dict[str, Any], words: str
) -> None:
    with (
        pytest.raises(ConfigError, match=words.replace(".", r"\.")),
        dropexp.record(**ask(**wrong)),
    ):
        pass
    assert not Path("runs").exists()


def make_audit(passed: bool) -> Any:
    return SimpleNamespace(
        passed=passed,
        to_json=lambda: {"passed": passed, "checks": []},
        summarise=lambda: "drop_rate",
    )


def test_an_audit_is_kept_and_a_failed_one_refused() -> None:
    run = record(audit=make_audit(True))
    (listed,) = list_runs(Path("runs"))
    assert listed.is_proven
    assert json.loads((run.folder / "audit.json").read_text())["passed"]
    with pytest.raises(AuditError, match="drop_rate"):
        record(seed=1, audit=make_audit(False))


# --- comparing ------------------------------------------------------------------------------------


@pytest.fixture
def recorded(folder: Path) -> Path:
    """Six pairs in which dropout is better, asked for one after the other."""
    for seed in range(6):
        for regulariser, p, gain in (("none", 0.0, 0.0), ("dropout", 0.5, 0.3 + seed / 1000)):
            losses = [loss + seed / 100 - gain for loss in LOSSES]
            record(losses, test=losses[1], seed=seed, regulariser=regulariser, p=p, study="mine")
    return folder


def test_recorded_runs_are_compared_and_what_they_lack_is_said(
    recorded: Path, dropexp: Dropexp
) -> None:
    printed = dropexp("compare", "study=mine").stdout
    assert "better" in printed
    assert "12 runs of your own loop have no audit" in printed
    assert "11 runs were asked for after others had ended" in printed
    done = dropexp("report", "study=mine")
    assert done.returncode == 0
    assert done.stdout.startswith("On cats, dropout at p = 0.5 lowers the test loss by 0.30")
    shown = dropexp("runs", "show", "none-p0-s0").stdout
    assert "train.loop" in shown
    assert dropexp("runs", "check").stdout.startswith("12 runs checked: 12 whole")


def test_curves_and_charts_of_recorded_runs_can_be_drawn(recorded: Path, dropexp: Dropexp) -> None:
    assert dropexp("compare", "--plot", "x.svg", "--chart", "curves").returncode == 0
    assert "dropout p=0.5" in (recorded / "x.svg").read_text()


def test_what_was_not_recorded_cannot_be_compared(recorded: Path, dropexp: Dropexp) -> None:
    last = dropexp("compare", "--metric", "test_acc", "--at", "last")
    assert (last.returncode, "was not recorded" in last.stderr) == (2, True)
    matched = dropexp("compare", "--at", "matched")
    assert (matched.returncode, "--metric val_loss" in matched.stderr) == (2, True)
    assert dropexp("compare", "--at", "matched", "--metric", "val_loss").returncode == 0


def test_without_test_results_the_table_says_what_to_type(folder: Path, dropexp: Dropexp) -> None:
    record()
    record(regulariser="dropout", p=0.1)
    done = dropexp("compare")
    assert done.returncode == 2
    assert "--metric test_loss was not recorded" in done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # means of what was never measured
        assert dropexp("compare", "--metric", "val_loss").returncode == 0
