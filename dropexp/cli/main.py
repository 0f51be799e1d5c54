"""Commands and exit codes. Everything heavy is imported by the command that needs it.

Exit codes: 0 done, 1 a run failed or diverged, 2 the request is wrong, 130 interrupted.
"""

import os
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dropexp import __version__
from dropexp.cli import sweep as cli_sweep
from dropexp.cli.audit import AUDIT_HELP, audit
from dropexp.cli.compare import COMPARE_HELP, compare
from dropexp.cli.report import BOARD_HELP, REPORT_HELP, board, report
from dropexp.cli.runs import INTERRUPTED, RERUN_HELP, rerun, runs
from dropexp.errors import DropexpError

if TYPE_CHECKING:
    from dropexp.config.run_config import RunConfig

app = typer.Typer(
    name="dropexp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The ``dropexp`` command."""
    code = 0
    try:
        app(_with_multirun_as_sweep(sys.argv[1:]))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except DropexpError as error:
        from dropexp.cli.run_console import error as say_error

        say_error(str(error))
        code = error.exit_code
    _leave(code)


def _with_multirun_as_sweep(words: list[str]) -> list[str]:
    """Hydra's ``train -m`` is ``sweep``, with all of its options."""
    flags = {"-m", "--multirun"}
    if words[:1] != ["train"] or not flags & set(words):
        return words
    return ["sweep", *(word for word in words[1:] if word not in flags)]


def _leave(code: int) -> NoReturn:
    """End the process; at once if it has torch, which costs 0.2 s to take down."""
    if "torch" not in sys.modules:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dropexp {__version__}")
        raise typer.Exit


@app.callback()
def dropexp(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Which regulariser, at which strength, makes this network generalise better?"""


_TRAIN_HELP = """Train one run and measure how well it generalises.

[bold]dropexp train regulariser=dropout2d p=0.3[/bold]

Overrides are Hydra's: [bold]group=choice[/bold] picks a file of conf/, [bold]key=value[/bold] sets
a value. A run that is finished is not trained again, one that was interrupted goes on.

{groups}

Often used keys: p, seed, train.epochs, train.batch_size, optimiser.lr, data.train_size,
data.label_noise, device, runs_dir, force. [bold]--cfg[/bold] shows them all.
"""


def _groups_in_lines() -> str:
    from dropexp.config.groups import groups

    return "\n\n".join(
        f"[bold]{group}[/bold]: {', '.join(names)}" for group, names in groups().items()
    )


@app.command(
    help=_TRAIN_HELP.format(groups=_groups_in_lines()),
    context_settings={"ignore_unknown_options": True},
)
def train(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDES]...", show_default=False)
    ] = None,
    cfg: Annotated[
        bool, typer.Option("--cfg", "-c", help="Show the composed configuration, train nothing.")
    ] = False,
    _multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="The same as dropexp sweep.")
    ] = False,
) -> None:
    from dropexp.config.compose import compose_run, to_yaml

    overrides = overrides or []
    config = compose_run(overrides)
    if cfg:
        typer.echo(f"# run id: {config.run_id}\n{to_yaml(config)}", nl=False)
        return
    try:
        _train(config, p_was_given=any(override.startswith("p=") for override in overrides))
    except KeyboardInterrupt:
        from dropexp.cli.run_console import error

        error("interrupted; the same command goes on after the last finished epoch")
        raise typer.Exit(INTERRUPTED) from None


def _train(config: "RunConfig", *, p_was_given: bool) -> None:
    from dropexp.cli.run_console import RunConsole

    with RunConsole() as console:
        if config.regulariser.name == "none" and p_was_given:
            console.warning(
                "p has no effect: the regulariser is none. Choose one: regulariser=dropout2d"
            )
        from dropexp.runs.records import RunStatus
        from dropexp.training.run import run

        result = run(config, console)
        show = console.reused if result.reused else console.finished
        show(result.summary, result.records, result.folder, _next_commands(config))
    if result.summary.status is RunStatus.DIVERGED:
        raise typer.Exit(code=1)


cli_sweep.register(app)


app.command(help=AUDIT_HELP, context_settings={"ignore_unknown_options": True})(audit)
app.command(help=COMPARE_HELP)(compare)
app.command(help=REPORT_HELP)(report)
app.command(help=BOARD_HELP)(board)
app.add_typer(runs)
app.command(help=RERUN_HELP)(rerun)


def _next_commands(config: "RunConfig") -> list[tuple[str, str]]:
    from shlex import quote

    runs_dir = "" if config.runs_dir == "runs" else f" {quote(config.runs_dir)}"
    return [
        (f"dropexp compare{runs_dir}", "this run beside the others"),
        (
            f"tensorboard --logdir {quote(config.runs_dir)}",
            "curves and hyperparameters of all runs",
        ),
    ]
