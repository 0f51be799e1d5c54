"""Estimate how long runs take: from finished runs that are like them, or from a timed epoch.

Imports no torch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


TimeEpochs = Callable[[Sequence[RunConfig]], Sequence[float | None]]
"""Returns the seconds of an epoch of each config; None where it could not be timed."""


@dataclass(frozen=True)
class Estimate:
    """How long runs take.

    Attributes:
        seconds: of training that are left for each run; None where nothing is known.
        is_timed: whether some of them come from an epoch that was timed for it.
    """

    seconds: tuple[float | None, ...]
    is_timed: bool = False


def estimate_seconds(
    configs: Sequence[RunConfig], runs_dir: Path, time_epochs: TimeEpochs = lambda _: ()
) -> Estimate:
    """Estimate the seconds of training left for each config.

    Runs are alike if their fields that change the cost of an epoch are equal or, where no run is
    that close, equal but for the regulariser.

    Args:
        configs: of the runs.
        runs_dir: the folder of run folders.
        time_epochs: asked where no finished run is like some of them, with one config of each kind.
    """
    if not configs:
        return Estimate(())
    rates = _Rates()
    for fields, seconds_per_epoch in _read_finished_runs(runs_dir):
        rates.add(fields, seconds_per_epoch)
    of_configs = [extract_setting(config.to_mapping()) for config in configs]
    unknown: dict[Any, int] = {}
    for place, fields in enumerate(of_configs):
        if rates.find(fields) is None:
            unknown.setdefault(_key(fields), place)
    # First one of each kind but for the regulariser, which are like most of the others.
    kinds = {_key(of_configs[place], "regulariser."): place for place in unknown.values()}
    places = [*kinds.values(), *(each for each in unknown.values() if each not in kinds.values())]
    timed = time_epochs([configs[place] for place in places]) if places else ()
    for place, seconds in zip(places, timed, strict=False):
        if seconds is not None:
            rates.add(of_configs[place], seconds)
    estimates: list[float | None] = []
    for config, fields in zip(configs, of_configs, strict=True):
        rate = rates.find(fields)
        left = config.train.epochs - _count_epochs_done(RunFolder(runs_dir, config.run_id), config)
        estimates.append(None if rate is None else rate * left)
    return Estimate(tuple(estimates), any(seconds is not None for seconds in timed))


class _Rates:
    """Seconds per epoch of kinds of runs."""

    def __init__(self) -> None:
        self._exact: dict[Any, list[float]] = {}
        self._near: dict[Any, list[float]] = {}

    def add(self, fields: Fields, seconds_per_epoch: float) -> None:
        self._exact.setdefault(_key(fields), []).append(seconds_per_epoch)
        self._near.setdefault(_key(fields, "regulariser."), []).append(seconds_per_epoch)

    def find(self, fields: Fields) -> float | None:
        """Return the median of runs that are alike; None where there is none."""
        found = self._exact.get(_key(fields)) or self._near.get(_key(fields, "regulariser."))
        return median(found) if found else None


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
