"""The index of a runs folder: what a list needs of each finished run, in one file.

``<runs_dir>/.index.sqlite`` saves opening two files a run. It is never trusted over the folders: a
row counts only while size, times and inode of the run's summary.json and config.yaml are those that
they had when they were read, and metrics.csv has its size. It may be deleted at any time, and
whatever is wrong with it, the folders are read instead.

The file is never changed: a new one is written beside it and renamed, so that machines that share a
file system need no lock to read it, and the last one to write wins.
"""

import json
import os
import sqlite3
import stat
import struct
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from dropexp.config.parsing import check_plain, parse_json
from dropexp.config.shared_config import SeededConfig, SharedConfig
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.packed import NUMBERS, PACKED_SIZE, pack_summary
from dropexp.runs.parsing import check_config
from dropexp.runs.records import SUMMARY_FORMAT, RunSummary

INDEX = ".index.sqlite"
_LOCK = ".index.lock"
_FORMAT = zlib.crc32(repr((1, SUMMARY_FORMAT, NUMBERS)).encode()) >> 1
"""Of the index; one of another format is written anew."""

_STAMP = struct.Struct("<qqqQqqqQqQ")
"""Size, mtime, ctime and inode of summary.json and config.yaml, size and inode of metrics.csv."""
_HEAD = struct.Struct("<II")
"""The checksum of a record, and the number of its setting."""

_SEED = _METRICS_SIZE = struct.Struct("<q")
_METRICS_SIZE_AT = _HEAD.size + _STAMP.size - 16
_STAMP_AT, _SEED_AT = _HEAD.size, _HEAD.size + _STAMP.size
_RECORD_SIZE = _SEED_AT + _SEED.size + PACKED_SIZE

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
        self._prefix = f"{runs_dir}{os.sep}"
        self._shared, self._rows = _read(runs_dir / INDEX)

    def __len__(self) -> int:
        """Return the number of rows, some of which may be out of date."""
        return len(self._rows)

    def find(self, run_id: str) -> tuple[SeededConfig, bytes, float] | None:
        """Return a finished run; None where it must be read from its folder.

        Returns:
            Its config, the record whose end is its packed summary, and when its summary was
            written, in seconds since 1970.
        """
        record = self._rows.get(run_id)
        if record is None:
            return None
        stamp, changed = _stamp(f"{self._prefix}{run_id}{os.sep}")
        if stamp is None or record[_STAMP_AT:_SEED_AT] != stamp:
            return None
        check, setting = _HEAD.unpack_from(record)
        if setting not in self._shared or _check(run_id, setting, record) != check:
            return None
        (seed,) = _SEED.unpack_from(record, _SEED_AT)
        return SeededConfig(self._shared[setting], seed), record, changed


def stamp_files(runs_dir: Path, run_id: str) -> bytes | None:
    """Return what tells a version of a run's files apart; None unless they are plain files.

    To be called before the files are read: then a change meanwhile is a change since.
    """
    folder = f"{runs_dir}{os.sep}{run_id}{os.sep}"
    try:
        modes = [os.lstat(folder + name).st_mode for name in (SUMMARY, CONFIG, METRICS)]
    except OSError:
        return None
    return _stamp(folder)[0] if all(map(stat.S_ISREG, modes)) else None


def make_record(
    stamp: bytes, config: Mapping[str, Any], summary: RunSummary, run_id: str
) -> bytes | None:
    """Return the record of a finished run for the index; None for one that it cannot hold.

    Args:
        stamp: of its files, from before they were read.
        config: its config, flat.
        summary: its results.
        run_id: the name of its folder.
    """
    if not isinstance(config, SeededConfig) or not config.shared.recall(_survives):
        return None
    packed = pack_summary(summary, run_id, config)
    # The checksum and the setting's number are those of the file that the record gets into.
    return packed and b"".join((bytes(_HEAD.size), stamp, _SEED.pack(config.seed), packed))


def read_metrics_size(record: bytes) -> int:
    """Return the size of a run's metrics.csv in bytes, by its record."""
    size: int = _METRICS_SIZE.unpack_from(record, _METRICS_SIZE_AT)[0]
    return size


def is_worth_writing(new: int, rows: int) -> bool:
    """Return whether so many finished runs are to be added to an index of so many rows."""
    return new >= max(_FEWEST_NEW, _NEW_SHARE * rows)


def write_index(
    runs_dir: Path, runs: Iterable[tuple[str, SeededConfig, bytes]], read_since: float
) -> None:
    """Write the index anew; leave it as it is where that is not possible.

    Args:
        runs_dir: the folder of run folders.
        runs: (run id, config, record) of finished runs, those of the present index included.
        read_since: when reading them began, by time.monotonic().
    """
    part = runs_dir / f"{INDEX}.{os.getpid()}-{time.time_ns():x}.part"
    with suppress(OSError, sqlite3.Error, Timeout), _lock(runs_dir):
        _remove_parts(runs_dir)
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            # The clock of the file system, which may be another machine's.
            now = part.stat().st_mtime - (time.monotonic() - read_since)
            settled = [run for run in runs if _changed_at(run[2]) < now - SETTLED_AFTER]
            _write(part, settled)
            part.replace(runs_dir / INDEX)
        finally:
            part.unlink(missing_ok=True)


