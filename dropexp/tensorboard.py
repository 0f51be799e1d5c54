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
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tensorboard.compat.proto.event_pb2 import (
    Event,
    SessionLog,
)
from tensorboard.compat.proto.summary_pb2 import (
    HistogramProto,
    Summary,
    SummaryMetadata,
)
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import (
    TensorShapeProto,
)
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_FAILURE,
    STATUS_SUCCESS,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor, nn

from dropexp.config import RunConfig, Section, options
from dropexp.records import EpochRecord, RunStatus, RunSummary

_log = logging.getLogger(__name__)

_SECONDS_BETWEEN_FLUSHES = 1.0
_HISTOGRAM_BUCKETS = 64
_BORDER = 128  # grey, between images

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
        self._file: _RecordFile | None = None
        self._last_step = 0
        now = time.time()
        start = now - sum(record.seconds for record in records)
        try:
            self._file = _RecordFile(_fresh_path(folder, now))
        except OSError as error:
            self._give_up(error)
            return
        self._write(Event(wall_time=start, file_version="brain.Event:2"))
        # A TensorBoard that is already showing the removed file's values forgets them.
        restart = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=start, step=0, session_log=restart))
        self._write_values(0, [_session_start(config, start)], wall_time=start)
        for record in records:
            start += record.seconds
            self._write_values(record.epoch, _scalars_of(record), wall_time=start)
        self._flush()

    def epoch(self, record: EpochRecord) -> None:
        """The scalars of one more epoch."""
        self._write_values(record.epoch, _scalars_of(record))
        if self._file is not None and self._file.seconds_unflushed >= _SECONDS_BETWEEN_FLUSHES:
            self._flush()

    def weights(self, model: nn.Module, epoch: int) -> None:
        """A histogram of every parameter."""
        self._write_values(
            epoch,
            [
                Summary.Value(tag=f"weights/{name.replace('.', '/')}", histo=_histogram(parameter))
                for name, parameter in model.named_parameters()
            ],
        )

    def images(self, images: Tensor) -> None:
        """Sample inputs, uint8 of (N, 1 or 3, H, W), as one picture."""
        picture = _png(image_grid(images))
        self._write_values(0, [Summary.Value(tag="images/train", image=picture)])

    def finish(self, summary: RunSummary) -> None:
        """The final results and how the run ended; closes the file."""
        values = [_session_end(summary)]
        for name, selected in (("best", summary.best), ("last", summary.last)):
            if selected is not None:
                fields = asdict(selected)
                values += _scalars({f"{name}/{field}": fields[field] for field in fields})
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


def image_grid(images: Tensor, columns: int = 8) -> Tensor:
    """Images side by side, with a one-pixel border in between.

    Args:
        images: uint8 of (N, C, H, W), N ≥ 1. Where the brightest value is below 128, as in the
            digits' 0 … 16, all are stretched to 0 … 255.
        columns: of the grid.

    Returns:
        uint8 of (C, rows · (H + 1) + 1, columns · (W + 1) + 1); images smaller than 16 pixels
        are enlarged four times first.
    """
    images = images.cpu()
    brightest = int(images.max())
    if 0 < brightest < 128:
        images = (images.to(torch.int32) * 255 // brightest).to(torch.uint8)
    if max(images.shape[-2:]) < 16:
        images = images.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    missing = rows * columns - len(images)
    tiles = F.pad(images, (1, 0, 1, 0, 0, 0, 0, missing), value=_BORDER)
    # (row, column, C, H, W) → (C, row, H, column, W)
    tiles = tiles.reshape(rows, columns, *tiles.shape[1:]).permute(2, 0, 3, 1, 4)
    grid = tiles.flatten(3, 4).flatten(1, 2)
    return F.pad(grid, (0, 1, 0, 1), value=_BORDER)


# --- what is written ----------------------------------------------------------------------


def _scalars_of(record: EpochRecord) -> list[Any]:
    return _scalars({tag: getattr(record, name) for tag, name in SCALAR_TAGS.items()})


def _scalars(values: Mapping[str, float]) -> list[Any]:
    return [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]


def hyperparameters(config: RunConfig) -> dict[str, str | float]:
    """What TensorBoard's HParams table shows of a run.

    Every run has the same keys, and a key has the same type in every run: otherwise the
    table's columns split, stay empty, or lose rows when they are filtered. That is why options
    which only some regularisers or models have are one text, and train_size, which may be
    "all", always is a text.
    """
    data, train = config.data, config.train
    return {
        "regulariser": config.regulariser.name,
        "p": config.regulariser.p,
        "regulariser_options": _as_text(config.regulariser, without=("name", "p")),
        "seed": config.seed,
        "data": data.name,
        "train_size": "all" if data.train_size is None else f"{data.train_size:g}",
        "label_noise": data.label_noise,
        "augment": data.augment,
        "model": config.model.name,
        "model_options": _as_text(config.model, without=("name",)),
        "optimiser": config.optimiser.name,
        "lr": config.optimiser.lr,
        "weight_decay": config.optimiser.weight_decay,
        "schedule": config.optimiser.schedule.name,
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "precision": config.precision,
    }


def _as_text(section: Section, without: tuple[str, ...]) -> str:
    parts = [f"{name}={_plain(value)}" for name, value in options(section, without=without).items()]
    return ", ".join(parts) or "-"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def _session_start(config: RunConfig, start_time: float) -> Any:
    info = SessionStartInfo(group_name=config.run_id, start_time_secs=start_time)
    for name, value in hyperparameters(config).items():
        if isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _hparams_value("session_start_info", HParamsPluginData(session_start_info=info))


def _session_end(summary: RunSummary) -> Any:
    completed = summary.status is RunStatus.COMPLETED
    status = STATUS_SUCCESS if completed else STATUS_FAILURE
    info = SessionEndInfo(status=status, end_time_secs=time.time())
    return _hparams_value("session_end_info", HParamsPluginData(session_end_info=info))


def _hparams_value(name: str, content: Any) -> Any:
    # There is no "experiment" summary on purpose: TensorBoard would take the first one it finds
    # for the columns of all runs. Without one it computes the columns from all runs.
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    nothing = TensorProto(
        dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    )
    return Summary.Value(
        tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing
    )


def _histogram(parameter: Tensor) -> Any:
    """Buckets of equal width over the finite values; what is not finite is left out."""
    # NumPy, because on a busy machine torch's threads wait for each other longer than they count.
    values = parameter.detach().to("cpu", torch.float64).numpy().ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return HistogramProto()
    counts, edges = np.histogram(values, _HISTOGRAM_BUCKETS)
    return HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )


def _png(grid: Tensor) -> Any:
    from PIL import Image  # 10 ms that most processes need not spend

    channels, height, width = grid.shape
    pixels = grid.cpu().permute(1, 2, 0).squeeze(-1).contiguous().numpy()
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG")
    return Summary.Image(
        height=height,
        width=width,
        colorspace=channels,
        encoded_image_string=encoded.getvalue(),
    )


# --- the file -----------------------------------------------------------------------------


def _fresh_path(folder: Path, now: float) -> Path:
    """The name of a new event file in the folder, from which all others are removed."""
    for stale in folder.glob("events.out.tfevents.*"):
        stale.unlink(missing_ok=True)
    # TensorBoard reads a folder's files in the order of their names, and a fresh one must not
    # have the name of a removed one: whoever reads that would wait for it to grow.
    name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
    return folder / f"{name}.{time.monotonic_ns()}"


class _RecordFile:
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
