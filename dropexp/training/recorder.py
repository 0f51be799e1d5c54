"""Writes the results of epochs: metrics.csv, the checkpoint, run.log, and to the loggers."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.errors import StoreError
from dropexp.runs.files import CHECKPOINT
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.runs.write import RunFolder
from dropexp.training import checkpoint
from dropexp.training.run_loggers import LoggerView, open_loggers
from dropexp.training.state import TrainingState

_SECONDS_BETWEEN_CHECKPOINTS = 0.5


class Recorder:
    """Writes a run's epochs into its folder while it trains.

    Another thread writes the checkpoint of an epoch while the next epoch trains. A killed
    process loses the current epoch, or half a second of training where epochs are shorter:
    a checkpoint after each short epoch would cost a small run 8 % of its time.

    Args:
        config: of the run.
        folder: of the run, locked by this process.
        state: the training state, with the records of an interrupted run if there was one.
        splits: the data, for sample images.
        view: is told if a logger fails, which never stops the run.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        state: TrainingState,
        splits: Splits,
        view: LoggerView,
    ) -> None:
        self._config = config
        # Computed before training, because pydantic turns a Ctrl-C meanwhile into its own error.
        self._config_hash = config.config_hash
        self._folder = folder
        self._state = state
        self._saver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._saving: Future[None] | None = None
        self._saved_at = time.monotonic()
        self._unsaved: checkpoint.Snapshot | None = None
        folder.begin_metrics(state.records)
        folder.log(f"training from epoch {len(state.records) + 1} of {config.train.epochs}")
        self._loggers = open_loggers(config, folder, state, splits.train.images, view)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._save_last_epoch()
        self._saver.shutdown(wait=True)
        with ExitStack() as closing:  # a Ctrl-C while one of them waits leaves none open
            for logger in reversed(self._loggers):
                closing.callback(logger.close, error)
        if error is not None:
            with suppress(StoreError):
                self._folder.log(f"stopped: {error!r}")

    def write_epoch(self, record: EpochRecord) -> None:
        """Write the results of one epoch, and a checkpoint if one is due."""
        self._folder.append_metrics(record)
        self._folder.log(
            f"epoch {record.epoch}: train_loss {record.train_loss:.4f}, "
            f"val_loss {record.val_loss:.4f}, val_acc {record.val_acc:.4f}"
        )
        for logger in self._loggers:
            logger.write_epoch(record)
        # Copied now: the next epoch changes the state while this checkpoint is being written.
        self._unsaved = checkpoint.take_snapshot(self._state, self._config_hash)
        if time.monotonic() - self._saved_at >= _SECONDS_BETWEEN_CHECKPOINTS:
            self._save_checkpoint()

    def finish(self, summary: RunSummary) -> None:
        """Write the summary, which marks the run as finished, and tell the loggers."""
        if self._config.keep_checkpoint:
            self._save_checkpoint()
        self._wait_for_checkpoint()
        self._folder.write_metrics(self._state.records)
        for logger in self._loggers:
            logger.finish(summary)
        ending = f"{summary.status} after {summary.last.epoch} epochs"
        self._folder.log(ending, is_promised=True)
        self._folder.finish(summary, keep_checkpoint=self._config.keep_checkpoint)

    def _save_checkpoint(self) -> None:
        self._wait_for_checkpoint()
        unsaved, self._unsaved = self._unsaved, None
        if unsaved is not None:
            self._saved_at = time.monotonic()
            self._saving = self._saver.submit(
                lambda: self._folder.write(CHECKPOINT, checkpoint.to_bytes(unsaved))
            )

    def _save_last_epoch(self) -> None:
        """Write the checkpoint of the last finished epoch, where the disk still allows it."""
        with suppress(StoreError):
            self._save_checkpoint()
            self._wait_for_checkpoint()

    def _wait_for_checkpoint(self) -> None:
        if self._saving is not None:
            self._saving.result()
