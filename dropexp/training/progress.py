"""How far the training steps of a long epoch have come."""

import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS_BETWEEN_REPORTS = 0.5


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
    def seconds_left(self) -> float:
        """The seconds that the remaining steps of the epoch take at the mean speed so far."""
        return self.seconds / self.steps_done * (self.steps - self.steps_done)


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
