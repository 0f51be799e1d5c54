"""The commands that make many runs: sweep, extend, watch."""

import time
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import Overrides, RunsDir, TrustOption, format_place
from dropexp.cli.request_warnings import (
    warn_of_idle_p,
    warn_of_mistyped_study,
    warn_of_registration,
    warn_of_slow_bfloat16,
)
from dropexp.cli.signals import interrupt_at_sigterm
from dropexp.cli.until_decided import (
    BudgetOption,
    DecidingEpochOption,
    DecidingMetricOption,
    EqualityMarginOption,
    MostSeedsOption,
    SequentialOptions,
    UntilDecidedOption,
    run_until_decided,
)
from dropexp.errors import ConfigError, StoreError
from dropexp.sweep.budget import LIMIT_OF_SEEDS

if TYPE_CHECKING:
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.runs.studies import Study
    from dropexp.sweep.grammar import SweepRequest
    from dropexp.sweep.plan import Plan

_SWEEP_HELP = (
    "Train every combination of several values.\n\n"
    "[bold]dropexp sweep regulariser=none,dropout2d p=0.1,0.3 'seed=range(8)'[/bold]\n\n"
    "Overrides are those of [bold]dropexp train[/bold] with several values: a,b or "
    "range(start,stop,step). [bold]study=NAME[/bold] selects a ready sweep ({studies}) or "
    "a registered one, [bold]study=FILE.yaml[/bold] that of a file; your overrides replace theirs. "
    "Any other name is a label to find these runs by.\n\n"
    "Finished runs are not trained again, and interrupted runs resume. Give the same command again "
    "after a stop, a crash or a power cut, or with more values to add runs.\n\n"
    "[bold]hydra/launcher[/bold] selects where runs train: joblib (this machine; "
    "hydra.launcher.n_jobs=N runs at a time), ray or slurm."
)

# No docstring of the command, whose line ends Rich would keep.
EXTEND_HELP = (
    "Add seeds to a study: where its answer is open, or to all settings.\n\n"
    "[bold]dropexp extend quick --until-decided --margin 0.01[/bold]\n\n"
    "[bold]--seeds +4[/bold] adds four seeds to every setting. If runs of the study are "
    "unfinished, it trains only those; give the same command again to add the seeds.\n\n"
    "Either way dropexp compare uses the anytime test afterwards, as results were known before.\n\n"
    "Overrides may say where and how to train (device=…, hydra/launcher=…)."
)

WATCH_HELP = (
    "Watch a sweep from another terminal.\n\nIn a pipe or a file the state is printed once."
)

_SECONDS_BETWEEN_LOOKS = 0.5

DryRun = Annotated[bool, typer.Option("--dry-run", help="List the runs and their estimated time.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop when a run fails or diverges.")]


def make_sweep_help() -> str:
    """Return the help of the command with the names of the ready sweeps."""
    from dropexp.config.groups import list_studies

    return _SWEEP_HELP.format(studies=", ".join(list_studies()))


def sweep(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    until_decided: UntilDecidedOption = False,
    margin: EqualityMarginOption = None,
    budget: BudgetOption = None,
    most_seeds: MostSeedsOption = None,
    metric: DecidingMetricOption = None,
    at: DecidingEpochOption = None,
) -> None:
    options = SequentialOptions(margin, budget, most_seeds, metric, at)
    if not until_decided:
        options.refuse_without_until_decided()
    if not dry_run:
        _start_fork_server(overrides or [])
    if until_decided:
        from dropexp.sweep.sequential.rows import compose_until_decided

        run_until_decided(
            lambda most: compose_until_decided(overrides or [], most, trust=trust),
            options,
            dry_run=dry_run,
            retry_failed=retry_failed,
            fail_fast=fail_fast,
        )
        return
    from dropexp.sweep.grammar import compose_sweep

    request = compose_sweep(overrides or [], trust=trust)
    _run_sweep(request, dry_run, retry_failed, fail_fast)


def extend(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    overrides: Overrides = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="N", help="Number of seeds to add, such as +4."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    until_decided: UntilDecidedOption = False,
    margin: EqualityMarginOption = None,
    budget: BudgetOption = None,
    most_seeds: MostSeedsOption = None,
    metric: DecidingMetricOption = None,
    at: DecidingEpochOption = None,
) -> None:
    options = SequentialOptions(margin, budget, most_seeds, metric, at)
    _refuse_unclear_extension(study, seeds, until_decided=until_decided)
    if not until_decided:
        options.refuse_without_until_decided()
    warn_of_registration(runs_dir, study)
    if not dry_run:
        _start_fork_server(overrides or [])
    if seeds is None:
        from dropexp.sweep.sequential.rows import extend_until_decided

        run_until_decided(
            lambda most: extend_until_decided(runs_dir, study, overrides or [], most, trust=trust),
            options,
            dry_run=dry_run,
            retry_failed=retry_failed,
            fail_fast=fail_fast,
        )
        return
    from dropexp.cli.console import print_text
    from dropexp.runs.studies import read_study
    from dropexp.sweep.extend import extend_study

    count = _parse_seed_count(seeds)
    request = extend_study(runs_dir, study, count, overrides or [], trust=trust)
    known = {run.seed for run in read_study(runs_dir, study).runs}
    if any(run.seed in known for run in request.planned.runs):
        print_text(f"finishing what is left of {study}; the same command then adds seeds\n")
    else:
        typer.echo("the anytime test will speak: these seeds are added after results were seen")
    _run_sweep(request, dry_run, retry_failed, fail_fast)


