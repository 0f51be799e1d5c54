"""A process for each run, forked from a server that has imported torch once.

The server is multiprocessing's fork server. A run has torch's state, memory and peak memory to
itself, without the second that importing torch costs; if it is killed, it costs itself only.
"""

import faulthandler
import multiprocessing
import multiprocessing.util
import os
import signal
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, BinaryIO

from dropexp.errors import UserError
from dropexp.runs.durable import append_line
from dropexp.runs.files import LOG
from dropexp.runs.write import RunFolder
from dropexp.sweep.jobs import TOKEN_FILE, Ending, Job, Outcome

_SECONDS_BETWEEN_LOOKS = 0.5

_LONGEST_TEMP_DIR = 70
"""Bytes. The name of a socket has at most 107, macOS allows 103, and Python adds 31."""

_SHORT_TEMP_DIRS = ("/tmp", "/var/tmp")


@cache
def get_context() -> ForkServerContext:
    """Return what makes processes that have imported torch.

    Raises:
        UserError: there is no folder for the socket of the server.
    """
    _choose_folder_of_sockets()
    context = multiprocessing.get_context("forkserver")
    # Without __main__ in the server, every run would import the command's script again.
    context.set_forkserver_preload(["__main__", "dropexp.sweep.preload"])
    return context


def start_fork_server() -> None:
    """Start the process that imports what runs need and forks them; return at once."""
    get_context()
    resource_tracker.ensure_running()  # first, because it unblocks Ctrl-C
    # A terminal sends Ctrl-C to every process of a sweep; the sweep alone decides what ends. The
    # server and its runs inherit that it is blocked; here it arrives a moment later.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _choose_folder_of_sockets() -> None:
    """Have the server's socket in a folder with a short name, if TMPDIR has a long one.

    Raises:
        UserError: there is none.
    """
    configured = tempfile.gettempdir()
    if os.name != "posix" or len(os.fsencode(configured)) <= _LONGEST_TEMP_DIR:
        return
    short = next((each for each in _SHORT_TEMP_DIRS if os.access(each, os.W_OK | os.X_OK)), None)
    if short is None:
        raise UserError(
            f"TMPDIR={configured} has a name that is too long for sockets; name a folder of at "
            f"most {_LONGEST_TEMP_DIR} characters."
        )
    tempfile.tempdir = short
    try:
        multiprocessing.util.get_temp_dir()  # is kept for all sockets of this process
    finally:
        tempfile.tempdir = configured


class RunProcess:
    """A process that trains one run; it ends with this process.

    Args:
        job: the run to train.
        device: to train on instead of the config's; None leaves the config's.
    """

    def __init__(self, job: Job, device: str | None = None) -> None:
        self._job = job
        self._printed = job.sweep_dir / f"{job.run_id}.out"
        self._outcome, outcome = get_context().Pipe(duplex=False)
        self._process = get_context().Process(
            target=_train, args=(job, device, self._printed, outcome), daemon=True
        )
        self._received: Outcome | None = None
        self._is_finishing = False
        with outcome:
            self._process.start()

    def kill(self) -> None:
        """End the process without saving anything; once it has ended, do nothing."""
        self._process.kill()

    def wait(self) -> Outcome:
        """Wait for the end of the run, and return how it ended."""
        self._process.join()
        self._keep_what_was_printed()
        while self._receive():
            pass
        self._outcome.close()
        if self._received is None:
            return Outcome(self._job.run_id, Ending.KILLED, _describe_exit(self._process))
        return self._received

    def _receive(self) -> bool:
        """Read what the process says, that it has trained its last epoch or how it has ended.

        Returns:
            Whether it may say more.
        """
        self._is_finishing = True
        try:
            self._received = self._outcome.recv()
        except (EOFError, OSError):
            return False
        return self._received is None

    def _keep_what_was_printed(self) -> None:
        """Append it to the run's log: it is what a crash leaves behind."""
        folder = RunFolder(self._job.runs_dir, self._job.run_id)
        with suppress(OSError):
            printed = self._printed.read_bytes()
            self._printed.unlink()
            if printed and folder.path.is_dir():
                append_line(folder.path / LOG, printed, is_promised=False)

    @staticmethod
    def wait_for_any(processes: Iterable["RunProcess"]) -> dict["RunProcess", bool]:
        """Wait until a process has trained its last epoch or has ended; say which has ended.

        A process is returned at most once before its end.
        """
        by_sign: dict[Any, RunProcess] = {}
        for process in processes:
            by_sign[process._process.sentinel] = process
            if not process._is_finishing:
                by_sign[process._outcome] = process
        found: dict[RunProcess, bool] = {}
        for sign in wait(list(by_sign)):
            process = by_sign[sign]
            has_ended = isinstance(sign, int)
            if not has_ended:
                process._receive()
            found[process] = has_ended or found.get(process, False)
        return found


def execute(job: Job) -> Outcome:
    """Train a run in a process of its own, on the machine that a launcher has chosen.

    Where the machine cannot reach the sweep's store, train in a temporary folder and return the
    files of the run folder.
    """
    with suppress(ValueError):  # where this is not the main thread, no signal arrives
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep alone decides what ends
    if job.is_stopped:
        return Outcome(job.run_id, Ending.STOPPED)
    if _shares_the_store(job):
        return job.find_outcome() or RunProcess(job).wait()
    with tempfile.TemporaryDirectory(prefix="dropexp-") as name:
        scratch = Path(name)
        outcome = RunProcess(replace(job, runs_dir=scratch, sweep_dir=scratch)).wait()
        return replace(outcome, files=RunFolder(scratch, job.run_id).read_files())


def _shares_the_store(job: Job) -> bool:
    try:
        token = (job.sweep_dir / TOKEN_FILE).read_text(encoding="utf-8")
    except OSError:
        return False
    return token == job.token and os.access(job.runs_dir, os.W_OK)


def _train(job: Job, device: str | None, printed: Path, outcome: Connection) -> None:
    """Train the run: the target of its process."""
    threading.Thread(target=end_with_parents, daemon=True).start()
    with suppress(OSError), _open_to_print(printed) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable()  # a crash of torch leaves the Python line in the run's log
    from dropexp.sweep.training_job import train  # imports torch, which the server has

    outcome.send(train(job, device, lambda: outcome.send(None)))


def _open_to_print(printed: Path) -> BinaryIO:
    try:
        return printed.open("wb")
    except OSError:  # the disk is full: the run finds out by itself what it can write
        return Path(os.devnull).open("wb")


def end_with_parents() -> None:
    """End this process once the process that asked for it, or the fork server, is gone."""
    server, parent = os.getppid(), multiprocessing.parent_process()
    assert parent is not None
    while os.getppid() == server:
        if wait([parent.sentinel], timeout=_SECONDS_BETWEEN_LOOKS):
            break
    os._exit(1)


def _describe_exit(process: multiprocessing.process.BaseProcess) -> str:
    code = process.exitcode
    assert code is not None
    if code < 0:
        hint = "; out of memory?" if -code == signal.SIGKILL else ""
        return f"its process was ended by {signal.Signals(-code).name}{hint}"
    return f"its process ended with exit code {code}"
