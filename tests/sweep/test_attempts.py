"""Which training a folder holds is told by tokens: clocks that disagree change nothing."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dropexp.errors import RunsDirError
from dropexp.runs.attempts import Attempt, has_ended_since, make_attempt, read_attempt
from dropexp.runs.files import ENVIRONMENT
from dropexp.runs.write import RunFolder
from dropexp.sweep.conduct import SweepResult, sweep
from dropexp.sweep.grammar import SweepRequest, compose_sweep
from dropexp.sweep.plan import make_plan
from dropexp.sweep.progress import Progress
from dropexp.sweep.sweep_dirs import BREAKDOWN_FILE, list_living_sweeps, open_sweep_dir
from tests.conftest import QUICK, Dropexp
from tests.run_folders import write_finished_run


class SilentView:
    """A SweepView that shows nothing."""

    def begin(self, progress: Progress) -> None: ...

    def report_progress(self, progress: Progress) -> None: ...

    def note(self, message: str) -> None: ...


def move_clock(folder: Path, seconds: float) -> None:
    """Set the times of all files as a machine with another clock would have."""
    moment = time.time() + seconds
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))


def read_tokens(runs: Path) -> set[str]:
    return {json.loads(path.read_text())["attempt"] for path in runs.glob("*/environment.json")}


@pytest.mark.parametrize("hours", [2, pytest.param(-2, marks=pytest.mark.slow)])
def test_sweeps_do_what_they_say_whatever_the_times_of_the_files(
    dropexp: Dropexp, tmp_path: Path, hours: int
) -> None:
    words = ("sweep", "regulariser=dropout", "p=0.3", "seed=0,1", *QUICK)
    runs = tmp_path / "runs"
    assert "2 trained" in dropexp(*words).stdout
    first = read_tokens(runs)

    move_clock(runs, 3600 * hours)
    again = dropexp(*words, "force=true")
    assert "2 of 2 runs done, 2 trained" in again.stdout, again.stdout + again.stderr
    second = read_tokens(runs)
    assert len(first | second) == 4, "each training has a token of its own"

    failed = next(runs.glob("*-s0-*"))
    (failed / "summary.json").unlink()
    (failed / "error.txt").write_text("ValueError: why\n")
    move_clock(runs, 3600 * hours)
    assert "1 failed" in dropexp(*words).stdout
    retried = dropexp(*words, "--retry-failed")
    assert "2 of 2 runs done, 1 trained" in retried.stdout, retried.stdout + retried.stderr

    move_clock(runs, 3600 * hours)
    measured = dropexp(*words, "mc_dropout=2")
    assert "none trained, 2 measured" in measured.stdout, measured.stdout + measured.stderr


def three_at_once(request: SweepRequest, runs_dir: Path) -> list[SweepResult]:
    """Conduct a sweep three times at once; all plan before the first trains."""
    plans = [make_plan(request.configs, runs_dir) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        return list(threads.map(lambda plan: sweep(request, plan, SilentView()), plans))


def compose(tmp_path: Path, *overrides: str) -> SweepRequest:
    grid = ("seed=0,1", f"runs_dir={tmp_path}", "hydra.launcher.n_jobs=1")
    return compose_sweep([*grid, *QUICK, *overrides])


def assert_shared(results: Sequence[SweepResult], runs: int) -> None:
    assert sum(result.trained for result in results) == runs, [r.trained for r in results]
    assert all(result.progress.num_successful == runs for result in results)
    assert len({result.progress.best for result in results}) == 1
    assert not any(result.progress.unsuccessful for result in results)


def test_three_coordinators_each_count_what_they_have_trained(tmp_path: Path) -> None:
    assert_shared(three_at_once(compose(tmp_path), tmp_path), runs=2)
    before = read_tokens(tmp_path)
    assert_shared(three_at_once(compose(tmp_path, "force=true"), tmp_path), runs=2)
    assert not before & read_tokens(tmp_path), "each was trained again, once"


@pytest.mark.slow
@pytest.mark.parametrize("force", ["false", "true"])
def test_three_commands_at_once_share_the_runs(tmp_path: Path, force: str) -> None:
    words = ("regulariser=none,dropout2d", "p=0.3", "seed=range(4)", *QUICK, "train.epochs=20")
    command = [sys.executable, "-m", "dropexp", "sweep", *words]
    if force == "true":
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        command.append("force=true")
    before = read_tokens(tmp_path / "runs")
    processes = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    ends = [re.search(r"finished: 8 of 8 runs done, (\w+) trained", text) for text in outputs]
    trained = [0 if end and end[1] == "none" else int(end[1]) if end else -1 for end in ends]
    assert sum(trained) == 8, outputs
    assert len({text[text.index("lowest validation loss") :] for text in outputs}) == 1
    assert not before & read_tokens(tmp_path / "runs")


def held(tmp_path: Path, **environment: object) -> RunFolder:
    folder = RunFolder(tmp_path, "x")
    folder.path.mkdir(exist_ok=True)
    folder.write_json(ENVIRONMENT, environment)
    return folder


def test_an_end_counts_once_it_is_another_than_the_stale_one(tmp_path: Path) -> None:
    folder = held(tmp_path, **make_attempt("a sweep"))
    assert not has_ended_since(folder, None), "it has not ended"
    folder.write("error.txt", "why\n")
    stale = read_attempt(folder)
    assert has_ended_since(folder, None)
    assert not has_ended_since(folder, stale)
    held(tmp_path, **make_attempt("a sweep"))
    assert has_ended_since(folder, stale), "it has failed again, in the same words"
    folder.write("summary.json", '{"mc_dropout": null}')
    finished = read_attempt(folder)
    folder.write("summary.json", '{"mc_dropout": {}}')
    assert has_ended_since(folder, finished), "it was measured"
    assert not has_ended_since(folder, finished.without_end()), "it was not trained again"


def test_a_folder_of_an_older_version_has_no_token(tmp_path: Path) -> None:
    folder = held(tmp_path, python="3.12")
    assert read_attempt(folder) == Attempt("", "", "")
    folder.write("summary.json", "{}")
    stale = read_attempt(folder).without_end()
    assert not has_ended_since(folder, stale)
    held(tmp_path, **make_attempt(""))
    assert has_ended_since(folder, stale)


def test_a_pipe_in_the_place_of_a_summary_is_no_end(tmp_path: Path) -> None:
    folder = held(tmp_path, **make_attempt(""))
    os.mkfifo(folder.path / "summary.json")
    assert read_attempt(folder).end == ""


def test_what_a_living_sweep_has_trained_is_not_forced_again(tmp_path: Path) -> None:
    request = compose(tmp_path, "force=true")
    with open_sweep_dir(tmp_path) as sweep_dir:
        assert list_living_sweeps(tmp_path) == {sweep_dir.name}
        for config, token in zip(request.configs, (sweep_dir.name, "ended"), strict=True):
            folder = RunFolder(tmp_path, config.run_id)
            folder.path.mkdir()
            folder.write_json(ENVIRONMENT, make_attempt(token))
        first, second = request.configs
        assert make_plan(request.configs, tmp_path).stale.keys() == {second.run_id}
    assert list_living_sweeps(tmp_path) == frozenset()
    assert make_plan([first], tmp_path).stale.keys() == {first.run_id}


def test_a_sweep_tidies_what_dead_ones_have_left(tmp_path: Path) -> None:
    abandoned = tmp_path / ".sweeps" / "abandoned"
    abandoned.mkdir(parents=True)
    (abandoned / "none-p0-s0-01234567.out").touch()
    (abandoned / "alive.lock").touch()
    (tmp_path / BREAKDOWN_FILE).touch()
    with open_sweep_dir(tmp_path) as first, open_sweep_dir(tmp_path) as second:
        assert first.is_dir(), "a living one is left alone"
        assert {path.name for path in abandoned.parent.glob("[!.]*")} == {first.name, second.name}
        assert not (tmp_path / BREAKDOWN_FILE).exists()
    assert not list(abandoned.parent.glob("[!.]*"))


def test_the_longest_runs_of_a_seed_are_launched_first(tmp_path: Path) -> None:
    words = ["regulariser=none,dropout2d", "p=0.3", "train.epochs=2,9", "seed=0,1"]
    configs = compose_sweep([*words, f"runs_dir={tmp_path}"]).configs
    chosen = make_plan(configs, tmp_path).select_to_launch(retry_failed=False)
    found = [(one.seed, one.train.epochs, one.regulariser.name) for one in chosen]
    of_a_seed = [(9, "dropout2d"), (9, "none"), (2, "dropout2d"), (2, "none")]
    assert found == [(seed, *each) for seed in (0, 1) for each in of_a_seed]


def test_a_run_whose_folder_is_a_link_is_not_planned(tmp_path: Path) -> None:
    request = compose_sweep(["regulariser=none", "seed=0"])
    real = write_finished_run(tmp_path / "other", 0.5)
    (run,) = request.configs
    (tmp_path / run.run_id).symlink_to(real.path)
    with pytest.raises(RunsDirError, match="is a link"):
        make_plan(request.configs, tmp_path)
