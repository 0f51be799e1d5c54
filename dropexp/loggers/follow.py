"""The process that sends a growing run folder to a tracker: ``python -m dropexp.loggers.follow``.

The training process starts it and never waits for it while it trains; see follower.py. Standard
input has a line with what to follow; later a line with the run's ending, or its end where the
training process is gone. Standard output gets one line, with the reason, if sending fails.
"""

import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TextIO

from filelock import FileLock

from dropexp.errors import StoreError
from dropexp.loggers.registry import make_destination
from dropexp.loggers.sending import RunSender
from dropexp.loggers.tracker import Ending
from dropexp.runs.files import LOGGER_LOCKS
from dropexp.runs.write import RunFolder

SECONDS_BETWEEN_BATCHES = 5.0
_SECONDS_BETWEEN_LOOKS = 0.25
_SECONDS_ALONE = 90.0
"""More than the training process waits: this limit is for one that was killed."""
_NICE = 10
_LONGEST_REASON = 160  # characters
_CREDENTIALS = re.compile(r"//[^/\s]*@")


def main() -> int:
    """Follow a run folder to the end of its run; return the exit code."""
    report = _keep_output_for_reports()
    _give_way()
    lines: Queue[str] = Queue()
    Thread(target=_read_lines, args=(lines,), daemon=True).start()
    try:
        _follow(json.loads(lines.get()), lines)
    except Exception as error:  # a tracker's package may raise anything
        report.write(json.dumps({"reason": describe_failure(error)}) + "\n")
        report.flush()
        return 1
    return 0


def describe_failure(error: Exception) -> str:
    """Return the first line of what a tracker's package has raised, without passwords of URIs."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].rstrip(".") if lines else type(error).__name__
    reason = _CREDENTIALS.sub("//", reason)  # it goes into the run's log, which users share
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[: _LONGEST_REASON - 1]}…"


def _follow(request: dict[str, str], lines: "Queue[str]") -> None:
    path = Path(request["folder"])
    destination = make_destination(request["logger"], request["config"])
    folder = RunFolder(path.parent, path.name)
    tracker = destination.make_tracker()
    # The process of a training that was killed may still send what it had read.
    lock = FileLock(path / LOGGER_LOCKS[destination.logger])
    with lock.acquire(poll_interval=_SECONDS_BETWEEN_LOOKS):
        _send(RunSender(folder, tracker, destination.logger), lines)


def _send(sender: RunSender, lines: "Queue[str]") -> None:
    while True:
        with suppress(StoreError):  # metrics.csv is being replaced
            sender.send_epochs()
        try:
            word = lines.get(timeout=SECONDS_BETWEEN_BATCHES)
        except Empty:
            continue
        sender.finish(Ending(word) if word else Ending.INTERRUPTED)
        return


def _read_lines(lines: "Queue[str]") -> None:
    for line in sys.stdin:
        lines.put(line.strip())
    lines.put("")
    time.sleep(_SECONDS_ALONE)
    os.killpg(0, signal.SIGKILL)  # with what packages have started


def _keep_output_for_reports() -> TextIO:
    """Return standard output for reports, and let what packages print go nowhere."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return report


def _give_way() -> None:
    """Leave the cores to the run that trains."""
    if hasattr(os, "nice"):
        os.nice(_NICE)


if __name__ == "__main__":
    code = main()
    # Threads of packages may still wait for a server that does not answer.
    os._exit(code)
