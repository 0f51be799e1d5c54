"""TensorBoard's event files: an epoch's record as scalars, the config as hyperparameters.

Records are written in the calling thread: TensorBoard's EventFileWriter has a thread of its own,
which dies unseen when the disk is full and takes interpreter time from the training loop.
"""

import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import (
    Event,
    SessionLog,
)
from tensorboard.compat.proto.summary_pb2 import (
    Summary,
)
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.training.tensorboard_values import (
    epoch_values,
    histogram,
    image_grid,
    png,
    scalar_values,
    session_end,
    session_start,
)

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_FLUSHES = 1.0


class EventLog:
    """The event file of one run, in the run's own folder.

    A disk that is full, or any other failure to write, ends the event file with a logged
    warning and nothing else: a run is not lost for its TensorBoard curves.
    """

    def __init__(
        self, folder: Path, config: RunConfig, records: Sequence[EpochRecord] = ()
    ) -> None:
        """Start the event file anew.

        Args:
            folder: the run's folder; event files that an interrupted process left there are
                removed, as they may hold epochs which the resumed run trains again.
            config: of the run.
            records: the epochs that were done before, which are written again.
        """
        self._file: RecordFile | None = None
        self._last_step = 0
        now = time.time()
        start = now - sum(record.seconds for record in records)
        try:
            self._file = RecordFile(fresh_path(folder, now))
        except OSError as error:
            self._give_up(error)
            return
        self._write(Event(wall_time=start, file_version="brain.Event:2"))
        # A TensorBoard that is already showing the removed file's values forgets them.
        restart = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=start, step=0, session_log=restart))
        self._write_values(0, [session_start(config, start)], wall_time=start)
        for record in records:
            start += record.seconds
            self._write_values(record.epoch, epoch_values(record), wall_time=start)
        self._flush()

    def epoch(self, record: EpochRecord) -> None:
        """The scalars of one more epoch."""
        self._write_values(record.epoch, epoch_values(record))
        if self._file is not None and self._file.seconds_unflushed >= _SECONDS_BETWEEN_FLUSHES:
            self._flush()

    def strengths(self, sites: Mapping[str, float], epoch: int) -> None:
        """The p of every site in an epoch, where there is more than one to tell."""
        if len(set(sites.values())) > 1:
            values = {f"p/{name.replace('.', '/')}": p for name, p in sites.items()}
            self._write_values(epoch, scalar_values(values))

    def weights(self, model: nn.Module, epoch: int) -> None:
        """A histogram of every parameter."""
        self._write_values(
            epoch,
            [
                Summary.Value(tag=f"weights/{name.replace('.', '/')}", histo=histogram(parameter))
                for name, parameter in model.named_parameters()
            ],
        )

    def images(self, images: Tensor) -> None:
        """Sample inputs, uint8 of (N, 1 or 3, H, W), as one picture."""
        picture = png(image_grid(images))
        self._write_values(0, [Summary.Value(tag="images/train", image=picture)])

    def finish(self, summary: RunSummary) -> None:
        """The final results and how the run ended; closes the file."""
        values = [session_end(summary)]
        blocks = {"best": summary.best, "last": summary.last, "mc_dropout": summary.mc_dropout}
        for name, block in blocks.items():
            if block is not None:
                measured = {k: v for k, v in asdict(block).items() if v is not None}
                values += scalar_values({f"{name}/{k}": v for k, v in measured.items()})
        self._write_values(self._last_step, values)
        self.close()

    def close(self) -> None:
        """Write out what is buffered and close the file; safe at any time, and again."""
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            self._give_up(error)
        self._file = None

    def _write_values(
        self, step: int, values: Iterable[Any], wall_time: float | None = None
    ) -> None:
        self._last_step = max(self._last_step, step)
        wall_time = time.time() if wall_time is None else wall_time
        self._write(Event(wall_time=wall_time, step=step, summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        if self._file is None:
            return
        try:
            self._file.write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _flush(self) -> None:
        if self._file is None:
            return
        try:
            self._file.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        _log.warning("TensorBoard's event file is not complete: %s.", error.strerror or error)
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file = None


# --- the file -----------------------------------------------------------------------------


def fresh_path(folder: Path, now: float) -> Path:
    """The name of a new event file in the folder, from which all others are removed."""
    for stale in folder.glob("events.out.tfevents.*"):
        stale.unlink(missing_ok=True)
    # TensorBoard reads a folder's files in the order of their names, and a fresh one must not
    # have the name of a removed one: whoever reads that would wait for it to grow.
    name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
    return folder / f"{name}.{time.monotonic_ns()}"


class RecordFile:
    """A file of TensorBoard's records that knows how long it has not been flushed."""

    def __init__(self, path: Path) -> None:
        self._writer = RecordWriter(path.open("wb"))
        self._flushed_at = time.monotonic()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    @property
    def seconds_unflushed(self) -> float:
        return time.monotonic() - self._flushed_at

    def flush(self) -> None:
        self._writer.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        self._writer.close()
