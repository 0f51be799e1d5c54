"""A study as TensorBoard event files: one run for each setting, its mean over seeds with a band.

The mean has the tags of single runs. The ends of its interval are scalars of the same run, which
the charts of the Custom Scalars tab draw as a band in the run's colour. HParams has a row for each
setting: what differs between settings, and the mean metrics.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from shutil import rmtree

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as custom_scalars

from dropexp.compare.estimates import MetricValues
from dropexp.compare.grouping import find_axes
from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.rules import CONFIDENCE
from dropexp.compare.settings import Setting
from dropexp.config.setting import P_KEY
from dropexp.errors import RunsDirError
from dropexp.runs.event_files import SCALAR_TAGS, EventFile, is_event_file, make_scalars
from dropexp.runs.hparams import HParam, make_session_end, make_session_start, make_table
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate

_OLD_FOLDER = ".board"
_BAND = "upper and lower 95%"
"""The group of the ends' tags; TensorBoard shows groups by name, and these belong last."""

_MEAN = "mean"
_CHARTS = {
    "loss in nats": {
        "validation loss": "loss/val",
        "training loss": "loss/train",
        "loss gap": "loss/gap",
    },
    "accuracy": {
        "validation accuracy": "accuracy/val",
        "training accuracy": "accuracy/train",
        "accuracy gap": "accuracy/gap",
    },
}
_SHOWN_METRICS = ("test_loss", "test_acc", "val_loss", "loss_gap", "best_epoch")
"""The first metrics of HParams, of which TensorBoard shows five unless asked for more."""


def find_board(runs_dir: Path, study: str) -> Path:
    """Return the folder of a study's event files: beside the runs, not below them.

    ``tensorboard --logdir runs`` reads every folder below, hidden ones too.
    """
    if runs_dir.name in ("", ".."):
        runs_dir = runs_dir.resolve()
    return runs_dir.with_name(f"{runs_dir.name}-boards") / _clean_name(study)


def write_board(folder: Path, settings: Sequence[Setting]) -> None:
    """Write the event files of a study, one folder for each setting; replace earlier ones.

    The folder is written whole or not at all.

    Args:
        folder: the folder to write, from find_board; event files in it are removed.
        settings: the study's settings, in the order to show.

    Raises:
        RunsDirError: the folder cannot be written, or has other files.
    """
    folder = folder.resolve()
    part = folder.with_name(f".{folder.name}.part")
    try:
        _refuse_other_files(folder)
        rmtree(part, ignore_errors=True)
        axes = list(find_axes(settings))
        hparams = [_list_hparams(setting, axes) for setting in settings]
        # TensorBoard finds the charts and the columns in any run: the first one has them.
        first = [_make_layout(), _make_columns(settings, hparams)]
        for setting, of_setting in zip(settings, hparams, strict=True):
            _write_setting(part / _clean_name(setting.name), setting, of_setting, first)
            first = []
        if folder.exists():
            rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise RunsDirError(f"{folder} cannot be written: {error.strerror}.") from None
    finally:
        rmtree(part, ignore_errors=True)


def _refuse_other_files(folder: Path) -> None:
    """Raise RunsDirError where a folder has other files than those of a board; they are kept."""
    for path in folder.rglob("*") if folder.exists() else ():
        if not path.is_dir() and not is_event_file(path):
            raise RunsDirError(
                f"{folder} has other files than those of a board, such as {path.name}. Name a new "
                f"folder with --output."
            )


