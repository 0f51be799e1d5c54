"""How far a set of runs is, seen by watching the store: the same for every engine.

Imports no torch.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import mean

from dropexp.errors import StoreError
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary
from dropexp.runs.studies import StudyRun
from dropexp.runs.write import FolderStatus, RunFolder


@dataclass(frozen=True)
class Running:
    """A run that a process is training at this moment."""

    run: StudyRun
    last: EpochRecord | None  # None before its first epoch has ended
    seconds_left: float | None


@dataclass(frozen=True)
class Ended:
    """A run that has come to its end; without a summary it has failed."""

    run: StudyRun
    summary: RunSummary | None
    error: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether it neither failed nor diverged."""
        return self.summary is not None and self.summary.status is RunStatus.COMPLETED


@dataclass(frozen=True)
class SettingMean:
    """A setting's validation loss at each run's best epoch, in nats, mean over seeds."""

    setting: str
    val_loss: float  # infinite where a run has diverged
    seeds: int


@dataclass(frozen=True)
class Progress:
    """A set of runs at one moment."""

    total: int
    ended: tuple[Ended, ...]  # in the order in which they were seen
    running: tuple[Running, ...]
    seconds_left: float | None  # None where nothing tells, or nothing is running
    best: tuple[SettingMean, ...]  # the lowest validation loss first

    @property
    def sound(self) -> int:
        """Runs that have ended as they should."""
        return sum(ended.is_sound for ended in self.ended)

    @property
    def unsound(self) -> tuple[Ended, ...]:
        """Runs that have failed or diverged."""
        return tuple(ended for ended in self.ended if not ended.is_sound)

    @property
    def failed(self) -> int:
        """Runs that have failed."""
        return sum(ended.summary is None for ended in self.ended)

    @property
    def diverged(self) -> int:
        """Runs that have diverged."""
        return len(self.unsound) - self.failed


class Watcher:
    """Looks at the folders of a set of runs, again and again.

    Args:
        runs_dir: the folder of run folders.
        runs: the runs to watch.
        at_a_time: how many runs go on at the same time, for the time left; None: as many as are
            seen to.
        again: the runs that are to be trained, whatever their folders hold.
        since: when their training began, in seconds since 1970.
    """

    def __init__(
        self,
        runs_dir: Path,
        runs: Sequence[StudyRun],
        at_a_time: int | None = None,
        again: Collection[str] = (),
        since: float = 0.0,
    ) -> None:
        self._runs_dir = runs_dir
        self._waiting = {run.run_id: run for run in runs}
        self._total = len(runs)
        self._at_a_time = at_a_time
        self._again = frozenset(again)
        self._since = since
        self._ended: list[Ended] = []

    def look(self) -> Progress:
        """The state of all runs now."""
        running, begun = [], {}
        for run_id in self._folders() & self._waiting.keys():
            run, folder = self._waiting[run_id], RunFolder(self._runs_dir, run_id)
            ended = _ended(run, folder, self._since if run_id in self._again else 0.0)
            if ended is not None:
                self._ended.append(ended)
                del self._waiting[run_id]
                continue
            records = _records(folder)
            begun[run_id] = records
            if folder.is_held:
                running.append(_running(run, records))
        return Progress(
            total=self._total,
            ended=tuple(self._ended),
            running=tuple(sorted(running, key=lambda one: (one.run.seed, one.run.setting))),
            seconds_left=self._seconds_left(begun, len(running)) if running else None,
            best=best_settings(self._ended),
        )

    def _folders(self) -> set[str]:
        if not self._runs_dir.is_dir():
            return set()
        return {entry.name for entry in os.scandir(self._runs_dir)}

    def _seconds_left(
        self, begun: Mapping[str, Sequence[EpochRecord]], running: int
    ) -> float | None:
        rates = _seconds_per_epoch(self._ended, begun, self._waiting)
        if not rates:
            return None
        usual = mean(rates.values())
        left = [
            rates.get(run.setting, usual) * (run.epochs - len(begun.get(run.run_id, ())))
            for run in self._waiting.values()
        ]
        slots = min(self._at_a_time or running or 1, max(1, len(left)))
        return max(sum(left) / slots, max(left, default=0.0))


def best_settings(ended: Sequence[Ended]) -> tuple[SettingMean, ...]:
    """Settings by validation loss, over the seeds that all settings seen so far have finished.

    Where there is no such seed, over the seeds that each has.
    """
    losses: dict[str, dict[int, float]] = {}
    for one in ended:
        if one.summary is not None:
            best = one.summary.best if one.is_sound else None
            losses.setdefault(one.run.setting, {})[one.run.seed] = best.val_loss if best else inf
    common = set.intersection(*(set(seeds) for seeds in losses.values())) if losses else set()
    means = [
        SettingMean(setting, mean(seeds[seed] for seed in common or seeds), len(common or seeds))
        for setting, seeds in losses.items()
    ]
    return tuple(sorted(means, key=lambda one: (one.val_loss, one.setting)))


def _ended(run: StudyRun, folder: RunFolder, since: float) -> Ended | None:
    status, ended_at = folder.status, folder.ended_at
    if ended_at is None or ended_at < since:
        return None
    if status is FolderStatus.FINISHED:
        try:
            return Ended(run, folder.read_summary())
        except StoreError as error:
            return Ended(run, None, str(error))
    return None if folder.is_held else Ended(run, None, folder.read_error())


def _records(folder: RunFolder) -> list[EpochRecord]:
    try:
        return folder.read_records()
    except StoreError:
        return []  # before its first epoch


def _running(run: StudyRun, records: Sequence[EpochRecord]) -> Running:
    if not records:
        return Running(run, None, None)
    per_epoch = mean(record.seconds for record in records)
    return Running(run, records[-1], per_epoch * (run.epochs - len(records)))


def _seconds_per_epoch(
    ended: Sequence[Ended],
    begun: Mapping[str, Sequence[EpochRecord]],
    waiting: Mapping[str, StudyRun],
) -> dict[str, float]:
    """By setting, from finished runs and from the epochs of those that are under way."""
    found: dict[str, list[float]] = {}
    for one in ended:
        if one.summary is not None and one.summary.seconds > 0:
            rate = one.summary.seconds / one.summary.last.epoch
            found.setdefault(one.run.setting, []).append(rate)
    for run_id, records in begun.items():
        if records:
            rate = mean(record.seconds for record in records)
            found.setdefault(waiting[run_id].setting, []).append(rate)
    return {setting: mean(rates) for setting, rates in found.items()}
