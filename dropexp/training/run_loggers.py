"""What a run is logged to beside its folder: TensorBoard's event file, and trackers."""

from abc import ABC, abstractmethod
from typing import Protocol

from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.loggers.follower import Follower
from dropexp.loggers.registry import list_destinations
from dropexp.loggers.tracker import Ending
from dropexp.regularisers import find_noise_modules, read_p
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary
from dropexp.runs.write import RunFolder
from dropexp.training.state import TrainingState
from dropexp.training.tensorboard import EventLog
from dropexp.training.tensorboard_values import to_bytes

_SAMPLE_IMAGES = 64


class LoggerView(Protocol):
    """Receives what loggers have to say."""

    def note(self, message: str) -> None:
        """Show a message."""

    def warn(self, message: str) -> None:
        """Show a warning."""


class RunLogger(ABC):
    """Logs one run. It fails without an exception: a run is worth more than its log."""

    @abstractmethod
    def write_epoch(self, record: EpochRecord) -> None:
        """Log the results of one epoch."""

    @abstractmethod
    def finish(self, summary: RunSummary) -> None:
        """Log the final results; the run folder has no summary yet."""

    @abstractmethod
    def close(self, error: BaseException | None) -> None:
        """End the log; the run folder is finished, unless an error has stopped the run."""


def open_loggers(
    config: RunConfig, folder: RunFolder, state: TrainingState, images: Tensor, view: LoggerView
) -> list[RunLogger]:
    """Return the loggers of a run that starts or resumes.

    Args:
        config: of the run.
        folder: of the run, whose metrics.csv holds the epochs that are already trained.
        state: the training state.
        images: training images, of which TensorBoard shows some.
        view: is told if a tracker fails.
    """
    loggers: list[RunLogger] = []
    if config.tensorboard.enabled:
        loggers.append(_TensorBoardLogger(config, folder, state, images))
    for destination in list_destinations(config.logger):
        loggers.append(_TrackerLogger(Follower(folder.path, destination, view.warn, view.note)))
    return loggers


class _TensorBoardLogger(RunLogger):
    def __init__(
        self, config: RunConfig, folder: RunFolder, state: TrainingState, images: Tensor
    ) -> None:
        self._model: nn.Module = state.model
        self._has_histograms = config.tensorboard.histograms
        self._events = EventLog(folder.path, config, state.records)
        if config.tensorboard.images:
            self._events.write_images(to_bytes(images[:_SAMPLE_IMAGES].cpu()))

    def write_epoch(self, record: EpochRecord) -> None:
        self._events.write_epoch(record)
        self._events.write_site_p(read_p(find_noise_modules(self._model)), record.epoch)
        if self._has_histograms:
            self._events.write_weights(self._model, record.epoch)

    def finish(self, summary: RunSummary) -> None:
        self._events.finish(summary)

    def close(self, error: BaseException | None) -> None:
        del error
        self._events.close()


class _TrackerLogger(RunLogger):
    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._ending = Ending.FAILED

    def write_epoch(self, record: EpochRecord) -> None:
        del record  # the process of the follower reads it in metrics.csv
        self._follower.check()

    def finish(self, summary: RunSummary) -> None:
        is_completed = summary.status is RunStatus.COMPLETED
        self._ending = Ending.COMPLETED if is_completed else Ending.DIVERGED

    def close(self, error: BaseException | None) -> None:
        # Ctrl-C and SIGTERM are no Exception.
        is_stopped = error is not None and not isinstance(error, Exception)
        failed = Ending.INTERRUPTED if is_stopped else Ending.FAILED
        self._follower.close(self._ending if error is None else failed)
