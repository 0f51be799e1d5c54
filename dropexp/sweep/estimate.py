"""Estimate how long runs take, from finished runs that are like them. Imports no torch."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from dropexp.config.run_config import RunConfig
from dropexp.config.setting import Fields, extract_setting
from dropexp.errors import StoreError
from dropexp.runs.ledger import read_ledger
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder

_CHEAP = ("regulariser.p", "data.seed", "data.label_noise", "optimiser.lr", "train.epochs")
"""Fields that do not change the cost of an epoch."""

_MOST_READ = 500
"""Finished runs to read, the last ones to end first."""


def estimate_seconds(configs: Sequence[RunConfig], runs_dir: Path) -> list[float | None]:
    """Estimate the seconds of training left for each config; None where no finished run is like it.

    Runs are alike if their fields that change the cost of an epoch are equal or, where no run is
    that close, equal but for the regulariser.
    """
    if not configs:
        return []
    exact: dict[Any, list[float]] = {}
    near: dict[Any, list[float]] = {}
    for fields, seconds_per_epoch in _read_finished_runs(runs_dir):
        exact.setdefault(_key(fields), []).append(seconds_per_epoch)
        near.setdefault(_key(fields, "regulariser."), []).append(seconds_per_epoch)
    if not near:
        return [None] * len(configs)
    estimates: list[float | None] = []
    for config in configs:
        fields = extract_setting(config.to_mapping())
        rates = exact.get(_key(fields)) or near.get(_key(fields, "regulariser."))
        left = config.train.epochs - _count_epochs_done(RunFolder(runs_dir, config.run_id), config)
        estimates.append(median(rates) * left if rates else None)
    return estimates


def _count_epochs_done(folder: RunFolder, config: RunConfig) -> int:
    if config.force or folder.status is not FolderStatus.INTERRUPTED:
        return 0
    try:
        return len(folder.read_records())
    except StoreError:
        return 0


def _read_finished_runs(runs_dir: Path) -> Iterator[tuple[Fields, float]]:
    """Yield the fields and the seconds per epoch of each finished run, the last ones first."""
    # By the order of their ends in the ledger, not by the times of files, which a copy changes.
    ends = read_ledger(runs_dir).ends
    for run_id in islice(reversed(list(ends)), _MOST_READ):
        folder = RunFolder(runs_dir, run_id)
        if folder.status is not FolderStatus.FINISHED:
            continue
        try:
            summary, fields = folder.read_summary(), extract_setting(folder.read_config())
        except (StoreError, KeyError, TypeError):
            continue
        yield fields, summary.seconds / summary.last.epoch


def _key(fields: Fields, without: str | None = None) -> frozenset[tuple[str, str]]:
    """Return the fields that decide the cost of an epoch; a section may be left out."""
    return frozenset(
        (key, repr(value))
        for key, value in fields.items()
        if key not in _CHEAP and not (without and key.startswith(without))
    )
