"""Watch how far a set of runs is by reading their folders, whatever launches them.

Imports no torch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import fmean, mean

from dropexp.errors import NewerFormatError, StoreError
from dropexp.runs.attempts import Attempt, has_ended_since
from dropexp.runs.index import RunIndex
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.listing import list_indexed_runs
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary
from dropexp.runs.studies import StudyRun
from dropexp.runs.write import RunFolder
from dropexp.training.progress import EpochProgress, read_progress


@dataclass(frozen=True)
class RunningRun:
    """A run that a process is training."""

    run: StudyRun
    last: EpochRecord | None  # None before its first epoch has ended
    seconds_left: float | None
    within: EpochProgress | None = None  # of the epoch after ``last``, where it is a long one


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended; without results it has failed."""

    run: StudyRun
    results: RunSummary | ListedRun | None  # packed where the run was found in an index
    error: str = ""

    @property
    def summary(self) -> RunSummary | None:
        """Its results as objects; None if it has failed."""
        return self.results.summary if isinstance(self.results, ListedRun) else self.results

    @property
    def is_successful(self) -> bool:
        """Whether it neither failed nor diverged."""
        if isinstance(self.results, ListedRun):
            return self.results.status is ListedStatus.FINISHED
        return self.results is not None and self.results.status is RunStatus.COMPLETED

    @property
    def best_val_loss(self) -> float:
        """The validation loss at the best epoch, nats; infinite without one."""
        if not self.is_successful:
            return inf
        if isinstance(self.results, ListedRun):
            loss: float | None = self.results.get_result("best.val_loss")
            return inf if loss is None else loss
        best = self.summary.best if self.summary is not None else None
        return best.val_loss if best else inf

    @property
    def seconds_per_epoch(self) -> float:
        """The mean time of an epoch; 0 where it is not known."""
        if isinstance(self.results, ListedRun):
            return float(self.results.get_result("seconds") or 0.0) / self.results.epochs
        return 0.0 if self.results is None else self.results.seconds / self.results.last.epoch


@dataclass(frozen=True)
class SettingMean:
    """A setting's validation loss at the best epoch of each run, in nats, mean over seeds."""

    setting: str
    val_loss: float  # infinite if a run has diverged
    seeds: int


@dataclass(frozen=True)
class Progress:
    """A set of runs at one moment."""

    total: int
    ended: tuple[EndedRun, ...]  # in the order in which they were seen
    running: tuple[RunningRun, ...]
    seconds_left: float | None  # None if unknown, or if no run is training
    best: tuple[SettingMean, ...]  # lowest validation loss first

    @property
    def num_successful(self) -> int:
        """How many runs have neither failed nor diverged."""
        return sum(ended.is_successful for ended in self.ended)

    @property
    def unsuccessful(self) -> tuple[EndedRun, ...]:
        """The runs that have failed or diverged."""
        return tuple(ended for ended in self.ended if not ended.is_successful)

    @property
    def num_failed(self) -> int:
        """How many runs have failed."""
        return sum(ended.results is None for ended in self.ended)

    @property
    def num_diverged(self) -> int:
        """How many runs have diverged."""
        return len(self.unsuccessful) - self.num_failed


