"""How far the training steps of a long epoch have come, also for those who watch a run's folder.

Imports no torch.
"""

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from dropexp.config.parsing import read_limited
from dropexp.errors import StoreError

SECONDS_BETWEEN_REPORTS = 0.5

_FILE = ".progress.part"
"""In the run folder. Files of this ending are removed at a run's start and end."""

_MOST_BYTES = 1000
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """The progress within an epoch, while its training steps are taken.

    Attributes:
        epoch: the epoch, from 1.
        epochs: the most epochs of the run.
        steps_done: the training steps of this epoch that are done.
        steps: the training steps of an epoch.
        seconds: since the first step of this epoch.
    """

    epoch: int
    epochs: int
    steps_done: int
    steps: int
    seconds: float

    @property
    def share(self) -> float:
        """The fraction of the epoch's steps that are done, in [0, 1]."""
        return self.steps_done / self.steps

    @property
    def epochs_done(self) -> float:
        """The epochs of the run that are done, with the share of this one."""
        return self.epoch - 1 + self.share

    @property
    def seconds_left(self) -> float:
        """The seconds that the remaining steps of the epoch take at the mean speed so far."""
        return self.seconds / self.steps_done * (self.steps - self.steps_done)


def save_progress(folder: Path, progress: EpochProgress) -> None:
    """Write the progress into a run folder, where the disk allows it.

    It is a hint for commands that watch the run: it may be half written, or lost in a crash.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _NO_LINK
    with suppress(OSError):
        descriptor = os.open(folder / _FILE, flags, 0o666)
        try:
            os.write(descriptor, json.dumps(astuple(progress)).encode())
        finally:
            os.close(descriptor)


def read_progress(folder: Path) -> EpochProgress | None:
    """Return the progress that a run folder holds; None where there is none that can be read."""
    try:
        epoch, epochs, done, steps, seconds = json.loads(read_limited(folder / _FILE, _MOST_BYTES))
        numbers = (int(epoch), int(epochs), int(done), int(steps))
        progress = EpochProgress(*numbers, float(seconds))
    except (OSError, StoreError, ValueError, TypeError, OverflowError, RecursionError):
        return None
    is_possible = 1 <= progress.steps_done <= progress.steps and 0 <= progress.seconds < math.inf
    return progress if is_possible and 1 <= progress.epoch <= progress.epochs else None


def remove_progress(folder: Path) -> None:
    """Remove the progress from a run folder."""
    with suppress(OSError):
        (folder / _FILE).unlink()


ReportStep = Callable[[EpochProgress], None]


class StepCounter:
    """Counts the steps of an epoch, and reports them at most twice a second.

    An epoch below half a second is never reported: looking at the clock costs 50 ns a step.

    Args:
        report: receives the progress; None: nobody does.
        epoch: the epoch, from 1.
        epochs: the most epochs of the run.
        steps: the training steps of an epoch.
    """

    def __init__(self, report: ReportStep | None, epoch: int, epochs: int, steps: int) -> None:
        self._report = report
        self._epoch, self._epochs, self._steps = epoch, epochs, steps
        self._done = 0
        self._start = time.monotonic()
        self._next_report = self._start + SECONDS_BETWEEN_REPORTS

    def count(self) -> None:
        """Count one more step."""
        self._done += 1
        now = time.monotonic()
        if self._report is None or now < self._next_report:
            return
        self._next_report = now + SECONDS_BETWEEN_REPORTS
        self._report(
            EpochProgress(self._epoch, self._epochs, self._done, self._steps, now - self._start)
        )
