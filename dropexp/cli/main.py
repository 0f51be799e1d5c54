"""How a command of ``dropexp`` begins and ends.

A command imports what is heavy only when it is called: ``dropexp --help`` imports no torch.
"""

import sys
from pathlib import Path
from typing import NoReturn

import typer

from dropexp.cli.commands import build_app
from dropexp.cli.exit_codes import ExitCode, get_exit_code
from dropexp.cli.streams import find_lost_output, protect_streams
from dropexp.cli.usage_errors import UsageError, describe_usage_error
from dropexp.errors import DropexpError
from dropexp.training.startup import begin_keeping, exit_process

_NEEDS_NO_FOLDER = {"--help", "-h", "--version"}

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
    try:
        code = build_app()(_multirun_as_sweep(arguments), standalone_mode=False)
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
