"""A study as TensorBoard event files: each setting's mean over seeds and its interval.

A setting becomes three TensorBoard runs: its mean, and the low and the high end of its interval.
They have the tags of single runs, so that TensorBoard draws all of them in one chart.
"""

import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.settings import Setting
from dropexp.errors import RunsDirError
from dropexp.runs.event_files import SCALAR_TAGS, EventFile, make_scalars
from dropexp.statistics import Estimate

FOLDER = ".board"
_PARTS = {"mean": "value", "lower 95 %": "low", "upper 95 %": "high"}
"""Name of a TensorBoard run → attribute of Estimate."""


def write_board(runs_dir: Path, study: str, settings: Sequence[Setting]) -> Path:
    """Write the event files of a study, one folder for each setting; replace earlier ones.

    Args:
        runs_dir: the folder of run folders. The event files go into its subfolder ``.board``.
        study: the study's name.
        settings: the study's settings.

    Returns:
        The folder to show in TensorBoard.

    Raises:
        RunsDirError: the folder cannot be written.
    """
    folder = runs_dir / FOLDER / _clean_name(study)
    try:
        if folder.exists():
            rmtree(folder)
        for setting in settings:
            _write_setting(folder / _clean_name(setting.name), setting)
    except OSError as error:
        raise RunsDirError(f"{folder} cannot be written: {error.strerror}.") from None
    return folder


def _write_setting(folder: Path, setting: Setting) -> None:
    curves = {tag: mean_curve(setting, column).estimates for tag, column in SCALAR_TAGS.items()}
    epochs = max(len(estimates) for estimates in curves.values())
    for name, attribute in _PARTS.items():
        (folder / name).mkdir(parents=True)
        now = time.time()
        file = EventFile(folder / name, now)
        for epoch in range(1, epochs + 1):
            values = {tag: _read(curves[tag][epoch - 1], attribute) for tag in curves}
            # A single seed has no interval: its ends are NaN.
            known = {tag: value for tag, value in values.items() if not math.isnan(value)}
            file.write_values(epoch, make_scalars(known), wall_time=now)
        file.close()


def _read(estimate: Estimate, attribute: str) -> float:
    return float(getattr(estimate, attribute))


def _clean_name(name: str) -> str:
    """Return a name in which ``_`` replaces each character that a folder's name cannot have."""
    return re.sub(r"[/\\:*?\"<>|]", "_", name)
