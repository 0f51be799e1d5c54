"""A process that has imported torch once, and trains each run in a fork of itself.

``python -m dropexp.sweep.run_server`` reads one request a line from stdin, as JSON, and answers
with one line of JSON on stdout: ``{"ending": …, "message": …}``. A run is a process of its own, so
it has torch's state, memory and peak memory to itself, without the second that importing costs.
"""

import faulthandler
import json
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dropexp.config.compose import to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.errors import BusyError, ConfigError, DropexpError
from dropexp.runs.records import EpochRecord
from dropexp.runs.write import CONFIG, ERROR, LOG, FolderStatus, RunFolder
from dropexp.sweep.worker import STOP, Ending
from dropexp.training.run import run

_CHEAP_TO_FINISH = 5.0
"""Seconds: a run that needs no longer goes on to its end when the sweep is asked to stop."""

_PATIENCE = 1.0
"""Seconds to wait for another process that trains the run; others may be waiting to be done."""


class RunLog:
    """A RunView that writes to the run's log, and stops the run when the sweep is to stop."""

    def __init__(self, folder: RunFolder, stop: Path) -> None:
        self._folder = folder
        self._stop = stop
        self._seconds = 0.0
        self._epochs = 0

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """The header."""
        for line in (run_id, *lines):
            self._folder.log(line)

    def note(self, message: str) -> None:
        """Something that is good to know."""
        self._folder.log(message)

    def warn(self, message: str) -> None:
        """Something that should not be overlooked."""
        self._folder.log(f"warning: {message}")

    def report_audit(self, line: str) -> None:
        """What the audit found."""
        self._folder.log(f"audit {line}")

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """One more epoch is done.

        Raises:
            KeyboardInterrupt: the sweep is to stop, and the rest of the run is not cheap.
        """
        self._seconds += record.seconds
        self._epochs += 1
        left = self._seconds / self._epochs * (epochs - record.epoch)
        if left > _CHEAP_TO_FINISH and self._stop.exists():
            raise KeyboardInterrupt


def train(request: Mapping[str, Any]) -> dict[str, str]:
    """Train the run of a request, and say how it ended."""
    config = RunConfig.from_mapping(request["config"])
    runs_dir = Path(request["runs_dir"])
    folder = RunFolder(runs_dir, config.run_id)
    view = RunLog(folder, Path(request["sweep_dir"]) / STOP)
    if folder.status is FolderStatus.FAILED and folder.changed_at(ERROR) >= request["began_at"]:
        return _answer(Ending.FAILED, folder.read_error())  # in another sweep, meanwhile
    try:
        run(config, view, runs_dir=runs_dir, device=request["device"], patience=_PATIENCE)
    except BusyError:
        return _answer(Ending.BUSY)
    except KeyboardInterrupt:
        return _answer(Ending.STOPPED)
    except ConfigError as error:
        _remember(folder, config, error)
        return _answer(Ending.FAILED, str(error))
    except DropexpError as error:
        return _answer(Ending.FAILED, str(error))
    except Exception as error:  # run() has left the traceback in the folder
        return _answer(Ending.FAILED, f"{type(error).__name__}: {error}")
    return _answer(Ending.FINISHED)


def _answer(ending: Ending, message: str = "") -> dict[str, str]:
    return {"ending": ending.value, "message": message}


def _remember(folder: RunFolder, config: RunConfig, error: ConfigError) -> None:
    """Keep what the config itself forbids, so that a sweep started again does not try it again."""
    with suppress(DropexpError), folder.lock(patience=_PATIENCE):
        if folder.status is not FolderStatus.FINISHED:
            folder.write(CONFIG, to_yaml(config))
            folder.write(ERROR, f"{error}\n")


def main() -> None:
    """Serve until stdin ends."""
    # A terminal's Ctrl-C reaches every process, and the sweep alone decides what is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever prints must not get between the answers
    import dropexp.training.recorder  # noqa: F401 - imported here once, and not by every run

    while line := sys.stdin.buffer.readline():
        _serve(json.loads(line), answers)


def _serve(request: Mapping[str, Any], answers: int) -> None:
    run_id = RunConfig.from_mapping(request["config"]).run_id
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as answered:
        child = os.fork()
        if child == 0:
            _become_a_run(request, answered.fileno(), printed.fileno())
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        _keep_what_was_printed(RunFolder(Path(request["runs_dir"]), run_id), printed.read())
        answered.seek(0)
        answer = answered.read() or json.dumps(_answer(Ending.KILLED, _cause(status))).encode()
    # Not sooner: as long as the child lives it reads stdin, and would take the next request.
    os.write(answers, answer + b"\n")


def _become_a_run(request: Mapping[str, Any], answer: int, printed: int) -> None:
    """Train in this process, which ends here, or with the worker that asked for the run."""
    code = 1
    try:
        threading.Thread(target=_end_with_the_worker, daemon=True).start()
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        faulthandler.enable(file=printed)
        os.write(answer, json.dumps(train(request)).encode())
        code = 0
    except BaseException:
        traceback.print_exc()  # into the run's log
    finally:
        os._exit(code)


def _end_with_the_worker() -> None:
    """Stdin ends when the worker does; until then nothing is written to it."""
    os.read(0, 1)
    os._exit(1)


def _keep_what_was_printed(folder: RunFolder, printed: bytes) -> None:
    if printed and folder.path.is_dir():
        with suppress(OSError), (folder.path / LOG).open("ab") as log:
            log.write(printed)


def _cause(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hint = "; out of memory?" if number == signal.SIGKILL else ""
        return f"its process was ended by {signal.Signals(number).name}{hint}"
    return f"its process ended with exit code {os.waitstatus_to_exitcode(status)}"


if __name__ == "__main__":
    main()
