"""`dropexp runs check` as its user meets it."""

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropexp.runs.files import CONFIG, METRICS
from tests.conftest import QUICK, Dropexp
from tests.run_folders import write_finished_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    for seed in range(3):
        write_finished_run(folder, 1.0, f"seed={seed}")
    return folder


def find(runs: Path, seed: int) -> Path:
    (found,) = runs.glob(f"none-p0-s{seed}-*")
    return found


def test_damage_is_named_repaired_and_then_gone(dropexp: Dropexp, runs: Path) -> None:
    done = dropexp("runs", "check")
    assert (done.returncode, done.stdout) == (0, "3 runs checked: 3 whole\n")
    (find(runs, 0) / CONFIG).write_bytes(b"")
    metrics = find(runs, 1) / METRICS
    metrics.write_text(metrics.read_text().replace("0.9", "0.8", 1))
    (find(runs, 2) / ".summary.json.part").touch()
    done = dropexp("runs", "check")
    assert done.returncode == 1
    for words in (
        "config.yaml is empty",
        "metrics.csv does not agree with its checksum",
        "left over: .summary.json.part",
        "--repair rebuilds it from a run of another seed, or sets the run aside; the command that",
        "--repair sets the run aside; the command that trained it trains it again",
        "3 runs checked: 1 with leftovers, 2 damaged",
    ):
        assert words in done.stdout
    assert "1 run checked: 1 with leftovers" in dropexp("runs", "check", "seed=2").stdout
    rows = json.loads(dropexp("runs", "check", "-f", "json").stdout)
    assert [row["condition"] for row in rows] == ["damaged", "damaged", "leftovers"]

    done = dropexp("runs", "check", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (
        "config.yaml rebuilt",
        "leftovers removed",
        "3 runs checked: 1 tidied, 1 rebuilt, 1 set aside in runs/.set-aside\n",
        "\nnext    dropexp train seed=1",
    ):
        assert words in done.stdout
    done = dropexp("runs", "check")
    assert (done.returncode, done.stdout) == (0, "3 runs checked: 2 whole, 1 unfinished\n")


def test_a_damaged_study_file_is_set_aside(dropexp: Dropexp, runs: Path) -> None:
    (runs / ".studies").mkdir()
    (runs / ".studies" / "mine.json").write_bytes(b"")
    (runs / ".studies" / ".mine.json.part").touch()
    theirs = [runs / ".studies" / "thesis.part", find(runs, 0) / ".thesis.docx.part"]
    for path in theirs:
        path.touch()
    done = dropexp("runs", "check", "-f", "json")
    assert done.returncode == 1
    assert "mine.json" in done.stderr
    assert len(json.loads(done.stdout)) == 3
    done = dropexp("runs", "check")
    assert done.returncode == 1
    assert "mine.json cannot be read" in done.stdout
    assert dropexp("runs", "check", "--repair").returncode == 0
    assert [path.name for path in (runs / ".studies").iterdir()] == ["thesis.part"]
    assert all(path.exists() for path in theirs)
    assert (runs / ".set-aside" / "mine.json").exists()


def test_the_same_command_trains_a_run_again_that_is_not_whole(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    command = ("train", *QUICK)
    assert dropexp(*command).returncode == 0
    (run,) = (tmp_path / "runs").glob("none-*")
    expected = (run / "model.safetensors").read_bytes()
    (run / ".metrics.csv.part").touch()
    (run / "checkpoint.pt").touch()
    done = dropexp(*command)
    assert "was not trained again" in done.stdout
    assert not (run / ".metrics.csv.part").exists()
    assert not (run / "checkpoint.pt").exists()
    for name in (CONFIG, "summary.json", "model.safetensors"):
        (run / name).write_bytes(b"")
        if name != "model.safetensors":  # which no list reads
            assert "damaged" in dropexp("runs").stdout
        done = dropexp(*command)
        assert done.returncode == 0, done.stderr
        assert "is not whole" in done.stdout + done.stderr
        assert (run / "model.safetensors").read_bytes() == expected
        assert dropexp("runs", "check").stdout == "1 run checked: 1 whole\n"
    (run / "checkpoint.pt").touch()
    sweep = dropexp("sweep", *QUICK)
    assert "none trained" in sweep.stdout
    assert not (run / "checkpoint.pt").exists()
    (run / CONFIG).write_bytes(b"")
    sweep = dropexp("sweep", *QUICK, "--dry-run")
    assert "1 damaged and trained again" in sweep.stdout


def forbid(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder one that this user may not list, which root may always."""
    iterdir, scandir = Path.iterdir, os.scandir

    def refuse(path: Path) -> None:
        if path.resolve() == folder.resolve():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def list_names(self: Path) -> Iterator[Path]:
        refuse(self)
        return iterdir(self)

    def scan(path: str) -> "os._ScandirIterator[str]":
        refuse(Path(path))
        return scandir(path)

    monkeypatch.setattr(Path, "iterdir", list_names)
    monkeypatch.setattr(os, "scandir", scan)


def test_a_folder_that_may_not_be_read_costs_the_others_nothing(
    dropexp: Dropexp, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = find(runs, 1)
    (folder / CONFIG).write_bytes(b"")
    forbid(monkeypatch, folder)
    done = dropexp("runs", "check")
    assert done.returncode == 1
    assert "the folder cannot be read (Permission denied)" in done.stdout
    assert "3 runs checked: 2 whole, 1 damaged" in done.stdout
    done = dropexp("runs", "rm", "-y", "status=damaged")
    assert done.returncode == 1
    assert "cannot be read: Permission denied; it is not removed" in " ".join(done.stderr.split())


def test_a_store_that_may_not_be_read_gets_a_sentence(
    dropexp: Dropexp, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, runs)
    for command in (("runs",), ("compare",), ("runs", "check"), ("runs", "rm", "-y", "seed=1")):
        done = dropexp(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "error: runs cannot be read or written: Permission denied.\n"
