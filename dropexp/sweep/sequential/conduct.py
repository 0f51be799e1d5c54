"""Train round after round until every row is decided, the budget is spent, or it is stopped."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.repairing import remove_leftovers
from dropexp.runs.studies import Study, StudyMember, StudyRun, save_study
from dropexp.sweep.conduct import watch_rounds
from dropexp.sweep.jobs import Work
from dropexp.sweep.launchers import Launcher, build_launcher, choose_launcher
from dropexp.sweep.progress import Progress, Watcher
from dropexp.sweep.requirements import refuse_unmet
from dropexp.sweep.rounds import Rounds
from dropexp.sweep.sequential.design import Cell, SequentialState, StopReason
from dropexp.sweep.sequential.prepare import SequentialPlan
from dropexp.sweep.sweep_dirs import open_sweep_dir


class SequentialView(Protocol):
    """Shows a sweep until decided to its user."""

    def report_state(self, state: SequentialState) -> None:
        """Receive the state at the start, after every round and at the end."""

    def report_progress(self, progress: Progress, state: SequentialState) -> None:
        """Receive how far the runs of the round are, twice a second.

        The state counts those that have ended; it decides nothing before the round has ended.
        """

    def note(self, message: str) -> None:
        """Receive a message for the user."""


@dataclass(frozen=True)
class SequentialResult:
    """How a sweep until decided ended.

    Attributes:
        state: at the end, with the pairs that have ended of a round that was stopped.
        reason: why; None where it was stopped before.
        progress: of all runs that any round has asked for.
        trained: how many runs this command has trained to their end, also to a failure.
        seconds: of wall time.
        is_interrupted: by Ctrl-C.
    """

    state: SequentialState
    reason: StopReason | None
    progress: Progress
    trained: int
    seconds: float
    is_interrupted: bool


def train_until_decided(
    plan: SequentialPlan, view: SequentialView, *, fail_fast: bool = False
) -> SequentialResult:
    """Train the runs of round after round.

    Args:
        plan: by make_sequential_plan.
        view: is shown the state and the progress.
        fail_fast: stop at the first run that fails or diverges.

    Raises:
        UserError: the folder cannot be written, or this machine lacks the data or the device.
        RunError: the launcher has failed several times in a row before any run ended.
        KeyboardInterrupt: at a second Ctrl-C.
    """
    with open_sweep_dir(plan.runs_dir) as sweep_dir:
        return _Command(plan, view, sweep_dir, fail_fast=fail_fast).run()


class _Command:
    """One command, from its first round to its last."""

    def __init__(
        self, plan: SequentialPlan, view: SequentialView, sweep_dir: Path, *, fail_fast: bool
    ) -> None:
        self._plan = plan
        self._view = view
        self._sweep_dir = sweep_dir
        self._fail_fast = fail_fast
        self._started = time.monotonic()
        self._rate: float | None = None  # seconds of wall time per run, in the last round
        self._trained = 0

    def run(self) -> SequentialResult:
        plan = self._plan
        configs = list(plan.request.configs.values())
        launcher = build_launcher(plan.request.launcher, self._sweep_dir, configs)
        reason, is_interrupted = None, False
        state = plan.find_state()
        remove_leftovers(plan.runs_dir, (plan.request.configs[c].run_id for c in state.cells))
        try:
            while True:
                state = plan.find_state()
                self._view.report_state(state)
                if state.round is not None and choose_launcher(plan.request.launcher).is_here:
                    refuse_unmet(configs, self._view)  # once for all rounds
                self._save_study(state)
                if state.round is None:
                    reason = state.reason
                    break
                if self._lacks_time(len(state.round.missing)):
                    reason = StopReason.MOST_TIME
                    break
                is_stopped, is_interrupted = self._train(launcher, state)
                if is_stopped:
                    reason = StopReason.MOST_TIME if self._is_time_up() else None
                    break
        finally:
            launcher.close()
        state = plan.preview(plan.find_state())
        return self._make_result(state, reason, is_interrupted=is_interrupted)

    def _train(self, launcher: Launcher, state: SequentialState) -> tuple[bool, bool]:
        """Train the missing runs of a round; return whether it was stopped, and if by Ctrl-C."""
        plan, ahead = self._plan, state.round
        assert ahead is not None
        began = time.monotonic()
        todo = [plan.request.configs[cell] for cell in ahead.missing]
        ids = [config.run_id for config in todo]
        record_request(plan.runs_dir, plan.request.study, ids, Purpose.SEQUENTIAL, is_study=True)
        stale = {run_id: plan.stale[run_id] for run_id in ids if run_id in plan.stale}
        rounds = Rounds(launcher, todo, plan.runs_dir, self._sweep_dir, stale)
        runs = [_find_run(plan, cell) for cell in ahead.cells]
        watcher = Watcher(plan.runs_dir, runs, launcher.runs_at_a_time, stale)
        view = _RoundView(self._view, plan, state, rounds, self._is_time_up)
        has_ended = False
        rounds.start()
        try:
            is_interrupted = watch_rounds(rounds, watcher, view, fail_fast=self._fail_fast)
            has_ended = True
        finally:
            if not has_ended:
                rounds.close()
        rounds.raise_error()
        if rounds.disk_problem is not None:
            raise rounds.disk_problem
        self._trained += sum(work is Work.TRAINED for work in rounds.work.values())
        plan.results.forget_retried(ids)
        plan.results.look(ahead.missing)
        if not rounds.is_stopped:
            # What could not be written into a folder is not seen there.
            failed = [c for c in ahead.missing if plan.request.configs[c].run_id in rounds.failures]
            plan.results.give_up(failed)
            self._rate = (time.monotonic() - began) / len(todo)
        return rounds.is_stopped, is_interrupted

    def _save_study(self, state: SequentialState) -> None:
        """Save the study with all runs so far, also where other sweeps have trained all of them."""
        if state.cells:
            save_study(self._plan.runs_dir, _make_study(self._plan, state.cells))

    def _lacks_time(self, runs: int) -> bool:
        """Return whether the budget's time is up, or would be before so many runs had ended."""
        limit = self._plan.budget.seconds
        if limit is None:
            return False
        expected = 0.0 if self._rate is None else self._rate * runs
        return time.monotonic() - self._started + expected > limit

    def _is_time_up(self) -> bool:
        limit = self._plan.budget.seconds
        return limit is not None and time.monotonic() - self._started > limit

    def _make_result(
        self, state: SequentialState, reason: StopReason | None, *, is_interrupted: bool
    ) -> SequentialResult:
        plan = self._plan
        runs = [_find_run(plan, cell) for cell in state.cells]
        progress = Watcher(plan.runs_dir, runs).look()
        return SequentialResult(
            state=state,
            reason=reason,
            progress=progress,
            trained=self._trained,
            seconds=time.monotonic() - self._started,
            is_interrupted=is_interrupted and reason is None,
        )


