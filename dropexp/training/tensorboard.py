"""TensorBoard's event files: an epoch's record as scalars, the config as hyperparameters.

Records are written in the calling thread: TensorBoard's EventFileWriter has a thread of its own,
which dies unseen when the disk is full and takes interpreter time from the training loop.
"""

import logging
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
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.runs.event_files import RecordFile, fresh_path, scalar_values
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.training.tensorboard_values import (
    epoch_values,
    histogram,
    image_grid,
    png,
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
