"""Many configs minus the finished ones -> a launcher, until every run has come to its end."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Protocol

from filelock import FileLock, Timeout

from dropexp.config.run_config import RunConfig
from dropexp.runs import studies
from dropexp.runs.studies import StudyRun
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.launchers import Engine, check, cores
from dropexp.sweep.plan import Plan, runs_dir_of, study_of
from dropexp.sweep.progress import Ended, Progress, Watcher
from dropexp.sweep.rounds import Rounds

_SWEEPS = ".sweeps"
_ALIVE = "alive.lock"  # held as long as the sweep goes on
_SECONDS_BETWEEN_LOOKS = 0.5
_CUDA_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
"""On Linux and under Windows' Linux. Where neither is, importing torch to ask is a waste of 1 s."""


class SweepView(Protocol):
    """Whoever watches a sweep."""

    def begins(self, progress: Progress) -> None:
        """The state of all runs before anything is launched."""

    def progress(self, progress: Progress) -> None:
        """The state of all runs, twice a second."""

    def note(self, message: str) -> None:
        """Something worth knowing."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep came to.

    ``progress`` counts what failed without a trace in the store, too.
    """

    progress: Progress
    trained: int  # runs that have come to their end in this sweep
    measured: int  # runs that were finished, and have been measured again in it
    seconds: float
    is_interrupted: bool  # by Ctrl-C, before every run had come to its end


def sweep(
    request: SweepRequest,
    plan: Plan,
    view: SweepView,
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
) -> SweepResult:
    """Launch what is left to do, and wait for it.

    A run that fails, diverges or is killed never harms the others.

    Args:
        request: what was asked for.
        plan: of its configs, by plan_of.
        view: is told how far it is.
        retry_failed: launch failed runs too.
        fail_fast: stop at the first run that fails or diverges.

    Raises:
        UserError: the launcher is not there, or the folder cannot be written.
        RunError: the engine breaks down again and again.
        KeyboardInterrupt: a second Ctrl-C; runs lose what they have trained since their last
            checkpoint.
    """
    started = time.monotonic()
    runs_dir = runs_dir_of(request.configs)
    todo = plan.to_launch(retry_failed=retry_failed)
    if check(request.launcher) == "joblib":
        _refuse_devices_that_are_not_there(todo)
    with _folder_of_the_sweep(runs_dir) as sweep_dir:
        engine = Engine(request.launcher, sweep_dir, slots(todo))
        study = study_of(request)
        studies.save_study(runs_dir, study)
        rounds = Rounds(engine, todo, runs_dir, sweep_dir, _cuda_devices(todo))
        watcher = Watcher(
            runs_dir,
            study.runs,
            engine.runs_at_a_time,
            {config.run_id for config in todo},
            rounds.began_at,
        )
        before = watcher.look()
        view.begins(before)
        rounds.start()
        try:
            is_interrupted = _watch(rounds, watcher, view, fail_fast=fail_fast)
        finally:
            engine.close()
        rounds.raise_error()
        progress = _with_failures(watcher.look(), rounds.failures, study.runs)
    view.progress(progress)
    known = {one.run.run_id for one in before.ended}
    fresh = [one for one in progress.ended if one.run.run_id not in known]
    finished_before = {config.run_id for config in plan.unmeasured}
    trained = sum(one.run.run_id not in finished_before for one in fresh)
    measured = sum(one.run.run_id in finished_before and one.summary is not None for one in fresh)
    is_interrupted = is_interrupted and len(progress.ended) < progress.total
    seconds = time.monotonic() - started
    return SweepResult(progress, trained, measured, seconds, is_interrupted)


def _watch(rounds: Rounds, watcher: Watcher, view: SweepView, *, fail_fast: bool) -> bool:
    """Tell the view how far it is until the end; whether that was by Ctrl-C."""
    has_ended = is_interrupted = False
    known = len(watcher.look().unsound)
    while not has_ended:
        try:
            has_ended = rounds.wait(_SECONDS_BETWEEN_LOOKS)
            progress = watcher.look()
            view.progress(progress)
            fresh = progress.unsound[known:]
            if fail_fast and (fresh or rounds.failures) and not rounds.is_stopped:
                view.note("stopping at the first failure, as --fail-fast was given")
                rounds.stop()
        except KeyboardInterrupt:
            if is_interrupted:
                raise
            is_interrupted = True
            rounds.stop()
            view.note("stopping: nearly finished runs end, others save their state (Ctrl-C: now)")
    return is_interrupted


def _with_failures(
    progress: Progress, failures: Mapping[str, str], runs: Sequence[StudyRun]
) -> Progress:
    """The progress with the failures that could not be written into their folders."""
    known = {one.run.run_id for one in progress.ended}
    untold = [Ended(run, None, failures[run.run_id]) for run in runs if run.run_id in failures]
    fresh = tuple(one for one in untold if one.run.run_id not in known)
    return replace(progress, ended=(*progress.ended, *fresh))


@contextmanager
def _folder_of_the_sweep(runs_dir: Path) -> Iterator[Path]:
    """Where this sweep and its workers leave each other signs; gone when the sweep is over."""
    sweeps = runs_dir / _SWEEPS
    for left_behind in sweeps.iterdir() if sweeps.is_dir() else ():
        with suppress(Timeout, OSError), FileLock(left_behind / _ALIVE, timeout=0):
            rmtree(left_behind, ignore_errors=True)
    path = sweeps / uuid.uuid4().hex[:12]
    path.mkdir(parents=True)
    with FileLock(path / _ALIVE):
        try:
            yield path
        finally:
            rmtree(path, ignore_errors=True)


def slots(configs: Sequence[RunConfig]) -> int:
    """How many runs this machine should train at a time.

    One on each CUDA device if the runs may use them, else one a core, of one thread each where
    the configs do not ask for more.
    """
    threads = max((config.threads or 1 for config in configs), default=1)
    return len(_cuda_devices(configs)) or max(1, cores() // threads)


def _refuse_devices_that_are_not_there(configs: Sequence[RunConfig]) -> None:
    """On this machine; Ray's and Slurm's have others, and say so run by run."""
    named = {config.device for config in configs} - {"auto", "cpu"}
    if named:
        from dropexp.training.environment import select_device

        for device in sorted(named):
            select_device(device)


def _cuda_devices(configs: Sequence[RunConfig]) -> list[str]:
    """One device for each run at a time, if there are any and the runs leave us the choice."""
    if not configs or {config.device for config in configs} - {"auto", "cuda"}:
        return []
    if not any(Path(driver).exists() for driver in _CUDA_DRIVERS):
        return []
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
