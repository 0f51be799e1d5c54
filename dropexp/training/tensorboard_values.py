"""What goes into TensorBoard's event files: scalars, hyperparameters, histograms, images."""

import time
from io import BytesIO
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
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
from torch import Tensor

from dropexp.config.run_config import RunConfig
from dropexp.config.sections import Section
from dropexp.config.setting import flat
from dropexp.runs.event_files import SCALAR_TAGS, scalar_values
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary

_HISTOGRAM_BUCKETS = 64
_BORDER = 128  # grey, between images


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


def epoch_values(record: EpochRecord) -> list[Any]:
    return scalar_values({tag: getattr(record, name) for tag, name in SCALAR_TAGS.items()})


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
    named = flat(section.model_dump(mode="json"))
    parts = [
        f"{name}={_plain(value)}"
        for name, value in named.items()
        if value is not None and name not in without
    ]
    return ", ".join(parts) or "-"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def session_start(config: RunConfig, start_time: float) -> Any:
    info = SessionStartInfo(group_name=config.run_id, start_time_secs=start_time)
    for name, value in hyperparameters(config).items():
        if isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _hparams_value("session_start_info", HParamsPluginData(session_start_info=info))


def session_end(summary: RunSummary) -> Any:
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


def histogram(parameter: Tensor) -> Any:
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


def png(grid: Tensor) -> Any:
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