def remove_old_board(runs_dir: Path, study: str) -> None:
    """Remove the event files that earlier versions wrote below the runs folder."""
    folder = runs_dir / _OLD_FOLDER / _clean_name(study)
    if folder.is_dir() and not folder.is_symlink():
        rmtree(folder, ignore_errors=True)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _write_setting(
    folder: Path,
    setting: Setting,
    hparams: Mapping[str, HParam],
    first: Sequence[Summary.Value],
) -> None:
    """Write the event file of a setting.

    Args:
        folder: the folder to make.
        setting: the setting.
        hparams: what its row in HParams shows.
        first: what TensorBoard reads once for all runs.
    """
    folder.mkdir(parents=True)
    curves = {
        tag: mean_curve(setting, column, CONFIDENCE).estimates
        for tag, column in SCALAR_TAGS.items()
    }
    epochs = max(len(estimates) for estimates in curves.values())
    now = time.time()
    session = [make_session_start(hparams, setting.name, now), make_session_end(is_completed=True)]
    with closing(EventFile(folder, now)) as file:
        file.write_values(0, [*first, *session], wall_time=now)
        for epoch in range(1, epochs + 1):
            values = {tag: curves[tag][epoch - 1] for tag in curves if len(curves[tag]) >= epoch}
            file.write_values(epoch, _make_band(values), wall_time=now)
        (means,) = MetricValues([setting], EpochChoice.BEST).estimate_means([setting], CONFIDENCE)
        at_best = {f"{_MEAN}/{key}": estimate for key, estimate in means.items()}
        file.write_values(epochs, _make_band(at_best), wall_time=now)


def _make_band(estimates: Mapping[str, Estimate]) -> list[Summary.Value]:
    """Return each mean, and the ends of its interval as scalars of their own."""
    values: dict[str, float] = {}
    for tag, estimate in estimates.items():
        if math.isnan(estimate.value):
            continue
        values[tag] = estimate.value
        # A band needs all three values at the same steps. One seed has no interval: no band.
        for end, limit in (("lower", estimate.low), ("upper", estimate.high)):
            values[_name_end(tag, end)] = limit if math.isfinite(limit) else estimate.value
    return make_scalars(values)


def _name_end(tag: str, end: str) -> str:
    return f"{_BAND}/{tag.replace('/', ' ')} {end}"


def _make_layout() -> Summary.Value:
    """Return the charts of the Custom Scalars tab: the mean of each setting with its band."""
    layout = layout_pb2.Layout(
        category=[
            layout_pb2.Category(
                title=title, chart=[_make_chart(name, tag) for name, tag in charts.items()]
            )
            for title, charts in _CHARTS.items()
        ]
    )
    # The function of TensorBoard for this needs TensorFlow.
    metadata = SummaryMetadata.FromString(
        custom_scalars.create_summary_metadata().SerializeToString()
    )
    tensor = TensorProto(dtype=DT_STRING, string_val=[layout.SerializeToString()])
    return Summary.Value(tag=custom_scalars.CONFIG_SUMMARY_TAG, metadata=metadata, tensor=tensor)


def _make_chart(name: str, tag: str) -> layout_pb2.Chart:
    series = layout_pb2.MarginChartContent.Series(
        value=tag, lower=_name_end(tag, "lower"), upper=_name_end(tag, "upper")
    )
    title = f"{name}: mean over seeds and 95% interval"
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))


def _make_columns(
    settings: Sequence[Setting], hparams: Sequence[Mapping[str, HParam]]
) -> Summary.Value:
    """Return the columns of HParams; metrics that were not measured have none."""
    values = MetricValues(settings, EpochChoice.BEST)
    known = {key for means in values.estimate_means(settings, CONFIDENCE) for key in means}
    keys = dict.fromkeys((*_SHOWN_METRICS, *METRIC_REGISTRY))
    headings = {f"{_MEAN}/{key}": METRIC_REGISTRY[key].heading for key in keys if key in known}
    return make_table(hparams, ("regulariser", "p"), headings)


def _list_hparams(setting: Setting, axes: Sequence[str]) -> dict[str, HParam]:
    """Return the regulariser, p, what differs between settings, and the number of seeds."""
    found: dict[str, HParam] = {"regulariser": setting.regulariser, "p": float(setting.p)}
    fields = {**setting.options, **{key: setting.fields.get(key) for key in axes}}
    for key, value in fields.items():
        if value is not None and key != P_KEY:
            found[key] = value if isinstance(value, bool | int | float | str) else str(value)
    found["seeds"] = len(setting.completed)
    return found


def _clean_name(name: str) -> str:
    """Return a name in which ``_`` replaces each character that a folder's name cannot have."""
    return re.sub(r"[/\\:*?\"<>|]", "_", name)
