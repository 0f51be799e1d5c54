"""TensorBoard's event files: their names, records and scalar tags. Imports no torch."""

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

SCALAR_TAGS = {
    "loss/noisy_train": "noisy_train_loss",
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "loss/gap": "loss_gap",
    "accuracy/train": "train_acc",
    "accuracy/val": "val_acc",
    "accuracy/gap": "acc_gap",
    "lr": "lr",
    "p": "p",
    "seconds": "seconds",
}
"""TensorBoard tag → attribute of an EpochRecord, one value for every epoch."""


def scalar_values(values: Mapping[str, float]) -> list[Any]:
    return [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]


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
