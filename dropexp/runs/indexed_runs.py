"""Finished runs that differ in their seed only, as the index holds them: read by columns.

A hundred thousand runs have a thousand settings. What a table needs of the runs of a setting stays
in one block of bytes and is read a column at a time. Imports no numpy.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any

from dropexp.config.shared_config import SharedConfig
from dropexp.runs.packed import (
    NUMBERS,
    PACKED_SIZE,
    list_config_hashes,
    list_missing,
    list_numbers,
    list_outcomes,
    list_statuses,
    list_words,
    mark_numbers,
)

STAMP = struct.Struct("=qqqQqqqQqQ")
"""Size, mtime, ctime and inode of summary.json and config.yaml, size and inode of metrics.csv."""

_MTIME_PLACE, _METRICS_SIZE_PLACE = 1, 8

_OWN = struct.Struct("=qqq")
"""The seed, the size of metrics.csv, and when summary.json was written, in ns since 1970."""

RECORD_SIZE = _OWN.size + PACKED_SIZE
"""Bytes of a record: the three numbers above and the packed summary."""


def make_record(seed: int, stamp: bytes, packed: bytes) -> bytes:
    """Return the record of a run.

    Args:
        seed: of the run.
        stamp: of its files.
        packed: its packed summary.

    Raises:
        struct.error: the seed is too large.
    """
    values = STAMP.unpack(stamp)
    return _OWN.pack(seed, values[_METRICS_SIZE_PLACE], values[_MTIME_PLACE]) + packed


class IndexedRuns:
    """Finished runs that differ in their seed only; they are not modified.

    Attributes:
        shared: the config of all of them.
        run_ids: their ids.
        stamps: what told the versions of their files apart, a STAMP for each run.
        records: RECORD_SIZE bytes for each run.
    """

    __slots__ = ("_columns", "records", "run_ids", "shared", "stamps")

    def __init__(
        self, shared: SharedConfig, run_ids: Sequence[str], stamps: bytes, records: bytes
    ) -> None:
        self.shared = shared
        self.run_ids = run_ids
        self.stamps = stamps
        self.records = records
        self._columns: dict[str, Sequence[Any]] = {}

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.run_ids)

    def select(self, is_wanted: Sequence[bool]) -> "IndexedRuns":
        """Return some of the runs, in the same order."""
        return self.take(list(compress(range(len(self)), is_wanted)))

    def take(self, places: Sequence[int]) -> "IndexedRuns":
        """Return the runs at some places."""
        return IndexedRuns(
            self.shared,
            [self.run_ids[place] for place in places],
            b"".join(map(self.get_stamp, places)),
            b"".join(map(self.get_record, places)),
        )

    @classmethod
    def join(cls, parts: "Sequence[IndexedRuns]") -> "IndexedRuns":
        """Return the runs of several, which have one config, after each other."""
        return cls(
            parts[0].shared,
            [run_id for part in parts for run_id in part.run_ids],
            b"".join(part.stamps for part in parts),
            b"".join(part.records for part in parts),
        )

    def get_stamp(self, place: int) -> bytes:
        """Return the stamp of one run."""
        return self.stamps[place * STAMP.size : (place + 1) * STAMP.size]

    def get_record(self, place: int) -> bytes:
        """Return the record of one run."""
        return self.records[place * RECORD_SIZE : (place + 1) * RECORD_SIZE]

    def read(self, name: str) -> Sequence[Any]:
        """Return a column: one value for each run.

        Args:
            name: one of NUMBERS, whose value is None where it is missing or not finite, or
                ``seed``, ``metrics_size`` (bytes), ``changed`` (when the summary was written, in
                seconds since 1970), ``status``, ``audit_outcome`` or ``config_hash``.
        """
        try:
            return self._columns[name]
        except KeyError:
            column = self._columns[name] = _COLUMNS[name](self.records)
        return column

    def has_numbers(self, place: int, names: tuple[str, ...]) -> bool:
        """Return whether none of some of NUMBERS is missing in one run; they may be infinite."""
        return not self.read("missing")[place] & mark_numbers(names)


def _list_times(records: bytes) -> list[float]:
    """Return when each summary was written, to the last bit as os.stat says it."""
    parts = (divmod(time, 10**9) for time in list_words(records, RECORD_SIZE, 2))
    return [seconds + 1e-9 * rest for seconds, rest in parts]


def _read_number(name: str) -> Callable[[bytes], Sequence[Any]]:
    return lambda records: list_numbers(records, RECORD_SIZE, name)


_COLUMNS: Mapping[str, Callable[[bytes], Sequence[Any]]] = {
    "seed": lambda records: list_words(records, RECORD_SIZE, 0),
    "metrics_size": lambda records: list_words(records, RECORD_SIZE, 1),
    "changed": _list_times,
    "status": lambda records: list_statuses(records, RECORD_SIZE),
    "audit_outcome": lambda records: list_outcomes(records, RECORD_SIZE),
    "config_hash": lambda records: list_config_hashes(records, RECORD_SIZE),
    "missing": lambda records: list_missing(records, RECORD_SIZE),
    **{name: _read_number(name) for name in NUMBERS},
}
