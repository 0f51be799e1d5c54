"""The TensorBoard event file of one run: its scalars, hyperparameters, histograms and images."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.runs.event_files import SCALAR_TAGS, EventFile, make_scalars
from dropexp.runs.hparams import list_hyperparameters, make_session_end, make_session_start
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary
from dropexp.training.tensorboard_values import (
    arrange_images,
    encode_png,
    make_histogram,
)

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_FLUSHES = 1.0


class EventLog:
    """Writes the event file of one run into the run's own folder.

    If writing fails, for example because the disk is full, it warns once and writes no more. The
    run continues, because it is worth more than its TensorBoard curves.
    """

    def __init__(
        self, folder: Path, config: RunConfig, records: Sequence[EpochRecord] = ()
    ) -> None:
        """Start a new event file.

        Args:
            folder: the run's folder. Event files of an interrupted process are removed, because
                they may hold epochs that the resumed run trains again.
            config: the run's config.
            records: the epochs that are already trained; they are written again.
        """
        self._file: EventFile | None = None
        self._last_step = 0
        start = time.time() - sum(record.seconds for record in records)
        try:
            self._file = EventFile(folder, start)
        except OSError as error:
            self._give_up(error)
            return
        # Makes a running TensorBoard forget the values of the removed file.
        restart = Event(wall_time=start, step=0, session_log=SessionLog(status=SessionLog.START))
        self._attempt(lambda file: file.write(restart))
        session = make_session_start(list_hyperparameters(config), config.run_id, start)
        self._write_values(0, [session], wall_time=start)
        for record in records:
            start += record.seconds
            self._write_values(record.epoch, _make_epoch_scalars(record), wall_time=start)
        self._attempt(EventFile.flush)

    def write_epoch(self, record: EpochRecord) -> None:
        """Write the scalars of one epoch."""
        self._write_values(record.epoch, _make_epoch_scalars(record))
        if self._file is not None and self._file.seconds_unflushed >= _SECONDS_BETWEEN_FLUSHES:
            self._attempt(EventFile.flush)

    def write_site_p(self, p_of_sites: Mapping[str, float], epoch: int) -> None:
        """Write each site's p in an epoch, unless all sites have the same p."""
        if len(set(p_of_sites.values())) > 1:
            values = {f"p/{name.replace('.', '/')}": p for name, p in p_of_sites.items()}
            self._write_values(epoch, make_scalars(values))

    def write_weights(self, model: nn.Module, epoch: int) -> None:
        """Write a histogram of every parameter."""
        self._write_values(
            epoch,
            [
                Summary.Value(
                    tag=f"weights/{name.replace('.', '/')}", histo=make_histogram(parameter)
                )
                for name, parameter in model.named_parameters()
            ],
        )

    def write_images(self, images: Tensor) -> None:
        """Write sample inputs, uint8 of shape (N, 1 or 3, H, W), as one picture."""
        picture = encode_png(arrange_images(images))
        self._write_values(0, [Summary.Value(tag="images/train", image=picture)])

    def finish(self, summary: RunSummary) -> None:
        """Write the final results and the run's status, then close the file."""
        values = [make_session_end(is_completed=summary.status is RunStatus.COMPLETED)]
        blocks = {"best": summary.best, "last": summary.last, "mc_dropout": summary.mc_dropout}
        for name, block in blocks.items():
            if block is not None:
                measured = {k: v for k, v in asdict(block).items() if v is not None}
                values += make_scalars({f"{name}/{k}": v for k, v in measured.items()})
        self._write_values(self._last_step, values)
        self._attempt(EventFile.promise)
        self.close()

    def close(self) -> None:
        """Flush and close the file. Later calls, of any method, do nothing."""
        self._attempt(EventFile.close)
        self._file = None

    def _write_values(
        self, step: int, values: Iterable[Any], wall_time: float | None = None
    ) -> None:
        self._last_step = max(self._last_step, step)
        self._attempt(lambda file: file.write_values(step, values, wall_time))

    def _attempt(self, action: Callable[[EventFile], None]) -> None:
        if self._file is None:
            return
        try:
            action(self._file)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        _log.warning("TensorBoard's event file is not complete: %s.", error.strerror or error)
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None


def _make_epoch_scalars(record: EpochRecord) -> list[Summary.Value]:
    values = {tag: getattr(record, name) for tag, name in SCALAR_TAGS.items()}
    return make_scalars({tag: value for tag, value in values.items() if value is not None})