# --- files --------------------------------------------------------------------------------


def _stamp(folder: str) -> tuple[bytes | None, float]:
    """Return what tells the versions of the files apart, and when the summary was written.

    None where a file is missing, or its time is beyond the year 2262, which only an archive has.
    """
    try:
        first, second = os.lstat(folder + SUMMARY), os.lstat(folder + CONFIG)
        third = os.lstat(folder + METRICS)
    except OSError:
        return None, 0.0
    values = (
        first.st_size,
        first.st_mtime_ns,
        first.st_ctime_ns,
        first.st_ino,
        second.st_size,
        second.st_mtime_ns,
        second.st_ctime_ns,
        second.st_ino,
        third.st_size,
        third.st_ino,
    )
    try:
        return _STAMP.pack(*values), first.st_mtime
    except struct.error:
        return None, 0.0


def _changed_at(record: bytes) -> float:
    """Return when one of the files was last changed, by the clock of the file system."""
    _, mtime, ctime, _, _, other_mtime, other_ctime, *_ = _STAMP.unpack_from(record, _STAMP_AT)
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


# --- the database -------------------------------------------------------------------------


_TABLES = (
    "CREATE TABLE settings (number INTEGER, text TEXT, checksum INTEGER)",
    "CREATE TABLE runs (id TEXT, record BLOB)",
)
_SELECT_RUNS = (
    "SELECT id, record FROM runs WHERE typeof(id) = 'text' AND typeof(record) = 'blob' "
    "AND length(record) = ? LIMIT ?"
)
_LONGEST_VALUE = 1 << 20  # bytes; a config has no more


def _read(path: Path) -> tuple[dict[int, SharedConfig], dict[str, bytes]]:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return {}, {}
        # Immutable: nobody changes the file in place, and nothing is locked.
        uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            # Views and triggers, which somebody else may have put there, are programs.
            tables = database.execute("SELECT type, sql FROM sqlite_master LIMIT 3").fetchall()
            version = database.execute("PRAGMA user_version").fetchone()
            if version != (_FORMAT,) or tables != [("table", sql) for sql in _TABLES]:
                return {}, {}
            # No more than the file has room for: its pages may lead in circles.
            most = (path.stat().st_size // _RECORD_SIZE + 1, _RECORD_SIZE)
            settings = database.execute("SELECT * FROM settings LIMIT ?", most[:1])
            shared = dict(map(_parse_setting, settings))
            rows = dict(database.execute(_SELECT_RUNS, most[::-1]))
    except (OSError, sqlite3.Error, ValueError, TypeError, LookupError, AttributeError):
        return {}, {}
    except (RecursionError, MemoryError, OverflowError):
        return {}, {}
    return shared, rows


def _write(path: Path, runs: Iterable[tuple[str, SeededConfig, bytes]]) -> None:
    numbers: dict[int, int] = {}  # the same config may have been read twice
    texts: dict[str, int] = {}
    rows = []
    for run_id, config, record in runs:
        number = numbers.get(id(config.shared))
        if number is None:
            text = _format_setting(config.shared)
            number = numbers[id(config.shared)] = texts.setdefault(text, len(texts))
        head = _HEAD.pack(_check(run_id, number, record), number)
        rows.append((run_id, head + record[_HEAD.size :]))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The file is nobody's before it is renamed, and every row has a checksum.
        for setting in ("journal_mode=OFF", "synchronous=OFF", f"user_version={_FORMAT}"):
            database.execute(f"PRAGMA {setting}")
        database.execute("BEGIN")
        for table in _TABLES:
            database.execute(table)
        database.executemany(
            "INSERT INTO settings VALUES (?, ?, ?)",
            [(number, text, _check(text, number)) for text, number in texts.items()],
        )
        database.executemany("INSERT INTO runs VALUES (?, ?)", rows)
        database.execute("COMMIT")


def _check(text: str, number: int, record: bytes = bytes(_HEAD.size)) -> int:
    """Return the checksum of a text, a number, and a record but for its head."""
    return zlib.crc32(record[_HEAD.size :], zlib.crc32(text.encode(), number))


def _format_setting(shared: SharedConfig) -> str:
    return json.dumps([sorted(shared.follows), list(shared.fields.items())])


def _survives(shared: SharedConfig) -> bool:
    """Return whether a config is the same after it was written and read."""
    try:
        _, again = _parse_setting((0, text := _format_setting(shared), _check(text, 0)))
    except (ValueError, TypeError, RecursionError):
        return False
    return repr(again.fields) == repr(dict(shared.fields)) and again.follows == shared.follows


def _parse_setting(row: tuple[Any, Any, Any]) -> tuple[int, SharedConfig]:
    """Return the number and the config of a row.

    Raises:
        ValueError, TypeError: the row is damaged.
    """
    number, text, check = row
    if (type(number), type(text)) != (int, str) or _check(text, number) != check:
        raise ValueError("a setting of the index is damaged")
    follows, items = parse_json(text, has_nan=True)
    fields = dict(items)
    check_plain([follows, fields], has_nan=True)
    check_config({**fields, "seed": 0})
    return number, SharedConfig(fields, frozenset(follows))