def watch(
    study: Annotated[
        str | None,
        typer.Argument(metavar="STUDY", help="Name of the study. Default: the last one swept."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    once: Annotated[bool, typer.Option("--once", help="Print the state once.")] = False,
) -> None:
    from dropexp.cli.progress_display import ProgressDisplay
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.runs.studies import find_last_study, read_study
    from dropexp.sweep.progress import Watcher

    name = find_last_study(runs_dir) if study is None else study
    if name is None:
        raise ConfigError(f"{runs_dir} has no study; dropexp sweep makes one.")
    watched = read_study(runs_dir, name)
    watcher = Watcher(runs_dir, watched.runs)
    with SweepConsole(watched.name) as console:
        progress = watcher.look()
        console.begin(progress)
        follows = console.display is not ProgressDisplay.LOG and not once
        try:
            while follows and len(progress.ended) < progress.total:
                console.report_progress(progress)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                progress = watcher.look()
        except KeyboardInterrupt:
            pass
        console.show_state(progress)


def _start_fork_server(overrides: Sequence[str]) -> None:
    """Import torch for runs on this machine while this process composes their configs (0.6 s)."""
    # Before the overrides are parsed: that imports Hydra.
    if not any(override.startswith("hydra/launcher=") for override in overrides):
        from dropexp.sweep.run_process import start_fork_server

        start_fork_server()


def _refuse_unclear_extension(study: str, seeds: str | None, *, until_decided: bool) -> None:
    if until_decided and seeds is not None:
        raise ConfigError(
            "--until-decided chooses the seeds itself; leave out --seeds, or limit it with "
            "--most-seeds or --budget."
        )
    if not until_decided and seeds is None:
        raise ConfigError(
            f"say how to extend {study}: --until-decided adds seeds where the answer is open, "
            f"--seeds +4 adds four to every setting."
        )


def _parse_seed_count(seeds: str) -> int:
    count = seeds.removeprefix("+")
    # Its length first: Python refuses to convert very many digits.
    is_number = count.isdecimal() and len(count) <= len(str(LIMIT_OF_SEEDS))
    if not is_number or not 1 <= int(count) <= LIMIT_OF_SEEDS:
        raise ConfigError(
            f"--seeds {seeds} is not a number of seeds to add, from +1 to +{LIMIT_OF_SEEDS:,}."
        )
    return int(count)


def _run_sweep(request: "SweepRequest", dry_run: bool, retry_failed: bool, fail_fast: bool) -> None:
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.sweep.conduct import sweep
    from dropexp.sweep.plan import make_plan, make_study, open_sweep_runs_dir

    runs_dir = open_sweep_runs_dir(request.configs)
    plan = make_plan(request.configs, runs_dir)
    study = make_study(request)
    warn_of_mistyped_study(request, runs_dir)
    warn_of_idle_p(request)
    warn_of_slow_bfloat16(request.planned.one_of_each_setting)
    _keep_registration(request, runs_dir, dry_run)
    with SweepConsole(study.name) as console:
        console.show_plan(plan, request.duplicates, retry_failed=retry_failed)
        if plan.select_to_launch(retry_failed=retry_failed):
            _describe_design(console, request, runs_dir, dry_run)
        if dry_run:
            _print_dry_run(console, request, plan, runs_dir, retry_failed)
            return
        interrupt_at_sigterm()
        try:
            result = sweep(request, plan, console, retry_failed=retry_failed, fail_fast=fail_fast)
        except KeyboardInterrupt:
            console.close()
            console.note("stopped at once; the same command resumes the sweep")
            raise
        console.show_result(result, _next_commands(request, study))
    if result.disk_problem:
        raise StoreError(result.disk_problem)
    if result.is_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if result.progress.unsuccessful or len(result.progress.ended) < result.progress.total:
        raise typer.Exit(ExitCode.FAILED)


def _keep_registration(request: "SweepRequest", runs_dir: Path, dry_run: bool) -> None:
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
    from dropexp.sweep.plan import PlanStatus

    to_launch = plan.select_to_launch(retry_failed=retry_failed)
    launcher = build_launcher(request.launcher, runs_dir, to_launch)
    to_train = [c for c in to_launch if plan.statuses[c.run_id] is not PlanStatus.UNMEASURED]
    seconds = dict(
        zip((c.run_id for c in to_train), estimate_seconds(to_train, runs_dir), strict=True)
    )
    ids = [config.run_id for config in to_launch]
    rows = [(run_id, plan.statuses[run_id], seconds.get(run_id)) for run_id in ids]
    console.list_runs(rows, launcher.runs_at_a_time)


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