class Watcher:
    """Reads the folders of a set of runs, again and again.

    Args:
        runs_dir: the folder of run folders.
        runs: the runs to watch.
        at_a_time: how many runs train at the same time, for the estimate of the time left; None:
            as many as are seen to train.
        stale: run id → the attempt whose end does not count, as the run is trained again.
    """

    def __init__(
        self,
        runs_dir: Path,
        runs: Sequence[StudyRun],
        at_a_time: int | None = None,
        stale: Mapping[str, Attempt] | None = None,
    ) -> None:
        self._runs_dir = runs_dir
        self._waiting = {run.run_id: run for run in runs}
        self._total = len(runs)
        self._at_a_time = at_a_time
        self._stale = dict(stale or {})
        self._ended: list[EndedRun] = []
        self._has_looked = False

    def look(self) -> Progress:
        """Return the state of all runs now."""
        running, begun = [], {}
        links = self._list_folders()
        if not self._has_looked:
            self._look_up(links)
        for run_id in links.keys() & self._waiting.keys():
            run, folder = self._waiting[run_id], RunFolder(self._runs_dir, run_id)
            ended = _find_end(run, folder, self._stale.get(run_id))
            if ended is not None:
                self._ended.append(ended)
                del self._waiting[run_id]
                continue
            records = _read_records(folder)
            begun[run_id] = records
            if folder.is_held:
                within = read_progress(folder.path)
                running.append(_describe_running(run, records, within))
        return Progress(
            total=self._total,
            ended=tuple(self._ended),
            running=tuple(sorted(running, key=lambda one: (one.run.seed, one.run.setting))),
            seconds_left=self._estimate_seconds_left(begun, running) if running else None,
            best=rank_settings(self._ended),
        )

    def _look_up(self, links: Mapping[str, bool]) -> None:
        """Find the runs that ended long ago in the index of the folder, without opening files."""
        there = {name for name, is_link in links.items() if not is_link}
        wanted = (self._waiting.keys() & there) - self._stale.keys()
        listed = list_indexed_runs(RunIndex(self._runs_dir), self._runs_dir, wanted)
        found = {run.run_id: run for run in listed}
        for run_id in [run_id for run_id in self._waiting if run_id in found]:
            self._ended.append(EndedRun(self._waiting.pop(run_id), found[run_id]))
        self._has_looked = True

    def _list_folders(self) -> dict[str, bool]:
        """Return the name of each folder → whether it is a link."""
        if not self._runs_dir.is_dir():
            return {}
        with os.scandir(self._runs_dir) as entries:
            return {entry.name: entry.is_symlink() for entry in entries}

    def _estimate_seconds_left(
        self, begun: Mapping[str, Sequence[EpochRecord]], running: Sequence[RunningRun]
    ) -> float | None:
        rates = _mean_seconds_per_epoch(self._ended, begun, self._waiting)
        within = {one.run.run_id: one.within for one in running if one.within is not None}
        for run_id, progress in within.items():  # before a setting's first epoch has ended
            rates.setdefault(self._waiting[run_id].setting, progress.seconds / progress.share)
        if not rates:
            return None
        usual = mean(rates.values())
        left = []
        for run in self._waiting.values():
            now = within.get(run.run_id)
            done = now.epochs_done if now else len(begun.get(run.run_id, ()))
            left.append(rates.get(run.setting, usual) * (run.epochs - done))
        slots = min(self._at_a_time or len(running) or 1, max(1, len(left)))
        return max(sum(left) / slots, max(left, default=0.0))


def rank_settings(ended: Sequence[EndedRun]) -> tuple[SettingMean, ...]:
    """Rank settings by their mean validation loss over the seeds that all of them have finished.

    If there is no such seed, each mean is over the setting's own seeds.
    """
    losses: dict[str, dict[int, float]] = {}
    for one in ended:
        if one.results is not None:
            losses.setdefault(one.run.setting, {})[one.run.seed] = one.best_val_loss
    common = set.intersection(*(set(seeds) for seeds in losses.values())) if losses else set()
    means = [
        SettingMean(setting, fmean(seeds[seed] for seed in common or seeds), len(common or seeds))
        for setting, seeds in losses.items()
    ]
    return tuple(sorted(means, key=lambda one: (one.val_loss, one.setting)))


def _find_end(run: StudyRun, folder: RunFolder, stale: Attempt | None) -> EndedRun | None:
    if not has_ended_since(folder, stale):
        return None
    if folder.status is FolderStatus.FINISHED:
        try:
            return EndedRun(run, folder.read_summary())
        except NewerFormatError as error:
            return EndedRun(run, None, str(error))
        except StoreError:
            return None  # damaged: its command, or another sweep, trains it again
    return None if folder.is_held else EndedRun(run, None, folder.read_error())


def _read_records(folder: RunFolder) -> list[EpochRecord]:
    try:
        return folder.read_records()
    except StoreError:
        return []  # before its first epoch


def _describe_running(
    run: StudyRun, records: Sequence[EpochRecord], within: EpochProgress | None
) -> RunningRun:
    if within is not None and within.epoch <= len(records):
        within = None  # of an epoch that has ended meanwhile
    if not records and within is None:
        return RunningRun(run, None, None)
    if records:
        per_epoch = mean(record.seconds for record in records)
    else:
        assert within is not None
        per_epoch = within.seconds / within.share
    done = len(records) if within is None else within.epochs_done
    last = records[-1] if records else None
    return RunningRun(run, last, per_epoch * (run.epochs - done), within)


def _mean_seconds_per_epoch(
    ended: Sequence[EndedRun],
    begun: Mapping[str, Sequence[EpochRecord]],
    waiting: Mapping[str, StudyRun],
) -> dict[str, float]:
    """Return the mean for each setting, over its finished and its running runs."""
    found: dict[str, list[float]] = {}
    for one in ended:
        if rate := one.seconds_per_epoch:
            found.setdefault(one.run.setting, []).append(rate)
    for run_id, records in begun.items():
        if records:
            rate = mean(record.seconds for record in records)
            found.setdefault(waiting[run_id].setting, []).append(rate)
    return {setting: mean(rates) for setting, rates in found.items()}
