"""`dropexp tune` as its user meets it: the real command in an empty folder."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import pytest

from dropexp.runs.ledger import Purpose, read_ledger
from dropexp.runs.searches import read_search
from dropexp.sweep.tuning.space import parse_request
from tests.conftest import Dropexp, run_dropexp
from tests.processes import PLAIN_OUTPUT, list_processes, start_dropexp, wait_until

TINY = ("data.train_size=100", "train.epochs=2", "model.width=4")
TUNE = ("tune", "regulariser=dropout2d", *TINY, "study=mine", "--budget", "12runs")
SMALL = ("tune", "regulariser=dropout2d,cutout", "p=0.1,0.2,0.3", *TINY, "--budget", "27runs")


def list_runs(folder: Path) -> dict[str, int]:
    """Every finished run with the time at which it ended."""
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in (folder / "runs").glob("*/summary.json")
    }


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> "tuple[str, Path]":
    """TUNE in a folder and a process of its own: its output and the folder."""
    folder = tmp_path_factory.mktemp("tuned")
    done = subprocess.run(
        [sys.executable, "-m", "dropexp", *TUNE],
        cwd=folder,
        env=os.environ | PLAIN_OUTPUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, folder


def test_a_search_ends_with_an_answer_what_was_tried_its_cost_and_the_next_command(
    tuned: "tuple[str, Path]",
) -> None:
    output, folder = tuned
    assert "dropout2d; p from 0.05 to 0.7" in output
    assert "tried (exploration, no test)" in output
    assert re.search(r"dropout2d p=0\.16 +2 +[+-]0\.\d{3}", output)
    assert re.search(r"cost: \d+ runs?, 8 for choosing and \d+ for confirming", output)
    assert "dropexp compare study=mine" in output
    assert len(list_runs(folder)) <= 12


def test_the_runs_are_ordinary_and_the_ledger_says_why_they_were_asked_for(
    tuned: "tuple[str, Path]",
) -> None:
    folder = tuned[1] / "runs"
    ledger = read_ledger(folder)
    asked = {run_id: ledger.asked(run_id) for run_id in list_runs(tuned[1])}
    assert {request and request.study for request in asked.values()} == {"mine"}
    seeds = {
        purpose: {
            int(run_id.split("-s")[1].split("-")[0])
            for run_id, request in asked.items()
            if request and request.purpose is purpose
        }
        for purpose in Purpose
    }
    assert seeds[Purpose.SEARCH] == {0, 1}
    assert min(seeds[Purpose.CONFIRMATION], default=1000) == 1000
    study = json.loads((folder / ".studies" / "mine.json").read_text())
    assert {member["run_id"] for member in study["members"]} == set(asked)


def test_the_same_command_trains_nothing_again_and_says_the_same(
    tuned: "tuple[str, Path]",
) -> None:
    output, folder = tuned
    checkpoint = next((folder / "runs").glob("*/summary.json")).with_name("checkpoint.pt")
    checkpoint.touch()  # as a crash leaves it
    before = list_runs(folder)
    done = run_dropexp(folder, *TUNE)
    assert list_runs(folder) == before
    assert not checkpoint.exists()
    assert "(none trained now)" in done.stdout
    answers = [text.split("cost:")[0] for text in (output, done.stdout)]
    assert answers[0] == answers[1]


def test_a_report_names_the_command_and_has_the_search_and_extend_refuses_it(
    tuned: "tuple[str, Path]",
) -> None:
    folder = tuned[1]
    assert run_dropexp(folder, "report", "study=mine", "-o", "page.html").returncode == 0
    page = (folder / "page.html").read_text()
    command = f"dropexp tune regulariser=dropout2d {' '.join(TINY)} &#39;p=interval(0.05,0.7)&#39;"
    assert f"{command} study=mine --budget 12runs" in page
    assert "Search and confirmation" in page
    assert "Tried: dropout2d" in page
    done = run_dropexp(folder, "extend", "mine", "--seeds", "+2")
    assert done.returncode == 2
    assert "mine is a search" in done.stderr
    assert "--budget 24runs" in done.stderr  # the old one would train nothing


def read_tried(folder: Path) -> object:
    """What the one search below a folder has tried, in order."""
    (file,) = (folder / "runs" / ".studies").glob("*.tune.json")
    return json.loads(file.read_text())["tried"]


def assert_kills_change_nothing(
    command: Sequence[str], whole: Path, killed: Path, counts: Sequence[int]
) -> None:
    """Kill a search at these counts of finished runs; then it ends as the one in ``whole``."""
    for count in counts:
        process = start_dropexp(killed, *command)
        wait_until(lambda least=count: len(list_runs(killed)) >= least)  # type: ignore[misc]
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        wait_until(lambda pid=process.pid: not list_processes(pid))  # type: ignore[misc]
    before = list_runs(killed)
    done = run_dropexp(killed, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    after = list_runs(killed)
    assert after.keys() == list_runs(whole).keys()
    assert {run: after[run] for run in before} == before
    assert read_tried(killed) == read_tried(whole)


@pytest.mark.slow
def test_a_search_that_is_killed_resumes_to_the_same_end_and_trains_nothing_twice(
    tuned: "tuple[str, Path]", tmp_path: Path
) -> None:
    assert_kills_change_nothing(TUNE, tuned[1], tmp_path, (5,))


@pytest.mark.slow
def test_a_search_that_is_killed_while_choosing_and_while_confirming_resumes_to_the_same_end(
    tmp_path: Path,
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    assert run_dropexp(whole, *SMALL).returncode == 0
    assert_kills_change_nothing(SMALL, whole, killed, (3, 13))


@pytest.mark.slow
def test_ctrl_c_stops_a_search_and_says_how_to_resume(tmp_path: Path) -> None:
    process = start_dropexp(tmp_path, *SMALL)
    wait_until(lambda: len(list_runs(tmp_path)) >= 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == "stopped; the same command resumes the search"


def test_another_space_of_the_same_name_is_refused(
    tuned: "tuple[str, Path]",
) -> None:
    done = run_dropexp(tuned[1], *TUNE, "p=interval(0.1,0.2)")
    assert done.returncode == 2
    assert "study=mine" in done.stderr
    assert "is a search of another space" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tune", "--budget", "lots"), "--budget lots is not a budget"),
        (("tune", "--budget", "5runs"), "--budget 5runs is too small for this space"),
        (("tune", "--confirm", "all"), "--confirm all is not known"),
        (("tune", "regulariser=cutout", "p=0.3"), "nothing to choose"),
        (("tune", "--seeds=3"), "--seeds=3 is not an option of this command"),
        (("train", "p=interval(0,1)"), "is an interval, from which dropexp tune chooses"),
        (("sweep", "p=interval(0,1)"), "is an interval, from which dropexp tune chooses"),
    ],
)
def test_wrong_input_is_one_sentence(
    dropexp: Dropexp, arguments: tuple[str, ...], message: str
) -> None:
    done = dropexp(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_help_names_the_regularisers_that_are_tried_by_default(dropexp: Dropexp) -> None:
    shown = " ".join(dropexp("tune", "--help").stdout.split())
    *first, last = parse_request([]).space.branches
    assert f"Defaults: regularisers {', '.join(first)} and {last}, p=interval(0.05,0.7)" in shown


def test_without_optuna_it_says_how_to_install_it(dropexp: Dropexp) -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        done = dropexp("tune")
    assert done.returncode == 2
    assert "pip install 'dropexp[tune]'" in done.stderr


@pytest.mark.slow
def test_a_budget_of_time_ends_a_search_and_the_same_command_ends_it_there_again(
    tmp_path: Path,
) -> None:
    command = ("tune", "regulariser=dropout2d", *TINY, "study=timed", "--budget", "1s")
    assert run_dropexp(tmp_path, *command).returncode == 0
    record = read_search(tmp_path / "runs", "timed")
    assert record is not None
    assert record.budget == "1 s"
    assert record.batches is not None
    assert record.seconds >= 2 / 3
    before = list_runs(tmp_path)
    assert "(none trained now)" in run_dropexp(tmp_path, *command).stdout
    assert list_runs(tmp_path) == before
    again = read_search(tmp_path / "runs", "timed")
    assert again is not None
    assert (again.tried, again.batches) == (record.tried, record.batches)


@pytest.mark.slow
def test_each_regulariser_can_be_confirmed(tmp_path: Path) -> None:

    words = ("regulariser=dropout2d,cutout", "p=0.1,0.2", *TINY, "--confirm", "each")
    done = run_dropexp(tmp_path, "tune", *words, "--budget", "40runs")
    assert done.returncode == 0, done.stdout + done.stderr
    record = read_search(tmp_path / "runs", next(iter(find_searches(tmp_path))))
    assert record is not None
    assert record.confirm == "each"
    better = {
        one.regulariser
        for one in record.tried
        if one.is_complete and sum(v or 0.0 for v in one.differences.values()) < 0
    }
    assert better <= {one.regulariser for one in record.confirmed} <= {"dropout2d", "cutout"}


def find_searches(folder: Path) -> list[str]:
    files = (folder / "runs" / ".studies").glob("*.tune.json")
    return [path.name.removesuffix(".tune.json") for path in files]
