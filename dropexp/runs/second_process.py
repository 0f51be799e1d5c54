"""A second process for a part of the work on many runs, where the system allows it.

It is a copy of this one. It changes nothing outside of itself, and nothing depends on it: what it
does not deliver is done here. Imports no torch.
"""

import os
import pickle
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Value = TypeVar("Value")

_LENGTH = struct.Struct("=Q")


def may_fork() -> bool:
    """Return whether a copy of this process can work.

    It has a copy of this thread only, so that no other one may hold a lock.
    """
    return sys.platform == "linux" and threading.active_count() == 1


def fork(work: Callable[[], None]) -> int | None:
    """Start a process that does some work and ends; return its id, None where there is none."""
    parent = os.getpid()
    try:
        with warnings.catch_warnings():
            # Python 3.12 warns of any thread; those of numpy are idle, and it has prepared them.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if not process:
            work()
    except OSError:
        return None
    finally:
        if os.getpid() != parent:
            os._exit(0)
    return process


def stop(process: int) -> None:
    """End a process of fork, whatever it does."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(process, 0)


def compute_beside(compute: Callable[[], Value]) -> Callable[[], Value]:
    """Begin to compute a value in a second process; return the function that waits for it.

    That function has to be called once. It computes the value here if the other process has not
    delivered it, so that an error is raised as without one.

    Args:
        compute: returns a value that can be pickled.
    """
    if not may_fork():
        return compute
    read_end, write_end = os.pipe()

    def deliver() -> None:
        raw = pickle.dumps(compute(), pickle.HIGHEST_PROTOCOL)
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(_LENGTH.pack(len(raw)) + raw)

    process = fork(deliver)
    os.close(write_end)

    def collect() -> Value:
        with os.fdopen(read_end, "rb") as pipe:
            raw = pipe.read()
        if process is not None:
            stop(process)
        if raw[: _LENGTH.size] != _LENGTH.pack(max(len(raw) - _LENGTH.size, 0)):
            return compute()
        value: Value = pickle.loads(raw[_LENGTH.size :])
        return value

    return collect
