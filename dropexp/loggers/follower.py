"""The training process's side of a logger: it starts the process that sends a run, and ends it.

A process of its own keeps a tracker's imports, threads, random numbers, output and failures away
from the run. While it trains, the run neither waits for the tracker nor hands anything over: the
process reads the run's own metrics.csv.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from shlex import quote
from threading import Thread
from typing import IO

from dropexp.loggers.registry import Destination
from dropexp.loggers.tracker import Ending

SECONDS_TO_FINISH = 60.0
_SECONDS_UNTIL_NOTE = 5.0
_SECONDS_TO_STOP = 3.0


class Follower:
    """Has one run sent to one tracker while it trains.

    Args:
        folder: of the run.
        destination: where it is sent.
        warn: is told once if sending fails; the run goes on.
        note: is told what the run waits for at its end.
    """

    def __init__(
        self,
        folder: Path,
        destination: Destination,
        warn: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._destination = destination
        self._warn, self._note = warn, note
        self._failures: Queue[str] = Queue()
        self._process: subprocess.Popen[str] | None = None
        try:
            self._start()
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def check(self) -> None:
        """Warn if sending has failed, the first time that this is called after it."""
        if self._process is not None and not self._failures.empty():
            self._give_up(self._failures.get())

    def close(self, ending: Ending) -> None:
        """Have the rest sent, and wait until it has arrived, within limits.

        Args:
            ending: how the run has ended.

        Raises:
            KeyboardInterrupt: the user does not wait.
        """
        self.check()
        if self._process is None:
            return
        self._say(ending)
        is_over = ending in (Ending.COMPLETED, Ending.DIVERGED)
        try:
            self._wait(SECONDS_TO_FINISH if is_over else _SECONDS_TO_STOP, has_note=is_over)
        except subprocess.TimeoutExpired:
            if is_over:
                self._give_up(f"no answer within {SECONDS_TO_FINISH:g} s")
        except KeyboardInterrupt:
            if is_over:
                self._give_up("interrupted")
            raise
        finally:
            self._end()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dropexp.loggers.follow"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_make_environment(),
            # Ctrl-C is for the run, which then says that it has ended.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read_reports, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self._write(
            json.dumps(
                {
                    "folder": str(self._folder.absolute()),
                    "logger": self._destination.logger,
                    "config": self._destination.config.model_dump(mode="json"),
                }
            )
        )

    def _read_reports(self, output: IO[str]) -> None:
        with output:
            for line in output:
                with suppress(ValueError, KeyError, TypeError):
                    self._failures.put(str(json.loads(line)["reason"]))

    def _say(self, ending: Ending) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._write(ending)
        with suppress(OSError):
            self._process.stdin.close()

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended; its report says why
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _wait(self, seconds: float, *, has_note: bool) -> None:
        """Wait until the process has ended.

        Raises:
            subprocess.TimeoutExpired: it has not, after that time.
        """
        assert self._process is not None
        first = min(seconds, _SECONDS_UNTIL_NOTE)
        try:
            code = self._process.wait(first)
        except subprocess.TimeoutExpired:
            if has_note:
                self._note(f"waiting until {self._destination.title} has the results")
            code = self._process.wait(seconds - first)
        if code != 0:
            with suppress(Empty):
                self._give_up(self._failures.get(timeout=_SECONDS_TO_STOP))
                return
            self._give_up(f"its process ended with exit code {code}")

    def _end(self) -> None:
        """End the process, and what it has started, where it still runs."""
        if self._process is None:
            return
        if self._process.poll() is None:
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._reader.join(_SECONDS_TO_STOP)

    def _give_up(self, reason: str) -> None:
        name, title = self._destination.logger, self._destination.title
        words = ["dropexp", "export", name, str(self._folder), *self._destination.options]
        self._warn(
            f"{title} did not receive all of this run ({reason}). The run folder is complete; "
            f"{' '.join(map(quote, words))} sends the rest once the run is finished."
        )
        self._end()
        self._process = None


def _make_environment() -> dict[str, str]:
    """Return the environment of the process, which imports nothing from the current folder."""
    source = str(Path(__file__).parents[2])
    paths = filter(None, (source, os.environ.get("PYTHONPATH")))
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(paths)}
