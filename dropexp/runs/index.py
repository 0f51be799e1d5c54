"""The index of a runs folder: what a list needs of each finished run, in one file.

``<runs_dir>/.index.sqlite`` saves opening two files a run. It is never trusted over the folders: a
run counts only while size, times and inode of its summary.json and config.yaml are those that
they had when they were read, and metrics.csv has its size and inode. It may be deleted at any time,
and whatever is wrong with it, the folders are read instead.

That check is three lstat calls a run, and fewer would not do: the times of a folder change only
with its list of files, and not when somebody edits a file in place. The ctime cannot be set back,
so that no change of a file stays unseen.

The file is never changed: a new one is written beside it and renamed, so that machines that share a
file system need no lock to read it, and the last one to write wins.
"""

import os
import sqlite3
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dropexp.config.shared_config import SeededConfig
from dropexp.runs.current_files import find_current, read_stamp
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.index_file import StoredRecord, format_setting, read_file, survives, write_file
from dropexp.runs.indexed_runs import STAMP, IndexedRuns, make_record
from dropexp.runs.packed import pack_summary
from dropexp.runs.records import RunSummary

INDEX = ".index.sqlite"
_LOCK = ".index.lock"

SETTLED_AFTER = 2.0
"""Seconds after which a file's time tells a later change apart; file systems count in up to 2 s."""

_FEWEST_NEW = 200
_NEW_SHARE = 1 / 200
"""Of the rows. Reading so many runs takes as long as writing the index anew."""


class RunIndex:
    """What the index of a runs folder holds; empty where there is none that can be read.

    Args:
        runs_dir: the folder of run folders.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = str(runs_dir)
        self._blocks = read_file(runs_dir / INDEX)

    def __len__(self) -> int:
        """Return the number of runs, some of which may have changed since."""
        return sum(map(len, self._blocks))

    def check(
        self,
        run_ids: Set[str],
        *,
        with_weights: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Iterator[IndexedRuns]:
        """Yield those of some runs that need not be read from their folders, by setting.

        Args:
            run_ids: the runs that are wanted.
            with_weights: whether to leave out runs whose file of weights is empty.
            meanwhile: see find_current.
        """
        blocks = list(self._select(run_ids))
        checked = find_current(
            self._runs_dir, blocks, with_weights=with_weights, meanwhile=meanwhile
        )
        for runs, is_current in zip(blocks, checked, strict=True):
            if all(is_current):
                yield runs
            elif any(is_current):
                yield runs.select(is_current)

    def _select(self, run_ids: Set[str]) -> Iterator[IndexedRuns]:
        for runs in self._blocks:
            own = set(runs.run_ids)
            if run_ids >= own:
                yield runs
            elif not run_ids.isdisjoint(own):
                yield runs.select([run_id in run_ids for run_id in runs.run_ids])


def stamp_files(runs_dir: Path, run_id: str) -> bytes | None:
    """Return what tells a version of a run's files apart; None unless they are plain files.

    To be called before the files are read: then a change meanwhile is a change since.
    """
    folder = f"{runs_dir}{os.sep}{run_id}{os.sep}"
    try:
        modes = [os.lstat(folder + name).st_mode for name in (SUMMARY, CONFIG, METRICS)]
    except OSError:
        return None
    return read_stamp(folder) or None if all(map(stat.S_ISREG, modes)) else None


def pack_run(
    stamp: bytes, config: Mapping[str, Any], summary: RunSummary, run_id: str
) -> IndexedRuns | None:
    """Return a finished run as the index holds it; None for one that it cannot hold.

    Args:
        stamp: of its files, from before they were read.
        config: its config, flat.
        summary: its results.
        run_id: the name of its folder.
    """
    if not isinstance(config, SeededConfig) or not config.shared.recall(survives):
        return None
    packed = pack_summary(summary, run_id, config)
    if packed is None:
        return None
    record = make_record(config.seed, stamp, packed)
    return IndexedRuns(config.shared, (run_id,), stamp, record)


def is_worth_writing(new: int, rows: int) -> bool:
    """Return whether so many finished runs are to be added to an index of so many rows."""
    return new >= max(_FEWEST_NEW, _NEW_SHARE * rows)


def write_index(runs_dir: Path, runs: Iterable[IndexedRuns], read_since: float) -> None:
    """Write the index anew; leave it as it is where that is not possible.

    Args:
        runs_dir: the folder of run folders.
        runs: finished runs, those of the present index included.
        read_since: when reading them began, by time.monotonic().
    """
    part = runs_dir / f"{INDEX}.{os.getpid()}-{time.time_ns():x}.part"
    with suppress(OSError, sqlite3.Error, Timeout), _lock(runs_dir):
        _remove_parts(runs_dir)
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            # The clock of the file system, which may be another machine's.
            now = part.stat().st_mtime - (time.monotonic() - read_since)
            write_file(part, _collect_settled(runs, now - SETTLED_AFTER))
            part.replace(runs_dir / INDEX)
        finally:
            part.unlink(missing_ok=True)


# --- files --------------------------------------------------------------------------------


def _changed_at(stamp: bytes) -> float:
    """Return when one of the files was last changed, by the clock of the file system."""
    _, mtime, ctime, _, _, other_mtime, other_ctime, *_ = STAMP.unpack(stamp)
    # A file's mtime can be set to any time, its ctime cannot; on Windows that is its creation.
    times = (mtime, other_mtime) if sys.platform == "win32" else (ctime, other_ctime)
    return float(max(times)) / 1e9


@contextmanager
def _lock(runs_dir: Path) -> Iterator[None]:
    """Hold the lock of the only writer.

    Raises:
        Timeout: another process is writing.
        OSError: the folder cannot be written.
    """
    with FileLock(runs_dir / _LOCK).acquire(timeout=0):
        yield


def _remove_parts(runs_dir: Path) -> None:
    """Remove what writers that were killed have left."""
    for part in runs_dir.glob(f"{INDEX}.*.part*"):
        part.unlink(missing_ok=True)


def _collect_settled(runs: Iterable[IndexedRuns], before: float) -> dict[str, list[StoredRecord]]:
    """Return the runs whose files were last changed before a time, by the text of their setting."""
    by_text: dict[str, list[StoredRecord]] = {}
    for packed in runs:
        stamps = list(map(packed.get_stamp, range(len(packed))))
        is_settled = [_changed_at(stamp) < before for stamp in stamps]
        if not any(is_settled):
            continue
        of_setting = by_text.setdefault(packed.shared.recall(format_setting), [])
        columns = zip(packed.read("seed"), packed.run_ids, stamps, strict=True)
        of_setting += [
            StoredRecord(seed, run_id, stamp, packed.get_record(place))
            for place, (seed, run_id, stamp) in enumerate(columns)
            if is_settled[place]
        ]
    return by_text
