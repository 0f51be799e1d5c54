"""The command that trains one run."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.config_options import CfgOption, InfoOption, ResolveOption, print_config
from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.options import (
    ConfigDirOption,
    Overrides,
    QuietOption,
    TrustOption,
    VerboseOption,
    choose_verbosity,
    format_place,
)
from dropexp.cli.request_warnings import (
    IDLE_WITHOUT_NOISE,
    explain_idle,
    explain_idle_sizes,
    warn_of_slow_bfloat16,
)

if TYPE_CHECKING:
    from dropexp.cli.progress_display import Verbosity
    from dropexp.cli.run_console import RunConsole
    from dropexp.config.overrides import Override
    from dropexp.config.run_config import RunConfig

_TRAIN_DETAILS = (
    "[bold]dropexp train regulariser=dropout2d p=0.3[/bold]\n\n"
    "Overrides are Hydra's: [bold]group=choice[/bold] selects a file of conf/, "
    "[bold]key=value[/bold] sets a value. A finished run is not trained again, and an "
    "interrupted run resumes.\n\n"
    "{groups}\n\n"
    "Keys: p, seed, train.epochs, train.batch_size, optimiser.lr, data.train_size, "
    "data.label_noise, device, runs_dir, force … [bold]--cfg[/bold] lists all of them."
)


def make_train_details() -> str:
    """Return the help below the summary: the groups and their choices."""
    from dropexp.config.added_files import list_choices
    from dropexp.config.groups import list_groups

    return _TRAIN_DETAILS.format(
        groups="\n".join(
            f"[bold]{group}[/bold]: {', '.join(list_choices(group))}"
            for group, choices in list_groups().items()
            if choices != ["default"]
        )
    )


def train(
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    trust: TrustOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
    cfg: CfgOption = None,
    resolve: ResolveOption = False,
    info: InfoOption = None,
    _multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="Same as dropexp sweep.")
    ] = False,
) -> None:
    typed = overrides or []
    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    if print_config(
        typed, cfg, info, resolve=resolve, show_runs=lambda: _show_run(typed, trust=trust)
    ):
        return
    from dropexp.training.startup import pause_collector, resume_collector

    pause_collector()  # run() resumes it before the first epoch
    try:
        _compose_and_train(typed, verbosity, trust=trust)
    finally:
        resume_collector()


def _show_run(overrides: list[str], *, trust: bool) -> str:
    from dropexp.config.showing import show_run
    from dropexp.runs.trust import compose_typed

    return show_run(compose_typed(overrides, trust=trust))


def _compose_and_train(overrides: list[str], verbosity: "Verbosity", *, trust: bool) -> None:
    from dropexp.config.compose import compose_parsed
    from dropexp.config.overrides import parse_overrides
    from dropexp.runs.trust import make_check

    parsed = parse_overrides(overrides)
    _refuse_study_alone(parsed)
    config = compose_parsed(parsed, make_check(parsed, trust=trust))
    try:
        _train(config, verbosity, {override.key for override in parsed})
    except KeyboardInterrupt:
        from dropexp.cli.console import print_notice

        print_notice("interrupted; the same command resumes after the last finished epoch")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _refuse_study_alone(overrides: "list[Override]") -> None:
    """Refuse study=NAME without an override that says what to train, where a sweep is meant.

    A new name begins a study with the default run, unless it looks like a mistyped one.
    """
    if not any(override.key == "study" for override in overrides):
        return
    if any(override.is_about_the_run for override in overrides):
        return
    from dropexp.config.compose import find_runs_dir, split_study
    from dropexp.runs.study_names import refuse_sweep_or_typo

    others, name = split_study(overrides)
    if name is not None:
        refuse_sweep_or_typo(name, find_runs_dir(others))


def _train(config: "RunConfig", verbosity: "Verbosity", given: Collection[str]) -> None:
    from dropexp.cli.run_console import RunConsole

    with RunConsole(verbosity=verbosity) as console:
        warn_of_request(config, console, given)
        from dropexp.runs.records import RunStatus
        from dropexp.training.run import run

        result = run(config, console)
        console.show_audit(result.folder)
        console.show_run(
            result.summary,
            result.records,
            result.folder,
            _next_commands(config, has_results=result.summary.status is RunStatus.COMPLETED),
            is_reused=result.is_reused,
        )
    if result.summary.status is RunStatus.DIVERGED:
        raise typer.Exit(ExitCode.FAILED)


def warn_of_request(config: "RunConfig", console: "RunConsole", given: Collection[str]) -> None:
    """Warn where an override does nothing, looks mistyped, or costs time.

    Args:
        config: of the run.
        console: prints the warnings.
        given: the keys of the overrides.
    """
    if config.regulariser.name == "none":
        for key in filter(given.__contains__, IDLE_WITHOUT_NOISE):
            console.warn(explain_idle(key, "regulariser=dropout2d"))
    for text in explain_idle_sizes(given, [config]):
        console.warn(text)
    if config.study is not None:
        from dropexp.config.paths import parse_path
        from dropexp.runs.study_names import explain_new_study

        runs_dir = parse_path(config.runs_dir, f"runs_dir={config.runs_dir}")
        if text := explain_new_study(config.study, runs_dir):
            console.warn(text)
    if config.precision == "bfloat16":
        warn_of_slow_bfloat16([config])


def _next_commands(config: "RunConfig", *, has_results: bool) -> list[tuple[str, str]]:
    from shlex import quote

    runs_dir = format_place(config.runs_dir)
    compare = [(f"dropexp compare{runs_dir}", "compare this run with the others")]
    return [
        *(compare if has_results else []),
        (f"tensorboard --logdir {quote(config.runs_dir)}", "curves and hyperparameters"),
    ]
