"""Launches runs, again and again, until every one has come to its end."""

import os
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dropexp.config.compose import to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.errors import RunError, StoreError
from dropexp.runs.write import CONFIG, ERROR, FolderStatus, RunFolder
from dropexp.sweep.launchers import Engine
from dropexp.sweep.worker import SHARED, STOP, Ending, Outcome, Request

_MOST_ATTEMPTS = 3
"""Times that a run is launched whose process is killed."""

_MOST_ROUNDS_IN_VAIN = 3
"""Times in a row that an engine may break down without a run having come to its end."""

_BREAKDOWN = ".launcher-error.txt"
_SECONDS_BETWEEN_ROUNDS = 0.2
_PATIENCE = 5.0  # seconds to wait for a run's folder


class Rounds:
    """Hands runs to an engine until nothing is left, in a thread of its own.

    A run is launched again if its process was killed (a bounded number of times), if another
    process was training it, or if the engine broke down while it was under way.

    Args:
        engine: takes the jobs.
        configs: of the runs to launch, first ones first.
        runs_dir: absolute; the folder of run folders.
        sweep_dir: absolute; where the sweep and its workers leave each other signs.
        devices: one for each run at a time, empty where the configs decide.
    """

    def __init__(
        self,
        engine: Engine,
        configs: Sequence[RunConfig],
        runs_dir: Path,
        sweep_dir: Path,
        devices: Sequence[str],
    ) -> None:
        self._engine = engine
        self._left = {config.run_id: config for config in configs}
        self._runs_dir = runs_dir
        self._sweep_dir = sweep_dir
        self._devices = devices
        self._token = uuid.uuid4().hex
        self._attempts: Counter[str] = Counter()
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._error: Exception | None = None
        sign = sweep_dir / SHARED
        sign.write_text(self._token, encoding="utf-8")
        self.began_at = sign.stat().st_mtime
        """By the clock of the file system, which may not be this machine's."""
        self.failures: dict[str, str] = {}
        """Why runs have failed, by id; some failures cannot be written into the folder."""

    @property
    def is_stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Launch no more; runs under way save their state and end."""
        self._stopped.set()
        (self._sweep_dir / STOP).touch()

    def start(self) -> None:
        """Begin to launch."""
        threading.Thread(target=self._run, name="launcher", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; whether it has come."""
        # Not by the thread itself: a join() that Ctrl-C interrupts marks the thread as ended.
        return self._ended.wait(seconds)

    def raise_error(self) -> None:
        """Raise what has ended the thread, if it was not the end of its work."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._launch_until_done()
        except Exception as error:
            if not self.is_stopped:
                self._error = error
        finally:
            self._ended.set()

    def _launch_until_done(self) -> None:
        in_vain = 0
        while self._left and not self.is_stopped:
            before = len(self._left)
            try:
                self._launch_all()
            except Exception as error:
                # Engines differ in what they raise when a worker of theirs is lost.
                self._forget_ended()
                in_vain = in_vain + 1 if len(self._left) == before else 0
                if in_vain >= _MOST_ROUNDS_IN_VAIN:
                    raise self._breakdown(error) from error
            time.sleep(_SECONDS_BETWEEN_ROUNDS)

    def _breakdown(self, error: Exception) -> RunError:
        trace = self._runs_dir / _BREAKDOWN
        trace.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        return RunError(
            f"hydra/launcher={self._engine.name} broke down {_MOST_ROUNDS_IN_VAIN} times in a row "
            f"({reason}); see {trace}. Finished runs are kept; the same command goes on."
        )

    def _launch_all(self) -> None:
        left = list(self._left.values())
        while left and not self.is_stopped:
            size = self._engine.batch_size or len(left)
            batch, left = left[:size], left[size:]
            for outcome in self._engine.launch([self._request(config) for config in batch]):
                self._take(self._left[outcome.run_id], outcome)

    def _request(self, config: RunConfig) -> Request:
        folder = self._folder(config)
        was_begun = folder.changed_at(CONFIG) >= self.began_at
        return Request(
            # A forced run must not begin anew when it is launched again.
            config={**config.to_mapping(), "force": _must_be_forced(config, folder, was_begun)},
            run_id=config.run_id,
            runs_dir=str(self._runs_dir),
            sweep_dir=str(self._sweep_dir),
            token=self._token,
            began_at=self.began_at,
            parent=os.getpid() if self._engine.has_child_workers else None,
            devices=self._devices,
        )

    def _take(self, config: RunConfig, outcome: Outcome) -> None:
        reason = outcome.message
        if outcome.ending is Ending.KILLED:
            self._attempts[outcome.run_id] += 1
            if self._attempts[outcome.run_id] < _MOST_ATTEMPTS:
                return
            reason = f"launched {_MOST_ATTEMPTS} times, and each time {reason}"
            self._write_failure(config, reason)
        elif outcome.ending not in (Ending.FINISHED, Ending.FAILED):
            return
        elif outcome.files:
            reason = self._receive(config, outcome.files) or reason
        del self._left[outcome.run_id]
        if reason and outcome.ending is not Ending.FINISHED:
            self.failures[outcome.run_id] = reason

    def _receive(self, config: RunConfig, files: Mapping[str, bytes]) -> str:
        """Write down a run that was trained where the store cannot be reached; why not, if not."""
        folder = self._folder(config)
        try:
            with folder.lock(patience=_PATIENCE):
                ended_at = folder.ended_at
                if ended_at is None or ended_at < self.began_at:
                    folder.replace_files(files)
        except RunError as error:
            return str(error)
        return ""

    def _write_failure(self, config: RunConfig, reason: str) -> None:
        folder = self._folder(config)
        # What cannot be written is told at the end all the same.
        with suppress(RunError), folder.lock(patience=_PATIENCE):
            folder.write(CONFIG, to_yaml(config))
            folder.write(ERROR, f"{reason}\n")

    def _forget_ended(self) -> None:
        for run_id, config in list(self._left.items()):
            ended_at = self._folder(config).ended_at
            if ended_at is not None and ended_at >= self.began_at:
                del self._left[run_id]

    def _folder(self, config: RunConfig) -> RunFolder:
        return RunFolder(self._runs_dir, config.run_id)


def _must_be_forced(config: RunConfig, folder: RunFolder, was_begun: bool) -> bool:
    """Whether what the folder holds is to be replaced: asked for, or a damaged summary."""
    if was_begun:
        return False
    if folder.status is not FolderStatus.FINISHED:
        return config.force
    try:
        folder.read_summary()
    except StoreError:
        return True
    return config.force
