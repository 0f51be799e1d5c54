"""Conduct a sweep: launch the runs that are left, and watch them until each has ended."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from dropexp.errors import DiskError
from dropexp.runs import studies
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.repairing import remove_leftovers
from dropexp.runs.studies import StudyRun
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.jobs import Work
from dropexp.sweep.launchers import build_launcher, choose_launcher
from dropexp.sweep.plan import Plan, make_study, open_sweep_runs_dir
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.progress import EndedRun, Progress, SettingMean, Watcher, rank_settings
from dropexp.sweep.requirements import refuse_unmet
from dropexp.sweep.rounds import Rounds
from dropexp.sweep.sweep_dirs import open_sweep_dir
from dropexp.terminal.numbers import format_count

_SECONDS_BETWEEN_LOOKS = 0.5


class SweepView(Protocol):
    """Shows a sweep to its user."""

    def begin(self, progress: Progress) -> None:
        """Receive the state of all runs before any is launched."""

    def report_progress(self, progress: Progress) -> None:
        """Receive the state of all runs, twice a second."""

    def note(self, message: str) -> None:
        """Receive a message for the user."""


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended."""

    progress: Progress  # also of runs whose failure could not be written into their folders
    trained: int  # runs that this sweep has trained to their end, also to a failure
    measured: int  # finished runs that this sweep measured again
    seconds: float
    is_interrupted: bool  # by Ctrl-C, before every run had ended
    disk_problem: DiskError | None = None  # where a full or read-only disk has stopped it


def sweep(
    request: SweepRequest,
    plan: Plan,
    view: SweepView,
    *,
    retry_failed: bool = False,
    fail_fast: bool = False,
    purpose: Purpose = Purpose.SWEEP,
) -> SweepResult:
    """Launch the runs that are left, and wait for them.

    A run that fails, diverges or is killed never harms the others.

    Args:
        request: the sweep that the user asks for.
        plan: of its configs, by make_plan.
        view: is shown the progress.
        retry_failed: launch failed runs too.
        fail_fast: stop at the first run that fails or diverges.
        purpose: why the runs are asked for, as the ledger records it.

    Raises:
        UserError: the launcher is not installed, the folder cannot be written, or this machine
            lacks the data or the device of a run.
        RunError: the launcher has failed several times in a row before any run ended.
        KeyboardInterrupt: at a second Ctrl-C; runs lose what they have trained since their last
            checkpoint.
    """
    started = time.monotonic()
    runs_dir = open_sweep_runs_dir(request.configs)
    todo = plan.select_to_launch(retry_failed=retry_failed)
    if choose_launcher(request.launcher).is_here:
        refuse_unmet(todo, view)
    with open_sweep_dir(runs_dir) as sweep_dir:
        launcher = build_launcher(request.launcher, sweep_dir, todo)
        study = make_study(request)
        studies.save_study(runs_dir, study)
        ids = [run.run_id for run in study.runs]
        record_request(runs_dir, study.name, ids, purpose, is_study=True)
        remove_leftovers(runs_dir, (c.run_id for c in plan.select(PlanStatus.FINISHED)))
        stale = {c.run_id: plan.stale[c.run_id] for c in todo if c.run_id in plan.stale}
        rounds = Rounds(launcher, todo, runs_dir, sweep_dir, stale)
        watcher = Watcher(runs_dir, study.runs, launcher.runs_at_a_time, stale)
        view.begin(watcher.look())
        rounds.start()
        try:
            is_interrupted = watch_rounds(rounds, watcher, view, fail_fast=fail_fast)
        finally:
            rounds.close()
        rounds.raise_error()
        progress = _add_failures(watcher.look(), rounds.failures, study.runs)
        progress = replace(progress, best=_rank_whole_study(runs_dir, study, progress))
    view.report_progress(progress)
    done = Counter(rounds.work.values())
    return SweepResult(
        progress=progress,
        trained=done[Work.TRAINED],
        measured=done[Work.MEASURED],
        seconds=time.monotonic() - started,
        is_interrupted=is_interrupted and len(progress.ended) < progress.total,
        disk_problem=rounds.disk_problem,
    )


def watch_rounds(rounds: Rounds, watcher: Watcher, view: SweepView, *, fail_fast: bool) -> bool:
    """Show the progress until the end, and return whether Ctrl-C was pressed."""
    has_ended = is_interrupted = False
    known = len(watcher.look().unsuccessful)
    while not has_ended:
        try:
            has_ended = rounds.wait(_SECONDS_BETWEEN_LOOKS)
            progress = watcher.look()
            view.report_progress(progress)
            fresh = progress.unsuccessful[known:]
            if fail_fast and (fresh or rounds.failures) and not rounds.is_stopped:
                view.note("stopping at the first failure, as --fail-fast was given")
                rounds.stop()
        except KeyboardInterrupt:
            if is_interrupted:
                raise
            is_interrupted = True
            rounds.stop()
            view.note(_describe_stop(len(watcher.look().running)))
    return is_interrupted


def _describe_stop(running: int) -> str:
    what = f" after the current epoch of {format_count(running, 'run')}" if running else ""
    return f"stopping{what}; press Ctrl-C again to stop at once"


def _add_failures(
    progress: Progress, failures: Mapping[str, str], runs: Sequence[StudyRun]
) -> Progress:
    """Return the progress with the failures that could not be written into their folders."""
    known = {one.run.run_id for one in progress.ended}
    unwritten = [
        EndedRun(run, None, failures[run.run_id]) for run in runs if run.run_id in failures
    ]
    fresh = tuple(one for one in unwritten if one.run.run_id not in known)
    return replace(progress, ended=(*progress.ended, *fresh))


def _rank_whole_study(
    runs_dir: Path, swept: studies.Study, progress: Progress
) -> tuple[SettingMean, ...]:
    """Return the means over all seeds of the study, also those of earlier sweeps."""
    known = {run.run_id for run in swept.runs}
    whole = {run.run_id: run for run in studies.read_study(runs_dir, swept.name).runs}
    earlier = [run for run in whole.values() if run.run_id not in known]
    if not earlier:
        return progress.best
    # What differs in the whole study names its settings; in this sweep it may be the same in all.
    ended = [replace(one, run=whole.get(one.run.run_id, one.run)) for one in progress.ended]
    return rank_settings([*ended, *Watcher(runs_dir, earlier).look().ended])
