"""Standard streams that are closed, or whose reader is gone: a command goes on without them.

``dropexp train | head -1`` and a terminal that is closed must not end a training.
"""

import io
import os
import sys
from errno import EPIPE
from typing import Any, TextIO

_IN, _OUT, _ERRORS = 0, 1, 2


class _PatientFile(io.FileIO):
    """A descriptor to which nothing more is written once it takes nothing more.

    Attributes:
        error: why that is so; None as long as it takes what is written.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.error is None:
            try:
                return super().write(data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def protect_streams() -> None:
    """Open standard streams that are closed, and let the others fail without an exception."""
    if os.name != "posix":
        return
    for descriptor in (_IN, _OUT, _ERRORS):
        _open_if_closed(descriptor)
    sys.stdin = sys.stdin or open(_IN, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = _make_patient(sys.stdout, _OUT)
    sys.stderr = _make_patient(sys.stderr, _ERRORS)


def find_lost_output() -> str:
    """Return why output could not be written; empty where it was, or nobody wanted to read it."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _PatientFile):
        return ""
    sys.stdout.flush()
    if raw.error is None or raw.error.errno == EPIPE:
        return ""
    return raw.error.strerror or str(raw.error)


def _open_if_closed(descriptor: int) -> None:
    """Open the null device in place of a closed stream, whose number the next file would get."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, descriptor)
        if null != descriptor:
            os.close(null)
        else:
            os.set_inheritable(descriptor, True)


def _make_patient(stream: TextIO | None, descriptor: int) -> TextIO:
    file = io.BufferedWriter(_PatientFile(descriptor, "w", closefd=False))
    if not isinstance(stream, io.TextIOWrapper):
        return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace")
    stream.flush()
    return io.TextIOWrapper(
        file,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
