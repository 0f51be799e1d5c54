"""The values of a run's TensorBoard event file: hyperparameters, histograms and images."""

import time
from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from torch import Tensor

from dropexp.config.run_config import RunConfig
from dropexp.config.section_base import Section
from dropexp.config.setting import flatten
from dropexp.runs.records import RunStatus, RunSummary

_HISTOGRAM_BUCKETS = 64
_BORDER = 128  # the grey between images, of 255


def arrange_images(images: Tensor, columns: int = 8) -> Tensor:
    """Arrange images in a grid with borders of one pixel.

    If the brightest value is below 128, as in the digits' range of 0 to 16, all values are
    stretched to 0 to 255. Images smaller than 16 pixels are enlarged four times.

    Args:
        images: uint8 of shape (N, C, H, W), N ≥ 1.
        columns: the largest number of images in a row.

    Returns:
        uint8 of shape (C, rows · (H + 1) + 1, columns · (W + 1) + 1), H and W after enlarging.
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


def list_hyperparameters(config: RunConfig) -> dict[str, str | float]:
    """Return a run's hyperparameters for TensorBoard's HParams table, by name.

    Every run has the same keys, and each key has the same type in every run. Otherwise the
    table's columns split, stay empty or lose rows when a reader filters them. For this reason
    the options of regularisers and models are one text each, and train_size is always a text.
    """
    data, train = config.data, config.train
    return {
        "regulariser": config.regulariser.name,
        "p": config.regulariser.p,
        "regulariser_options": _describe_options(config.regulariser, without=("name", "p")),
        "seed": config.seed,
        "data": data.name,
        "train_size": "all" if data.train_size is None else f"{data.train_size:g}",
        "label_noise": data.label_noise,
        "augment": data.augment,
        "model": config.model.name,
        "model_options": _describe_options(config.model, without=("name",)),
        "optimiser": config.optimiser.name,
        "lr": config.optimiser.lr,
        "weight_decay": config.optimiser.weight_decay,
        "schedule": config.optimiser.schedule.name,
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "precision": config.precision,
    }


def _describe_options(section: Section, without: tuple[str, ...]) -> str:
    named = flatten(section.model_dump(mode="json"))
    parts = [
        f"{name}={_format_value(value)}"
        for name, value in named.items()
        if value is not None and name not in without
    ]
    return ", ".join(parts) or "-"


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value)


def make_session_start(config: RunConfig, start_time: float) -> Summary.Value:
    """Make the HParams record of a run's start; start_time is in seconds since 1970."""
    info = SessionStartInfo(group_name=config.run_id, start_time_secs=start_time)
    for name, value in list_hyperparameters(config).items():
        if isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _make_hparams_value("session_start_info", HParamsPluginData(session_start_info=info))


def make_session_end(summary: RunSummary) -> Summary.Value:
    """Make the HParams record of a run's end; a diverged run counts as failed."""
    completed = summary.status is RunStatus.COMPLETED
    status = STATUS_SUCCESS if completed else STATUS_FAILURE
    info = SessionEndInfo(status=status, end_time_secs=time.time())
    return _make_hparams_value("session_end_info", HParamsPluginData(session_end_info=info))


def _make_hparams_value(name: str, content: HParamsPluginData) -> Summary.Value:
    # There is no "experiment" record on purpose. TensorBoard would take the columns of all runs
    # from the first one that it finds; without one it collects the columns from all runs.
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    nothing = TensorProto(
        dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    )
    return Summary.Value(
        tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing
    )


def make_histogram(parameter: Tensor) -> HistogramProto:
    """Count a parameter's finite values in buckets of equal width."""
    # NumPy, because on a busy machine torch's threads spend more time waiting than counting.
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


def encode_png(picture: Tensor) -> Summary.Image:
    """Encode a picture, uint8 of shape (1 or 3, H, W), as a PNG."""
    from PIL import Image  # costs 10 ms, which a run without pictures saves

    channels, height, width = picture.shape
    pixels = picture.cpu().permute(1, 2, 0).squeeze(-1).contiguous().numpy()
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG")
    return Summary.Image(
        height=height,
        width=width,
        colorspace=channels,
        encoded_image_string=encoded.getvalue(),
    )
