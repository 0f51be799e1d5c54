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


def main() -> None:
    """The ``dropexp`` command."""
    code = 0
    try:
        app(_with_multirun_as_sweep(sys.argv[1:]))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except DropexpError as error:
        from dropexp.cli.run_console import error as say_error

        say_error(str(error))
        code = exit_code_of(error)
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
