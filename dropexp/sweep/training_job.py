"""Train the run of a job; called in the process of the run. Imports torch."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from dropexp.config.compose import to_yaml
from dropexp.errors import (
    BusyError,
    ConfigError,
    DiskError,
    DropexpError,
    RunsDirError,
    StoreError,
)
from dropexp.runs.attempts import has_ended_since, make_attempt, record_attempt
from dropexp.runs.durable import find_store_problem
from dropexp.runs.files import CONFIG, ERROR
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import EpochRecord
from dropexp.runs.write import RunFolder
from dropexp.sweep.jobs import STOP_FILE, Ending, Job, Outcome, Work
from dropexp.training.progress import EpochProgress, remove_progress, save_progress
from dropexp.training.run import run

_CHEAP_TO_FINISH = 5.0
"""Seconds: a run with no more left trains to its end when the sweep is asked to stop."""

_SECONDS_BETWEEN_SAVES = 1.0

_PATIENCE = 1.0
"""Seconds to wait for another process that trains the run, as other runs may be waiting."""


class RunLog:
    """A RunView that writes to the run's log, and stops the run when the sweep is to stop.

    Args:
        folder: of the run.
        stop_file: asks the run to stop, once it exists.
        on_last_epoch: called after the last epoch, while the run is measured and written.
    """

    def __init__(
        self,
        folder: RunFolder,
        stop_file: Path,
        on_last_epoch: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._stop_file = stop_file
        self._on_last_epoch = on_last_epoch
        self._seconds = 0.0
        self._epochs = 0
        self._next_save = 0.0
        self._has_progress = False

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """Log the run's id and description."""
        remove_progress(self._folder.path)  # of a process that was killed
        for line in (run_id, *lines):
            self._folder.log(line)

    def note(self, message: str) -> None:
        """Log a message."""
        self._folder.log(message)

    def warn(self, message: str) -> None:
        """Log a warning."""
        self._folder.log(f"warning: {message}")

    def report_audit(self, line: str) -> None:
        """Log the result of the audit."""
        self._folder.log(f"audit {line}")

    def report_step(self, progress: EpochProgress) -> None:
        """Leave the progress in the folder for the sweep that watches it, once a second at most."""
        now = time.monotonic()
        if now >= self._next_save:
            self._next_save = now + _SECONDS_BETWEEN_SAVES
            save_progress(self._folder.path, progress)
            self._has_progress = True

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """Stop the run after an epoch if the sweep asks for it and much is left to train.

        Raises:
            KeyboardInterrupt: the run is to stop.
        """
        if self._has_progress:
            remove_progress(self._folder.path)  # it would look like the next epoch's
            self._has_progress = False
        self._seconds += record.seconds
        self._epochs += 1
        left = self._seconds / self._epochs * (epochs - record.epoch)
        if left > _CHEAP_TO_FINISH and self._stop_file.exists():
            raise KeyboardInterrupt
        if record.epoch == epochs:
            self._on_last_epoch()


def train(
    job: Job, device: str | None, on_last_epoch: Callable[[], None] = lambda: None
) -> Outcome:
    """Train the run of a job, and return how it ended.

    Args:
        job: the run to train.
        device: to train on instead of the config's; None leaves the config's.
        on_last_epoch: called after the last epoch, while the run is measured and written.
    """
    folder = RunFolder(job.runs_dir, job.run_id)
    view = RunLog(folder, job.sweep_dir / STOP_FILE, on_last_epoch)
    try:
        finished = run(
            job.config,
            view,
            runs_dir=job.runs_dir,
            device=device,
            patience=_PATIENCE,
            sweep=job.token,
            must_replace=lambda held: _must_replace(job, held),
        )
    except BusyError:
        return Outcome(job.run_id, Ending.BUSY)
    except KeyboardInterrupt:
        return Outcome(job.run_id, Ending.STOPPED)
    except ConfigError as error:
        _write_error(folder, job, error)
        return Outcome(job.run_id, Ending.FAILED, str(error), Work.TRAINED)
    except DiskError as error:
        return Outcome(job.run_id, Ending.NO_DISK, error.reason)
    except (RunsDirError, StoreError) as error:
        if problem := find_store_problem(job.runs_dir):
            return Outcome(job.run_id, Ending.NO_DISK, problem)
        return Outcome(job.run_id, Ending.FAILED, str(error), Work.TRAINED)
    except DropexpError as error:
        return Outcome(job.run_id, Ending.FAILED, str(error), Work.TRAINED)
    except Exception as error:  # run() has left the traceback in the folder
        message = f"{type(error).__name__}: {error}"
        return Outcome(job.run_id, Ending.FAILED, message, Work.TRAINED)
    if not finished.is_reused:
        work = Work.TRAINED
    else:
        work = Work.MEASURED if finished.is_measured else Work.NOTHING
    return Outcome(job.run_id, Ending.FINISHED, work=work)


def _must_replace(job: Job, folder: RunFolder) -> bool:
    """Return whether to replace what the folder holds; called under its lock.

    Raises:
        BusyError: another process has tried the run meanwhile, and it has failed.
    """
    if folder.status is FolderStatus.FAILED and has_ended_since(folder, job.stale):
        raise BusyError(f"another process has trained {job.run_id}.")
    return job.must_replace(folder)


def _write_error(folder: RunFolder, job: Job, error: ConfigError) -> None:
    """Mark a run that its config forbids as failed, so that later sweeps leave it alone."""
    with suppress(DropexpError), folder.lock(patience=_PATIENCE):
        if folder.status is not FolderStatus.FINISHED:
            folder.write(CONFIG, to_yaml(job.config))
            record_attempt(folder, make_attempt(job.token))
            folder.write(ERROR, f"{error}\n")
