"""What sweep and extend do with a composed request: show the plan, train, show the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import format_place
from dropexp.cli.progress_display import Verbosity
from dropexp.cli.request_warnings import (
    warn_of_idle_keys,
    warn_of_new_study,
    warn_of_slow_bfloat16,
    warn_of_untracked,
)
from dropexp.cli.signals import interrupt_at_sigterm
from dropexp.training.startup import keep

if TYPE_CHECKING:
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.runs.studies import Study
    from dropexp.sweep.conduct import SweepResult
    from dropexp.sweep.grammar import SweepRequest
    from dropexp.sweep.plan import Plan

DryRun = Annotated[bool, typer.Option("--dry-run", help="List the runs and their estimated time.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop when a run fails or diverges.")]


@dataclass(frozen=True, kw_only=True)
class Launching:
    """How the runs of a request are launched and shown.

    Attributes:
        dry_run: only list them.
        retry_failed: train failed runs again.
        fail_fast: stop at the first run that fails or diverges.
        verbosity: how much is printed.
    """

    dry_run: bool = False
    retry_failed: bool = False
    fail_fast: bool = False
    verbosity: Verbosity = Verbosity.NORMAL


def run_sweep(request: "SweepRequest", launching: Launching) -> None:
    """Train the runs of a request that are left, or list them.

    Raises:
        UserError: the folder of runs or the launcher is not allowed.
        StoreError: the disk of the runs is full, read-only or defective.
        Exit: the sweep was interrupted, or a run has failed or diverged.
    """
    result = launch(request, launching)
    if result is None:
        return
    if result.disk_problem is not None:
        raise result.disk_problem
    if result.is_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if result.progress.unsuccessful or len(result.progress.ended) < result.progress.total:
        raise typer.Exit(ExitCode.FAILED)


def launch(
    request: "SweepRequest", launching: Launching, *, is_command: bool = True
) -> "SweepResult | None":
    """Train the runs of a request that are left, and return how that ended; None if none should.

    Args:
        request: what is asked for.
        launching: how runs are launched and shown.
        is_command: whether a command does it, whose process ends at SIGTERM, and which proposes
            commands to type next.

    Raises:
        UserError: the folder of runs or the launcher is not allowed.
        KeyboardInterrupt: at a second Ctrl-C.
    """
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.sweep.conduct import sweep
    from dropexp.sweep.plan import make_plan, make_study, open_sweep_runs_dir

    runs_dir = open_sweep_runs_dir(request.configs)
    plan = keep(make_plan(request.configs, runs_dir))
    name = request.study or make_study(request).name
    warn_of_new_study(request, runs_dir)
    warn_of_idle_keys(request)
    warn_of_slow_bfloat16(request.planned.one_of_each_setting)
    warn_of_untracked(plan, runs_dir)
    _keep_registration(request, runs_dir, launching.dry_run)
    with SweepConsole(name, verbosity=launching.verbosity) as console:
        console.show_plan(plan, request.duplicates, retry_failed=launching.retry_failed)
        if plan.select_to_launch(retry_failed=launching.retry_failed):
            if not launching.dry_run:
                _start_fork_server(request)
            _describe_design(console, request, runs_dir, launching.dry_run)
        if launching.dry_run:
            _print_dry_run(console, request, plan, runs_dir, launching.retry_failed)
            return None
        if is_command:
            interrupt_at_sigterm()
        try:
            result = sweep(
                request,
                plan,
                console,
                retry_failed=launching.retry_failed,
                fail_fast=launching.fail_fast,
            )
        except KeyboardInterrupt:
            console.close()
            console.note("stopped at once; the same command resumes the sweep")
            raise
        commands = _next_commands(request, make_study(request)) if is_command else ()
        console.show_result(result, commands)
    _warn_of_unsent(request, name, runs_dir)
    return result


def start_fork_server_for(overrides: Sequence[str]) -> None:
    """Import torch for runs on this machine while this process composes their configs (0.6 s).

    Args:
        overrides: as typed: to parse them would import Hydra first.
    """
    if not any(override.startswith("hydra/launcher=") for override in overrides):
        from dropexp.sweep.run_process import start_fork_server

        start_fork_server()


def _start_fork_server(request: "SweepRequest") -> None:
    """Import torch for runs on this machine while this process describes the design (0.1 s)."""
    from dropexp.sweep.launchers import choose_launcher
    from dropexp.sweep.run_process import start_fork_server

    if choose_launcher(request.launcher).is_here:
        start_fork_server()


def _warn_of_unsent(request: "SweepRequest", study: str, runs_dir: Path) -> None:
    """Say which finished runs their trackers lack: each run has told only its own log."""
    from dropexp.cli.console import print_warning
    from dropexp.loggers.registry import list_destinations
    from dropexp.loggers.unsent import describe_unsent
    from dropexp.runs.write import RunFolder

    config = request.planned.one_of_each_setting[0]
    destinations = list_destinations(config.logger)
    folders = [RunFolder(runs_dir, run.run_id) for run in request.planned.runs]
    for sentence in describe_unsent(folders, destinations, [config.runs_dir, f"study={study}"]):
        print_warning(sentence)


def _keep_registration(request: "SweepRequest", runs_dir: Path, dry_run: bool) -> None:
    if request.study_file is None:
        return  # nothing to keep, and what keeps it takes time to import

    from dropexp.cli.console import print_warning
    from dropexp.sweep.registering import adopt_registration

    for warning in adopt_registration(request, runs_dir, dry_run=dry_run):
        print_warning(warning)


def _describe_design(
    console: "SweepConsole", request: "SweepRequest", runs_dir: Path, dry_run: bool
) -> None:
    """Say what the study can find, on a dry run, and warn where it can find nothing."""
    from dropexp.cli.console import print_warning
    from dropexp.sweep.design import describe_design, find_design, find_design_problem
    from dropexp.sweep.other_seeds import find_seed_problem

    design = find_design(request, runs_dir)
    seed_problem = find_seed_problem(request, runs_dir)
    if dry_run and not seed_problem and (sentence := describe_design(design)):
        console.note(sentence)
    if problem := seed_problem or find_design_problem(design):
        print_warning(problem)


def _print_dry_run(
    console: "SweepConsole",
    request: "SweepRequest",
    plan: "Plan",
    runs_dir: Path,
    retry_failed: bool,
) -> None:
    from dropexp.sweep.estimate import estimate_seconds
    from dropexp.sweep.launchers import build_launcher
    from dropexp.sweep.plan_status import PlanStatus
    from dropexp.sweep.timing import time_epochs

    to_launch = plan.select_to_launch(retry_failed=retry_failed)
    if not to_launch and not request.launcher:
        return
    launcher = build_launcher(request.launcher, runs_dir, to_launch)
    to_train = [c for c in to_launch if plan.statuses[c.run_id] is not PlanStatus.UNMEASURED]
    estimate = estimate_seconds(to_train, runs_dir, time_epochs)
    seconds = dict(zip((c.run_id for c in to_train), estimate.seconds, strict=True))
    ids = [config.run_id for config in to_launch]
    rows = [(run_id, plan.statuses[run_id], seconds.get(run_id)) for run_id in ids]
    console.list_runs(rows, launcher.runs_at_a_time, is_timed=estimate.is_timed)


def _next_commands(request: "SweepRequest", study: "Study") -> Sequence[tuple[str, str]]:
    from dropexp.sweep.design import find_design

    runs_dir = str(Path(request.configs[0].runs_dir).expanduser())
    folder = format_place(runs_dir)
    purpose = "which setting is better" if len(study.settings) > 1 else "means over seeds"
    commands = [(f"dropexp compare{folder} {quote(f'study={study.name}')}", purpose)]
    has_rows = bool(find_design(request, Path(runs_dir)).rows)
    if has_rows and _may_be_extended(request, study.name, Path(runs_dir)):
        place = "" if runs_dir == "runs" else f" --runs-dir {quote(runs_dir)}"
        more = f"dropexp extend {quote(study.name)} --until-decided{place}"
        commands.append((more, "more seeds, if rows are open"))
    return commands


def _may_be_extended(request: "SweepRequest", study: str, runs_dir: Path) -> bool:
    """Return whether more seeds of a study belong to it, and count."""
    from dropexp.runs.registration import read_registration
    from dropexp.sweep.other_seeds import find_seed_problem

    if read_registration(runs_dir, study) is not None:
        return False
    return not find_seed_problem(request, runs_dir)
