"""Runs of a folder as a data frame: one row for each run, or for each of its epochs."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from dropexp.api.frames import make_frame, refuse_unavailable
from dropexp.config.paths import parse_path
from dropexp.config.setting import (
    drop_default_data_seeds,
    extract_setting_from_flat,
    name_settings,
    setting_key,
)
from dropexp.errors import StoreError
from dropexp.runs.listed_run import ListedRun, list_keys
from dropexp.runs.listing import list_runs
from dropexp.runs.records import METRICS_COLUMNS, EpochRecord
from dropexp.runs.selection import select_runs


def load_runs(
    folder: str | PathLike[str] = "runs",
    *filters: str,
    curves: bool = False,
    frame: str = "pandas",
) -> Any:
    """Return the runs of a folder as a data frame.

    Args:
        folder: of run folders.
        filters: as for ``dropexp runs``, such as ``"study=quick"`` or ``"p>=0.3"``.
        curves: whether to return a row for each epoch, with the columns of metrics.csv, instead of
            one for each run, with those of ``dropexp runs -f csv``. ``p`` is that of the epoch.
        frame: ``pandas`` or ``polars``.

    Returns:
        A data frame. ``setting`` names what runs have in common that differ in their seed only.
        Missing numbers are NaN in pandas and null in Polars.

    Raises:
        UserError: the folder, a filter or the library is wrong.
        StoreError: with ``curves``, the metrics.csv of a run is damaged.
    """
    refuse_unavailable(frame)
    place = parse_path(Path(folder), f"the folder {folder}")
    every = list_runs(place)
    runs = select_runs(every, filters)
    columns = _list_curves(runs) if curves else _list_values(runs, list_keys(every))
    return make_frame(columns, frame)


def _list_values(runs: Sequence[ListedRun], keys: Sequence[str]) -> dict[str, list[Any]]:
    """Return the values of each run by column, with the setting beside the id."""
    first, *others = keys or ["run_id"]
    return {
        first: [run.get(first) for run in runs],
        "setting": _name_settings(runs),
        **{key: [run.get(key) for run in runs] for key in others},
    }


_OF_RUN = {
    "regulariser": "regulariser.name",
    "regulariser_p": "regulariser.p",
    "seed": "seed",
}
"""Column of the curves → the field of the config that it repeats for every epoch."""


def _list_curves(runs: Sequence[ListedRun]) -> dict[str, list[Any]]:
    """Return the epochs of each run by column; a run that has none has no row."""
    names = ("run_id", "setting", *_OF_RUN, *METRICS_COLUMNS)
    rows = [
        (run.run_id, setting, *map(run.get, _OF_RUN.values()), *record.to_row().values())
        for run, setting in zip(runs, _name_settings(runs), strict=True)
        for record in _read_epochs(run)
    ]
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return {name: list(values) for name, values in zip(names, columns, strict=True)}


def _read_epochs(run: ListedRun) -> list[EpochRecord]:
    """Return the epochs of a run; none where it has not begun its first one.

    Raises:
        StoreError: the run has results, and its metrics.csv is damaged.
    """
    try:
        return run.folder.read_records()
    except StoreError:
        if run.has_results:
            raise
        return []


def _name_settings(runs: Sequence[ListedRun]) -> list[str | None]:
    """Return the name of each run's setting; None for a damaged run, whose config is unknown."""
    whole = [run for run in runs if "data.seed" in run.config]
    fields = drop_default_data_seeds(
        [(int(run.config["seed"]), extract_setting_from_flat(run.config)) for run in whole]
    )
    keys = {id(each): setting_key(each) for each in {id(each): each for each in fields}.values()}
    distinct = {keys[id(each)]: each for each in fields}
    names = dict(zip(distinct, name_settings(list(distinct.values())), strict=True))
    by_run = {id(run): names[keys[id(each)]] for run, each in zip(whole, fields, strict=True)}
    return [by_run.get(id(run)) for run in runs]
