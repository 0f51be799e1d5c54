"""Settings for TensorBoard: means over seeds and their intervals, which it cannot make itself.

Each setting becomes three runs, its mean and both ends of its interval, with the same tags as
single runs: so TensorBoard draws them into one chart.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.results import Setting
from dropexp.errors import RunsDirError
from dropexp.runs.event_files import SCALAR_TAGS, RecordFile, fresh_path, scalar_values
from dropexp.statistics import Estimate

FOLDER = ".board"
_ENDS = {"mean": "value", "lower 95 %": "low", "upper 95 %": "high"}


def write_board(runs_dir: Path, study: str, settings: Sequence[Setting]) -> Path:
    """Write the event files of a study anew, one folder a setting.

    Args:
        runs_dir: the folder of run folders; the event files go into a folder of their own there.
        study: its name.
        settings: of the study.

    Returns:
        The folder to show in TensorBoard.

    Raises:
        RunsDirError: the folder cannot be written.
    """
    folder = runs_dir / FOLDER / _as_file_name(study)
    try:
        if folder.exists():
            rmtree(folder)
        for setting in settings:
            _write(folder / _as_file_name(setting.name), setting)
    except OSError as error:
        raise RunsDirError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


def _write(folder: Path, setting: Setting) -> None:
    curves = {tag: mean_curve(setting, column) for tag, column in SCALAR_TAGS.items()}
    epochs = max((len(curve.estimates) for curve in curves.values()), default=0)
    for name, end in _ENDS.items():
        (folder / name).mkdir(parents=True)
        now = time.time()
        file = RecordFile(fresh_path(folder / name, now))
        file.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for epoch in range(1, epochs + 1):
            at = {tag: curve.estimates[epoch - 1] for tag, curve in curves.items()}
            summary = Summary(value=scalar_values(_finite(at, end)))
            file.write(Event(wall_time=now, step=epoch, summary=summary).SerializeToString())
        file.close()


def _finite(estimates: Mapping[str, Estimate], end: str) -> dict[str, float]:
    """One end of each estimate; of a single seed there is no interval, and nothing to show."""
    values = {tag: float(getattr(estimate, end)) for tag, estimate in estimates.items()}
    return {tag: value for tag, value in values.items() if value == value}


def _as_file_name(name: str) -> str:
    """A name as that of a folder: TensorBoard shows it, so that little is changed."""
    return re.sub(r"[/\\:*?\"<>|]", "_", name)
