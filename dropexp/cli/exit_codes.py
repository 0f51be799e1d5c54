"""The exit codes of every command."""

from enum import IntEnum

from dropexp.errors import DropexpError, UserError


class ExitCode(IntEnum):
    """The meaning of each code."""

    DONE = 0
    FAILED = 1  # a run failed, diverged or does not agree with its repetition
    WRONG_INPUT = 2  # the request is wrong, nothing was started
    INTERRUPTED = 130  # Ctrl-C or SIGTERM, as a shell reports it


def get_exit_code(error: DropexpError) -> ExitCode:
    """Return the exit code of a command that ends with this error."""
    return ExitCode.WRONG_INPUT if isinstance(error, UserError) else ExitCode.FAILED