class _RoundView:
    """Passes the progress of a round on, and stops the round once the time is up.

    Args:
        view: receives the progress.
        plan: reads the results.
        state: at the beginning of the round.
        rounds: are stopped.
        is_time_up: returns whether to stop them.
    """

    def __init__(
        self,
        view: SequentialView,
        plan: SequentialPlan,
        state: SequentialState,
        rounds: Rounds,
        is_time_up: Callable[[], bool],
    ) -> None:
        self._view = view
        self._plan = plan
        self._state = state
        self._rounds = rounds
        self._is_time_up = is_time_up
        self._ended = -1
        self._preview = state

    def begin(self, progress: Progress) -> None:
        """Receive the state of all runs before any is launched."""

    def report_progress(self, progress: Progress) -> None:
        """Receive the state of all runs."""
        if len(progress.ended) != self._ended:
            self._ended = len(progress.ended)
            self._preview = self._plan.preview(self._state)
        self._view.report_progress(progress, self._preview)
        if self._is_time_up() and not self._rounds.is_stopped:
            self._view.note("the time of the budget is up; runs in training save their state")
            self._rounds.stop()

    def note(self, message: str) -> None:
        """Receive a message for the user."""
        self._view.note(message)


def _find_run(plan: SequentialPlan, cell: Cell) -> StudyRun:
    config = plan.request.configs[cell]
    return StudyRun(config.run_id, cell[0], cell[1], config.train.epochs)


def _make_study(plan: SequentialPlan, cells: Sequence[Cell]) -> Study:
    """Return the study with these runs; saving merges it with those before."""
    request = plan.request
    names = list(dict.fromkeys(setting for setting, _ in cells))
    members = tuple(
        StudyMember(run.run_id, names.index(run.setting), run.seed, run.epochs)
        for run in (_find_run(plan, cell) for cell in cells)
    )
    fields = tuple(dict(request.fields[name]) for name in names)
    return Study(request.study, request.sweeps, fields, members, request.question)
