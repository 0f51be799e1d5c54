"""The commands of ``dropexp`` and how a command ends.

A command imports what is heavy only when it is called: ``dropexp --help`` imports no torch.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from dropexp import __version__
from dropexp.cli.audit import AUDIT_HELP, audit
from dropexp.cli.compare import COMPARE_HELP, compare
from dropexp.cli.doctor import DOCTOR_HELP, doctor
from dropexp.cli.early_stopping import EARLY_STOPPING_HELP, early_stopping
from dropexp.cli.effects import EFFECTS_HELP, effects
from dropexp.cli.exit_codes import ExitCode, get_exit_code
from dropexp.cli.export import export
from dropexp.cli.forgetting import FORGETTING_HELP, forgetting
from dropexp.cli.help_layout import PlainHelpCommand, PlainHelpGroup
from dropexp.cli.learning_curve import LEARNING_CURVE_HELP, learning_curve
from dropexp.cli.options import TAKES_OVERRIDES
from dropexp.cli.report import BOARD_HELP, REPORT_HELP, board, report
from dropexp.cli.rerun import RERUN_HELP, rerun
from dropexp.cli.runs import runs
from dropexp.cli.streams import find_lost_output, protect_streams
from dropexp.cli.study import study
from dropexp.cli.sweep import EXTEND_HELP, WATCH_HELP, extend, make_sweep_help, sweep, watch
from dropexp.cli.train import make_train_help, train
from dropexp.cli.tune import TUNE_HELP, tune
from dropexp.cli.usage_errors import UsageError, describe_usage_error
from dropexp.config.groups import forget_added_files
from dropexp.errors import DropexpError
from dropexp.training.startup import begin_keeping, exit_process

# No docstring, which python -OO removes.
_HELP = (
    "Which regulariser, at which strength, makes this network generalise better?\n\n"
    "[bold]dropexp train regulariser=dropout2d p=0.3[/bold]\n"
    "[bold]dropexp sweep regulariser=none,dropout2d p=0.1,0.3 'seed=range(8)'[/bold]\n"
    "[bold]dropexp compare[/bold]\n\n"
    "[bold]dropexp COMMAND --help[/bold] describes a command."
)

_NEEDS_NO_FOLDER = {"--help", "-h", "--version"}

app = typer.Typer(
    name="dropexp",
    cls=PlainHelpGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"dropexp {__version__}")
        raise typer.Exit


@app.callback(help=_HELP)
def dropexp(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


_add = partial(app.command, cls=PlainHelpCommand)

_TRAIN = "Train"
_add(help=make_train_help(), rich_help_panel=_TRAIN, context_settings=TAKES_OVERRIDES)(train)
_add(help=make_sweep_help(), rich_help_panel=_TRAIN, context_settings=TAKES_OVERRIDES)(sweep)
_add(help=EXTEND_HELP, rich_help_panel=_TRAIN)(extend)
_add(help=TUNE_HELP, rich_help_panel=_TRAIN, context_settings=TAKES_OVERRIDES)(tune)
_add(help=WATCH_HELP, rich_help_panel=_TRAIN)(watch)

_COMPARE = "Compare"
_add(help=COMPARE_HELP, rich_help_panel=_COMPARE)(compare)
_add(help=LEARNING_CURVE_HELP, rich_help_panel=_COMPARE)(learning_curve)
_add(help=EFFECTS_HELP, rich_help_panel=_COMPARE)(effects)
_add(help=EARLY_STOPPING_HELP, rich_help_panel=_COMPARE)(early_stopping)
_add(help=REPORT_HELP, rich_help_panel=_COMPARE)(report)
_add(help=FORGETTING_HELP, rich_help_panel=_COMPARE)(forgetting)
_add(help=BOARD_HELP, rich_help_panel=_COMPARE)(board)

_CHECK = "Manage and check runs"
app.add_typer(runs, rich_help_panel=_CHECK)
app.add_typer(study, rich_help_panel=_CHECK)
app.add_typer(export, rich_help_panel=_CHECK)
_add(help=RERUN_HELP, rich_help_panel=_CHECK)(rerun)
_add(help=AUDIT_HELP, rich_help_panel=_CHECK, context_settings=TAKES_OVERRIDES)(audit)
_add(help=DOCTOR_HELP, rich_help_panel=_CHECK)(doctor)


_READING = ("compare", "early-stopping", "effects", "learning-curve", "runs", "watch", "report")
"""The commands that read runs and end; watch may stay, and makes no cycles."""


def main() -> NoReturn:
    """Run the command that the process was started with, and end the process."""
    protect_streams()
    is_plan = sys.argv[1:2] == ["sweep"] and "--dry-run" in sys.argv
    if is_plan or (sys.argv[1:2] and sys.argv[1] in _READING):
        begin_keeping()
    code = run_command(sys.argv[1:])
    if lost := find_lost_output():
        from dropexp.cli.console import print_error

        print_error(f"the output cannot be written: {lost}.")
        code = code or ExitCode.FAILED
    exit_process(code)


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: what follows ``dropexp`` on the command line.
    """
    if _is_folder_gone() and not _NEEDS_NO_FOLDER & set(arguments):
        from dropexp.cli.console import print_error

        print_error("the current folder does not exist any more; change to another one with cd.")
        return ExitCode.WRONG_INPUT
    forget_added_files()
    try:
        code = app(_multirun_as_sweep(arguments), standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except UsageError as error:
        return _report_usage_error(error)
    except typer.Abort:
        return ExitCode.INTERRUPTED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except DropexpError as error:
        from dropexp.cli.console import print_error

        print_error(str(error))
        return get_exit_code(error)
    except PermissionError as error:
        if error.filename is None:
            raise
        from dropexp.cli.console import print_error

        print_error(f"{error.filename} cannot be read or written: {error.strerror}.")
        return ExitCode.WRONG_INPUT
    return code if isinstance(code, int) else ExitCode.DONE


def _report_usage_error(error: Exception) -> int:
    if message := describe_usage_error(error):
        from dropexp.cli.console import print_error

        print_error(message)
    return ExitCode.WRONG_INPUT


def _is_folder_gone() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _multirun_as_sweep(arguments: list[str]) -> list[str]:
    """Turn Hydra's ``train --multirun`` into ``sweep``, which takes all of its options."""
    flags = {"-m", "--multirun"}
    if arguments[:1] != ["train"] or not flags & set(arguments):
        return arguments
    return ["sweep", *(argument for argument in arguments[1:] if argument not in flags)]
