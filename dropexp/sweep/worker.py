"""One job of a sweep, as a launcher's worker process does it.

The worker imports no torch and trains nothing itself. It keeps a run server (run_server.py),
which has torch imported and forks a fresh process for every run: so a run that is killed costs
itself only, whatever engine the worker belongs to, and no run inherits another one's state.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from dropexp.runs.write import RunFolder

STOP = "stop"
"""A file of this name in a sweep's folder asks its runs to save their state and end."""

SHARED = "shared"
"""Holds the sweep's token, by which a worker sees that it shares a file system with the sweep."""

_SECONDS_BETWEEN_LOOKS = 0.5
_THREADS = 1
"""Of a run that does not ask for more: on n cores, n runs of one thread beat one of n threads."""


class Ending(StrEnum):
    """How a job ended."""

    FINISHED = "finished"  # the summary says whether it diverged
    FAILED = "failed"
    BUSY = "busy"  # another process is training this run
    STOPPED = "stopped"  # asked to; it can go on
    KILLED = "killed"  # its process died


@dataclass(frozen=True)
class Request:
    """What a worker needs to know to do one job."""

    config: Mapping[str, Any]  # of config.yaml's shape
    run_id: str
    runs_dir: str  # absolute
    sweep_dir: str  # absolute
    token: str
    began_at: float  # when the sweep began, by the file system's clock, in seconds since 1970
    parent: int | None  # the sweep's process, where the engine's workers are that or its children
    devices: Sequence[str] = ()  # one for each run at a time; empty: as the config says

    def to_json(self) -> str:
        """The inverse of from_json."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of to_json."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Outcome:
    """What a worker gives back.

    ``files`` holds the whole run folder where the worker could not write it itself.
    """

    run_id: str
    ending: Ending
    message: str = ""
    files: Mapping[str, bytes] | None = field(default=None, repr=False)


def execute(job: Mapping[str, Any]) -> Outcome:
    """Do one job; the launcher calls this in a process of its own.

    Args:
        job: ``{"request": …}``, a Request as JSON.
    """
    request = Request.from_json(job["request"])
    # On Ctrl-C a terminal tells every process, and the sweep alone decides what is to end. What
    # this process starts inherits it.
    with suppress(ValueError):  # within the sweep's own process this is not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if request.parent not in (None, os.getpid()):
        _end_with(request.parent)
    if not _shares_the_store(request):
        return _elsewhere(request)
    if (Path(request.sweep_dir) / STOP).exists():
        return Outcome(request.run_id, Ending.STOPPED)
    with _device(request) as device:
        return _trained(request, Path(request.runs_dir), device)


@cache
def _end_with(parent: int) -> None:
    """End this process, idle or not, once the sweep that has started it is gone."""

    def end_if_alone() -> None:
        if os.getppid() != parent:
            # The run server's stdin ends with this process, and the server and its run with that.
            os._exit(1)

    def watch() -> None:
        while True:
            end_if_alone()
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    end_if_alone()  # before it does what was handed out before the sweep's death
    threading.Thread(target=watch, name="end with the sweep", daemon=True).start()


def _shares_the_store(request: Request) -> bool:
    try:
        seen = (Path(request.sweep_dir) / SHARED).read_text(encoding="utf-8")
    except OSError:
        return False
    return seen == request.token and os.access(request.runs_dir, os.W_OK)


def _elsewhere(request: Request) -> Outcome:
    """Train in a folder of this machine, and give the files back."""
    with tempfile.TemporaryDirectory(prefix="dropexp-") as scratch:
        outcome = _trained(request, Path(scratch), None)
        files = RunFolder(Path(scratch), request.run_id).read_files()
        return Outcome(outcome.run_id, outcome.ending, outcome.message, files)


@contextmanager
def _device(request: Request) -> Iterator[str | None]:
    """Hold one of the sweep's device slots, None where the config decides."""
    if not request.devices:
        yield None
        return
    for slot, device in enumerate(request.devices):
        lock = FileLock(Path(request.sweep_dir) / f"device-{slot}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        with lock:
            yield device
        return
    yield request.devices[0]


def _trained(request: Request, runs_dir: Path, device: str | None) -> Outcome:
    global _server
    if _server is None or not _server.is_alive:
        _server = RunServer()
    answer = _server.train(
        {
            "config": {**request.config, "threads": request.config["threads"] or _THREADS},
            "runs_dir": str(runs_dir),
            "sweep_dir": request.sweep_dir,
            "began_at": request.began_at,
            "device": device,
        }
    )
    return Outcome(request.run_id, Ending(answer["ending"]), answer["message"])


_server: "RunServer | None" = None


def close() -> None:
    """End this process's run server, if it has one: where a launcher has no workers of its own."""
    if _server is not None:
        _server.close()


class RunServer:
    """A process that has imported what a run needs, and trains each run in a fork of itself."""

    def __init__(self) -> None:
        # A process that has started threads of these libraries cannot be forked safely.
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dropexp.sweep.run_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **limits},
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked again."""
        return self._process.poll() is None

    def train(self, request: Mapping[str, Any]) -> dict[str, str]:
        """Ask for one run, and wait for its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            return {"ending": Ending.KILLED, "message": self._last_words()}
        plain: dict[str, str] = json.loads(answer)
        return plain

    def close(self) -> None:
        """End it, and what it is training."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _last_words(self) -> str:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the process that trains was killed"
