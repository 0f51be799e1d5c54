"""TensorBoard's event files: file names, scalar tags and a writer. Imports no torch."""

import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from dropexp.runs import durable
from dropexp.runs.files import EVENTS_PREFIX

SCALAR_TAGS = {
    "loss/noisy_train": "noisy_train_loss",
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "loss/clean_label_train": "clean_label_train_loss",
    "loss/noisy_label_val": "noisy_label_val_loss",
    "loss/gap": "loss_gap",
    "accuracy/train": "train_acc",
    "accuracy/val": "val_acc",
    "accuracy/gap": "acc_gap",
    "lr": "lr",
    "p": "p",
    "seconds": "seconds",
}
"""TensorBoard tag → column of metrics.csv, one value for every epoch in which it was measured."""


class EventFile:
    """The only TensorBoard event file of a folder.

    Every record is written by the calling thread. TensorBoard's own EventFileWriter has a
    thread, which dies without a message when the disk is full and takes time from training.
    """

    def __init__(self, folder: Path, start_time: float | None = None) -> None:
        """Remove the folder's event files and start a new one.

        Args:
            folder: an existing folder.
            start_time: of the first record, in seconds since 1970; None is now.

        Raises:
            OSError: a file cannot be removed or opened.
        """
        self._raw = replace_event_files(folder).open("xb")
        self._writer = RecordWriter(self._raw)
        self._flushed_at = time.monotonic()
        # Every reader expects this version in the first record.
        start_time = time.time() if start_time is None else start_time
        self.write(Event(wall_time=start_time, file_version="brain.Event:2"))

    def write(self, event: Event) -> None:
        """Append one event."""
        self._writer.write(event.SerializeToString())

    def write_values(
        self, step: int, values: Iterable[Summary.Value], wall_time: float | None = None
    ) -> None:
        """Append one event with the values of a step; wall_time=None is now."""
        wall_time = time.time() if wall_time is None else wall_time
        self.write(Event(wall_time=wall_time, step=step, summary=Summary(value=values)))

    @property
    def seconds_unflushed(self) -> float:
        """The seconds since the last flush."""
        return time.monotonic() - self._flushed_at

    def flush(self) -> None:
        """Write buffered records to the disk."""
        self._writer.flush()
        self._flushed_at = time.monotonic()

    def promise(self) -> None:
        """Wait until what was written is on the disk; its name is from the folder's fsync on."""
        self.flush()
        durable.disk.sync(self._raw.fileno())

    def close(self) -> None:
        """Flush and close the file."""
        self._writer.close()


def replace_event_files(folder: Path) -> Path:
    """Remove the folder's event files and return the path of the next one."""
    for stale in folder.glob(f"{EVENTS_PREFIX}*"):
        stale.unlink(missing_ok=True)
    # TensorBoard reads a folder's event files in the order of their names. A name that was used
    # before would make a running TensorBoard wait for the removed file to grow.
    name = f"{EVENTS_PREFIX}{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    return folder / f"{name}.{time.monotonic_ns()}"


def is_event_file(path: Path) -> bool:
    """Return whether a path has the name of an event file."""
    return path.name.startswith(EVENTS_PREFIX)


def make_scalars(values: Mapping[str, float]) -> list[Summary.Value]:
    """Convert a mapping of tag → value to TensorBoard's scalars."""
    return [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
