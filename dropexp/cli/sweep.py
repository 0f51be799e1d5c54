"""The commands that make many runs: sweep, extend, watch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dropexp.cli.config_options import CfgOption, InfoOption, ResolveOption, print_config
from dropexp.cli.launch_sweep import (
    DryRun,
    FailFast,
    Launching,
    RetryFailed,
    run_sweep,
    start_fork_server_for,
)
from dropexp.cli.options import (
    ConfigDirOption,
    Overrides,
    QuietOption,
    RunsDir,
    TrustOption,
    VerboseOption,
    choose_verbosity,
    complete_study,
)
from dropexp.cli.request_warnings import warn_of_registration
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
from dropexp.errors import ConfigError
from dropexp.sweep.budget import LIMIT_OF_SEEDS
from dropexp.terminal.numbers import format_count
from dropexp.training.startup import keep

_SWEEP_DETAILS = (
    "[bold]dropexp sweep regulariser=none,dropout2d p=0.1,0.3 'seed=range(8)'[/bold]\n\n"
    "Overrides are those of [bold]dropexp train[/bold] with several values: a,b or "
    "range(start,stop,step). [bold]study=NAME[/bold] selects a ready sweep ({studies}) or "
    "a registered one, [bold]study=FILE.yaml[/bold] that of a file; your overrides replace theirs. "
    "Any other name is a label to find these runs by.\n\n"
    "Finished runs are not trained again, and interrupted runs resume. Give the same command again "
    "after a stop, a crash or a power cut, or only [bold]study=NAME[/bold]; with more values it "
    "adds runs.\n\n"
    "[bold]hydra/launcher[/bold] selects where runs train: joblib (this machine; "
    "hydra.launcher.n_jobs=N runs at a time), ray or slurm."
)

# No docstring of the command, whose line ends Rich would keep.
EXTEND_DETAILS = (
    "[bold]dropexp extend quick --until-decided --margin 0.01[/bold]\n\n"
    "[bold]--seeds +4[/bold] adds four seeds to every setting. If runs of the study are "
    "unfinished, it trains only those; give the same command again to add the seeds.\n\n"
    "Either way dropexp compare uses the anytime test afterwards, as results were known before.\n\n"
    "Overrides may say where and how to train (device=…, hydra/launcher=…)."
)

WATCH_DETAILS = "In a pipe or a file the state is printed once."

_SECONDS_BETWEEN_LOOKS = 0.5


def _show_runs(overrides: Sequence[str], *, trust: bool) -> str:
    """Return the config of a sweep's first run, below the number of its runs."""
    from dropexp.config.showing import show_run
    from dropexp.sweep.resuming import compose_request

    configs = compose_request(overrides, trust=trust).configs
    return f"# {format_count(len(configs), 'run')}; the first of them:\n{show_run(configs[0])}"


def make_sweep_details() -> str:
    """Return the help below the summary, with the names of the ready sweeps."""
    from dropexp.config.groups import list_studies

    return _SWEEP_DETAILS.format(studies=", ".join(list_studies()))


def sweep(
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    cfg: CfgOption = None,
    resolve: ResolveOption = False,
    info: InfoOption = None,
    until_decided: UntilDecidedOption = False,
    margin: EqualityMarginOption = None,
    budget: BudgetOption = None,
    most_seeds: MostSeedsOption = None,
    metric: DecidingMetricOption = None,
    at: DecidingEpochOption = None,
) -> None:
    typed = overrides or []
    options = SequentialOptions(margin, budget, most_seeds, metric, at)
    if not until_decided:
        options.refuse_without_until_decided()
    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    launching = Launching(
        dry_run=dry_run, retry_failed=retry_failed, fail_fast=fail_fast, verbosity=verbosity
    )

    def show_runs() -> str:
        return _show_runs(typed, trust=trust)

    if print_config(typed, cfg, info, resolve=resolve, show_runs=show_runs):
        return
    if not dry_run and not _may_be_finished(typed):
        start_fork_server_for(typed)
    if until_decided:
        from dropexp.sweep.sequential.rows import compose_until_decided

        run_until_decided(
            lambda most: compose_until_decided(typed, most, trust=trust),
            options,
            launching,
        )
        return
    from dropexp.sweep.resuming import compose_request

    run_sweep(compose_request(typed, trust=trust), launching)


def extend(
    study: Annotated[
        str,
        typer.Argument(metavar="STUDY", help="Name of the study.", autocompletion=complete_study),
    ],
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", metavar="N", help="Number of seeds to add, such as +4."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
    dry_run: DryRun = False,
    retry_failed: RetryFailed = False,
    fail_fast: FailFast = False,
    trust: TrustOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    until_decided: UntilDecidedOption = False,
    margin: EqualityMarginOption = None,
    budget: BudgetOption = None,
    most_seeds: MostSeedsOption = None,
    metric: DecidingMetricOption = None,
    at: DecidingEpochOption = None,
) -> None:
    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    launching = Launching(
        dry_run=dry_run, retry_failed=retry_failed, fail_fast=fail_fast, verbosity=verbosity
    )
    options = SequentialOptions(margin, budget, most_seeds, metric, at)
    _refuse_unclear_extension(study, seeds, until_decided=until_decided)
    if not until_decided:
        options.refuse_without_until_decided()
    warn_of_registration(runs_dir, study)
    if not dry_run and seeds is not None:  # some seed is left to train
        start_fork_server_for(overrides or [])
    if seeds is None:
        from dropexp.sweep.sequential.rows import extend_until_decided

        run_until_decided(
            lambda most: extend_until_decided(runs_dir, study, overrides or [], most, trust=trust),
            options,
            launching,
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
    run_sweep(request, launching)


def watch(
    study: Annotated[
        str | None,
        typer.Argument(
            metavar="STUDY",
            help="Name of the study. Default: the last one swept.",
            autocompletion=complete_study,
        ),
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
    watcher = keep(Watcher(runs_dir, watched.runs))
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


def _may_be_finished(overrides: Sequence[str]) -> bool:
    """Return whether nothing may be left to train, so that torch waits for the plan."""
    # Before the overrides are parsed, see below; another folder costs time, and nothing else.
    named = [text.partition("=")[2] for text in overrides if text.startswith("runs_dir=")]
    return Path(named[-1] if named else "runs").expanduser().is_dir()


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
