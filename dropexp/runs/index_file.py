"""The file of an index: a SQLite database of configs, and of the runs of each in blocks.

Whatever is wrong with a file, reading it raises nothing and costs no more memory than the file has
room for: somebody else may have made it.
"""

import json
import os
import sqlite3
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from dropexp.config.parsing import check_plain, parse_json
from dropexp.config.shared_config import SharedConfig
from dropexp.runs.indexed_runs import RECORD_SIZE, STAMP, IndexedRuns
from dropexp.runs.packed import NUMBERS
from dropexp.runs.parsing import check_config
from dropexp.runs.records import SUMMARY_FORMAT

_FORMAT = zlib.crc32(repr((2, sys.byteorder, SUMMARY_FORMAT, NUMBERS)).encode()) >> 1
"""Of the index; one of another format is written anew."""

_MOST_IN_BLOCK = 1000  # runs


class StoredRecord(NamedTuple):
    """A run as it gets into the file."""

    seed: int
    run_id: str
    stamp: bytes
    record: bytes


_TABLES = (
    "CREATE TABLE settings (number INTEGER, text TEXT, checksum INTEGER)",
    "CREATE TABLE runs (setting INTEGER, ids TEXT, stamps BLOB, records BLOB, checksum INTEGER)",
)
_LONGEST_VALUE = 1 << 20  # bytes; a config has no more


def read_file(path: Path) -> list[IndexedRuns]:
    """Return the runs of an index by setting; none where there is no index that can be read."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return []
        # Immutable: nobody changes the file in place, and nothing is locked.
        uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            # Views and triggers, which somebody else may have put there, are programs.
            tables = database.execute("SELECT type, sql FROM sqlite_master LIMIT 3").fetchall()
            version = database.execute("PRAGMA user_version").fetchone()
            if version != (_FORMAT,) or tables != [("table", sql) for sql in _TABLES]:
                return []
            # No more than the file has room for: its pages may lead in circles.
            size = path.stat().st_size
            most = (size // RECORD_SIZE + 1,)
            settings = database.execute("SELECT * FROM settings LIMIT ?", most)
            shared = dict(map(_parse_setting, settings))
            rows = database.execute("SELECT * FROM runs LIMIT ?", most)
            return list(_parse_blocks(rows, shared, size))
    except (OSError, sqlite3.Error, ValueError, TypeError, LookupError, AttributeError):
        return []
    except (RecursionError, MemoryError, OverflowError):
        return []


def _parse_blocks(
    rows: Iterable[Sequence[Any]], shared: Mapping[int, SharedConfig], most: int
) -> Iterator[IndexedRuns]:
    """Yield the runs of each row; a row that is damaged is left out.

    Args:
        rows: of the table of runs.
        shared: the configs of the settings by their numbers.
        most: bytes that all rows may have together.

    Raises:
        ValueError: they have more.
    """
    for setting, ids, stamps, records, check in rows:
        if tuple(map(type, (setting, ids, stamps, records))) != (int, str, bytes, bytes):
            continue
        most -= len(ids) + len(stamps) + len(records)
        if most < 0:
            raise ValueError("the rows are larger than the file")
        run_ids = list(map(sys.intern, ids.split("\n")))
        sizes = (len(run_ids) * STAMP.size, len(run_ids) * RECORD_SIZE)
        is_whole = (len(stamps), len(records)) == sizes
        if setting in shared and is_whole and _check(ids, setting, stamps, records) == check:
            yield IndexedRuns(shared[setting], run_ids, stamps, records)


def write_file(path: Path, runs: Mapping[str, list[StoredRecord]]) -> None:
    """Write an index into an empty file.

    Args:
        path: of the file.
        runs: by the text of their setting; see format_setting.

    Raises:
        sqlite3.Error: it cannot be written.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The file is nobody's before it is renamed, and every row has a checksum.
        for setting in ("journal_mode=OFF", "synchronous=OFF", f"user_version={_FORMAT}"):
            database.execute(f"PRAGMA {setting}")
        database.execute("BEGIN")
        for table in _TABLES:
            database.execute(table)
        for number, (text, of_setting) in enumerate(runs.items()):
            row = (number, text, _check(text, number))
            database.execute("INSERT INTO settings VALUES (?, ?, ?)", row)
            of_setting.sort()
            for start in range(0, len(of_setting), _MOST_IN_BLOCK):
                block = of_setting[start : start + _MOST_IN_BLOCK]
                ids = "\n".join(run.run_id for run in block)
                stamps = b"".join(run.stamp for run in block)
                records = b"".join(run.record for run in block)
                check = _check(ids, number, stamps, records)
                database.execute(
                    "INSERT INTO runs VALUES (?, ?, ?, ?, ?)", (number, ids, stamps, records, check)
                )
        database.execute("COMMIT")


def _check(text: str, number: int, stamps: bytes = b"", records: bytes = b"") -> int:
    """Return the checksum of a text, a number and bytes."""
    return zlib.crc32(records, zlib.crc32(stamps, zlib.crc32(text.encode(), number)))


def format_setting(shared: SharedConfig) -> str:
    """Return the config that runs share as the text that an index holds."""
    return json.dumps([sorted(shared.follows), list(shared.fields.items())])


def survives(shared: SharedConfig) -> bool:
    """Return whether a config is the same after it was written and read."""
    try:
        _, again = _parse_setting((0, text := format_setting(shared), _check(text, 0)))
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
