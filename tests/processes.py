"""The real command, started beside a test that watches and signals it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

PLAIN_OUTPUT = {"COLUMNS": "100", "NO_COLOR": "1"}
"""Environment variables that make a command's output the same on every machine."""

_started: list["subprocess.Popen[str]"] = []


def heed_ctrl_c() -> None:
    """For Popen's preexec_fn: what a shell starts in the background ignores Ctrl-C, as we may."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_dropexp(
    folder: Path,
    *arguments: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.STDOUT,
    program: Sequence[str | Path] = ("-m", "dropexp"),
) -> "subprocess.Popen[str]":
    """Start a command in a folder, and in a session of its own.

    The id of the session is that of the command's process. What a test leaves of it, as the test
    has failed, ends with the test.
    """
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env=os.environ | PLAIN_OUTPUT,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )
    _started.append(process)
    return process


def end_started() -> None:
    """Kill what is left of the commands that were started."""
    while _started:
        process = _started.pop()
        with process:
            for pid in list_processes(process.pid):
                kill(pid)


def list_processes(session: int) -> dict[int, str]:
    """Return the living processes of a session, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == session:
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except (OSError, ProcessLookupError):
                continue
    return {pid: command for pid, command in found.items() if command}


def kill(pid: int) -> None:
    """End a process at once; it may have ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for what takes a moment, or minutes on a busy machine."""
    deadline = time.monotonic() + 200
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)
