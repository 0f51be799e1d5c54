"""Commands and exit codes. Everything heavy is imported by the command that needs it.

Exit codes: 0 done, 1 a run failed or diverged, 2 the request is wrong, 130 interrupted.
"""

import os
import sys
from typing import Annotated, NoReturn

import typer

from dropexp import __version__
from dropexp.cli import sweep as cli_sweep
from dropexp.cli.audit import AUDIT_HELP, audit
from dropexp.cli.compare import COMPARE_HELP, compare
from dropexp.cli.exit_codes import ExitCode, exit_code_of
from dropexp.cli.report import BOARD_HELP, REPORT_HELP, board, report
from dropexp.cli.rerun import RERUN_HELP, rerun
from dropexp.cli.runs import runs
from dropexp.cli.train import TRAIN_HELP, groups_in_lines, train
from dropexp.errors import DropexpError

app = typer.Typer(
    name="dropexp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    code = run_command(sys.argv[1:])
    if "torch" in sys.modules:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # taking torch down in an orderly way costs 0.2 s
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: what follows ``dropexp`` on the command line.
    """
    try:
        app(_multirun_as_sweep(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except DropexpError as error:
        from dropexp.cli.run_console import error as print_error

        print_error(str(error))
        return exit_code_of(error)
    return ExitCode.DONE


def _multirun_as_sweep(arguments: list[str]) -> list[str]:
    """Turn Hydra's ``train --multirun`` into ``sweep``, which takes all of its options."""
    flags = {"-m", "--multirun"}
    if arguments[:1] != ["train"] or not flags & set(arguments):
        return arguments
    return ["sweep", *(argument for argument in arguments[1:] if argument not in flags)]


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


app.command(
    help=TRAIN_HELP.format(groups=groups_in_lines()),
    context_settings={"ignore_unknown_options": True},
)(train)
cli_sweep.register(app)


app.command(help=AUDIT_HELP, context_settings={"ignore_unknown_options": True})(audit)
app.command(help=COMPARE_HELP)(compare)
app.command(help=REPORT_HELP)(report)
app.command(help=BOARD_HELP)(board)
app.add_typer(runs)
app.command(help=RERUN_HELP)(rerun)
