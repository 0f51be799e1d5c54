"""Launching again what was lost, and never without an end, whatever an engine does."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dropexp.config.compose import to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.errors import RunError
from dropexp.runs.write import FolderStatus, RunFolder
from dropexp.sweep.rounds import Rounds
from dropexp.sweep.worker import Ending, Outcome, Request
from tests.builders import compose_tiny

CONFIGS = [compose_tiny(f"seed={seed}") for seed in range(3)]
POISONED = CONFIGS[1].run_id


class Engine:
    """Does jobs by a function of the request and of how often this run was launched before."""

    name = "made-up"
    has_child_workers = False

    def __init__(
        self, job: Callable[[Request, int], Outcome], batch_size: int | None = None
    ) -> None:
        self._job = job
        self.batch_size = batch_size
        self.launched: list[str] = []

    def launch(self, requests: Sequence[Request]) -> list[Outcome]:
        outcomes = []
        for request in requests:
            before = self.launched.count(request.run_id)
            self.launched.append(request.run_id)
            outcomes.append(self._job(request, before))
        return outcomes


def finish(request: Request) -> Outcome:
    folder = RunFolder(Path(request.runs_dir), request.run_id)
    folder.path.mkdir(exist_ok=True)
    folder.write("summary.json", "{}")
    return Outcome(request.run_id, Ending.FINISHED)


def rounds_of(
    tmp_path: Path, engine: Engine, configs: Sequence[RunConfig] = tuple(CONFIGS)
) -> Rounds:
    sweep_dir = tmp_path / ".sweeps" / "x"
    sweep_dir.mkdir(parents=True)
    return Rounds(engine, configs, tmp_path, sweep_dir, ())  # type: ignore[arg-type]


def to_the_end(rounds: Rounds) -> Rounds:
    rounds.start()
    assert rounds.wait(30), "it goes on without an end"
    return rounds


def test_every_run_is_launched_once_where_all_goes_well(tmp_path: Path) -> None:
    engine = Engine(lambda request, _: finish(request))
    to_the_end(rounds_of(tmp_path, engine)).raise_error()
    assert engine.launched == [config.run_id for config in CONFIGS]


def test_a_run_that_is_killed_each_time_is_given_up(tmp_path: Path) -> None:
    def job(request: Request, _: int) -> Outcome:
        if request.run_id == POISONED:
            return Outcome(request.run_id, Ending.KILLED, "its process was ended by SIGKILL")
        return finish(request)

    engine = Engine(job)
    rounds = to_the_end(rounds_of(tmp_path, engine))
    assert engine.launched.count(POISONED) == 3
    assert len(engine.launched) == 5
    error = "launched 3 times, and each time its process was ended by SIGKILL"
    assert rounds.failures == {POISONED: error}
    assert RunFolder(tmp_path, POISONED).read_error() == error


def test_a_run_that_is_killed_once_is_launched_again(tmp_path: Path) -> None:
    engine = Engine(
        lambda request, before: (
            Outcome(request.run_id, Ending.KILLED)
            if request.run_id == POISONED and before == 0
            else finish(request)
        )
    )
    assert to_the_end(rounds_of(tmp_path, engine)).failures == {}
    assert engine.launched.count(POISONED) == 2


def test_a_failure_that_cannot_be_written_down_is_told_all_the_same(tmp_path: Path) -> None:
    """As on a full disk."""
    engine = Engine(lambda request, _: Outcome(request.run_id, Ending.FAILED, "the disk is full"))
    rounds = to_the_end(rounds_of(tmp_path, engine))
    assert len(engine.launched) == 3
    assert set(rounds.failures.values()) == {"the disk is full"}
    assert list(tmp_path.glob("*-s*")) == []


def test_a_run_that_another_process_trains_is_asked_for_until_it_is_done(tmp_path: Path) -> None:
    engine = Engine(
        lambda request, before: (
            finish(request) if before == 4 else Outcome(request.run_id, Ending.BUSY)
        )
    )
    to_the_end(rounds_of(tmp_path, engine)).raise_error()
    assert len(engine.launched) == 3 * 5


def test_an_engine_that_breaks_down_goes_on_with_what_is_left(tmp_path: Path) -> None:
    def job(request: Request, before: int) -> Outcome:
        if request.run_id == POISONED and before == 0:
            raise OSError("a worker was lost")
        return finish(request)

    engine = Engine(job)
    to_the_end(rounds_of(tmp_path, engine)).raise_error()
    assert engine.launched == [CONFIGS[0].run_id, POISONED, POISONED, CONFIGS[2].run_id]


def test_an_engine_that_only_breaks_down_is_left(tmp_path: Path) -> None:
    def job(request: Request, before: int) -> Outcome:
        raise OSError("no such cluster")

    rounds = to_the_end(rounds_of(tmp_path, Engine(job)))
    with pytest.raises(RunError, match=r"broke down 3 times in a row.*no such cluster"):
        rounds.raise_error()
    assert "Traceback" in (tmp_path / ".launcher-error.txt").read_text()


def test_after_stop_nothing_more_is_launched(tmp_path: Path) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def job(request: Request, before: int) -> Outcome:
        begun.set()
        stopped.wait(10)
        return Outcome(request.run_id, Ending.STOPPED)

    engine = Engine(job, batch_size=1)
    rounds = rounds_of(tmp_path, engine)
    rounds.start()
    begun.wait(10)
    rounds.stop()
    stopped.set()
    assert rounds.wait(10)
    assert len(engine.launched) == 1


def test_files_that_a_worker_gives_back_become_the_folder(tmp_path: Path) -> None:
    files = {"summary.json": b"{}", "config.yaml": b"p: 0\n"}
    engine = Engine(lambda request, _: Outcome(request.run_id, Ending.FINISHED, files=files))
    to_the_end(rounds_of(tmp_path, engine)).raise_error()
    assert RunFolder(tmp_path, POISONED).read_files() == files


def test_a_killed_worker_that_shares_no_store_costs_nothing_that_is_there(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, POISONED)
    folder.path.mkdir()
    folder.write("config.yaml", to_yaml(CONFIGS[1]))
    folder.write("checkpoint.pt", b"weights")

    def job(request: Request, before: int) -> Outcome:
        if request.run_id == POISONED and before == 0:
            return Outcome(request.run_id, Ending.KILLED, files={})
        assert request.run_id != POISONED or (folder.path / "checkpoint.pt").exists()
        return finish(request)

    assert to_the_end(rounds_of(tmp_path, Engine(job))).failures == {}
    assert folder.status is FolderStatus.FINISHED


def test_a_forced_run_is_forced_once(tmp_path: Path) -> None:
    forced = []

    def job(request: Request, before: int) -> Outcome:
        forced.append(request.config["force"])
        if before == 0:
            RunFolder(tmp_path, request.run_id).write("config.yaml", "begun")
            return Outcome(request.run_id, Ending.KILLED)
        return finish(request)

    config = compose_tiny("force=true")
    folder = RunFolder(tmp_path, config.run_id)
    folder.path.mkdir()
    finish(Request({}, config.run_id, str(tmp_path), "", "", 0.0, None))
    rounds = rounds_of(tmp_path, Engine(job), [config])
    to_the_end(rounds)
    assert forced == [True, False]
