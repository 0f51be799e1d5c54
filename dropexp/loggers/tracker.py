"""The seam of trackers: what each of MLflow, W&B and Trackio is asked to do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Parameter = str | int | float | bool


class Ending(StrEnum):
    """How a run has ended, or why no more of it comes."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class RunDescription:
    """What a tracker is told of a run before its first epoch.

    Attributes:
        run_id: of dropexp.
        study: its study; empty without one.
        parameters: dotted config key → value, of what determines the run's numbers.
        tags: other facts: name → text.
        started_at: when it started, in seconds since 1970.
    """

    run_id: str
    study: str
    parameters: Mapping[str, Parameter]
    tags: Mapping[str, str]
    started_at: float


@dataclass(frozen=True, slots=True)
class LoggedEpoch:
    """The metrics of one epoch.

    Attributes:
        epoch: from 1.
        ended_at: in seconds since 1970.
        metrics: column of metrics.csv → value.
    """

    epoch: int
    ended_at: float
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of a run, or of what was trained of it.

    Attributes:
        ending: how it has ended.
        ended_at: in seconds since 1970.
        results: name → value, such as ``best.test_loss``; empty unless the run has finished.
    """

    ending: Ending
    ended_at: float
    results: Mapping[str, float]


class TrackedRun(ABC):
    """One run in a tracker, open for writing. Any method may raise any exception."""

    external_id: str
    """The tracker's id of the run, with which it is opened again."""

    @abstractmethod
    def log_epochs(self, epochs: Sequence[LoggedEpoch]) -> None:
        """Send the metrics of epochs, in one request where the tracker allows it."""

    @abstractmethod
    def close(self, end: RunEnd) -> None:
        """Send the end of the run, and wait until all has arrived."""


class Tracker(ABC):
    """A place that receives runs: a server, a file or a folder."""

    @property
    @abstractmethod
    def destination(self) -> str:
        """The place with the project or experiment, without passwords: two are equal if it is."""

    @abstractmethod
    def open(self, run: RunDescription, external_id: str | None) -> TrackedRun:
        """Start a run, or continue one.

        Args:
            run: of dropexp.
            external_id: of the run that an earlier process has started; None starts one.
        """
