"""The exit codes of every command."""

from enum import IntEnum

from dropexp.errors import DropexpError, UserError


class ExitCode(IntEnum):
    """The meaning of each code."""

    DONE = 0
    FAILED = 1  # a run failed or diverged, a check failed, a rerun does not agree
    WRONG_INPUT = 2  # an argument is wrong; nothing was started
    INTERRUPTED = 130  # by Ctrl-C or SIGTERM; 128 + SIGINT, as in a shell


def get_exit_code(error: DropexpError) -> ExitCode:
    """Return the exit code of a command that ends with this error."""
    return ExitCode.WRONG_INPUT if isinstance(error, UserError) else ExitCode.FAILED
