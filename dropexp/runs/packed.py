"""The results of a finished run as a few hundred bytes of a fixed layout, for the index.

A hundred thousand summaries are 160 MB as objects and 40 MB as bytes, of which a table reads what
it shows. Imports no numpy.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import compress
from typing import TYPE_CHECKING, Any

from dropexp.runs.records import (
    AuditOutcome,
    ForgettingSummary,
    RunStatus,
    RunSummary,
    SampledTest,
    SelectedEpoch,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OF_RUN = ("parameters", "seconds", "peak_memory_mb", "results_version", "rise", "area", "format")
_OF_EPOCH = tuple(SelectedEpoch.__dataclass_fields__)
_OF_SAMPLED = tuple(SampledTest.__dataclass_fields__)
_OF_FORGETTING = tuple(ForgettingSummary.__dataclass_fields__)
_INTEGERS = {"parameters", "results_version", "format", "epoch", "passes"}

NUMBERS = (
    *_OF_RUN,
    *(f"best.{key}" for key in _OF_EPOCH),
    *(f"last.{key}" for key in _OF_EPOCH),
    *(f"best.mc_{key}" for key in _OF_SAMPLED),
    *(f"forgetting.{key}" for key in _OF_FORGETTING),
)
"""The numbers of a summary, in the order in which they are packed."""

_STATUSES, _OUTCOMES = tuple(RunStatus), tuple(AuditOutcome)
_OUTCOME_VALUES = tuple(outcome.value for outcome in AuditOutcome)
_HEAD = struct.Struct("=QBB6x32s")  # which numbers are missing, status, audit, config_hash


def _letter(name: str) -> str:
    return "q" if name.rpartition(".")[2].removeprefix("mc_") in _INTEGERS else "d"


_BODY = struct.Struct("=" + "".join(map(_letter, NUMBERS)))
_LAYOUT = struct.Struct(_HEAD.format + _BODY.format[1:])
PACKED_SIZE = _LAYOUT.size
"""Bytes of a packed summary, a multiple of 8; so is where each number begins."""

_PLACE = {name: place for place, name in enumerate(NUMBERS)}
# From the end of a packed summary, whose first bytes may be something else.
_STATUS, _AUDIT, _HASH = 8 - PACKED_SIZE, 9 - PACKED_SIZE, 16 - PACKED_SIZE
_BEST, _LAST = _PLACE["best.epoch"], _PLACE["last.epoch"]
_SAMPLED = _PLACE["best.mc_passes"]
_FORGETTING = _SAMPLED + len(_OF_SAMPLED)


def pack_summary(summary: RunSummary, run_id: str, config: Mapping[str, Any]) -> bytes | None:
    """Return a summary as bytes; None for one that they cannot hold exactly.

    Args:
        summary: of a finished run.
        run_id: the name of its folder.
        config: its config, flat.
    """
    try:
        packed = pack_numbers(summary, bytes.fromhex(summary.config_hash))
        # A number of another type, or a field that disagrees with the config.
        is_exact = repr(unpack_summary(packed, run_id, config)) == repr(summary)
    except (struct.error, ValueError, TypeError, KeyError):
        return None
    return packed if is_exact else None


def pack_numbers(summary: RunSummary, digest: bytes = b"") -> bytes:
    """Return a summary as bytes, from which its numbers can be read.

    Args:
        summary: of a finished run.
        digest: the SHA-256 of the identity of its config, which no comparison needs.

    Raises:
        struct.error: a number is too large.
    """
    blocks = (
        (_OF_EPOCH, summary.best),
        (_OF_EPOCH, summary.last),
        (_OF_SAMPLED, summary.mc_dropout),
        (_OF_FORGETTING, summary.forgetting),
    )
    values = [getattr(summary, name) for name in _OF_RUN]
    values += [getattr(block, key, None) for keys, block in blocks for key in keys]
    return _LAYOUT.pack(
        sum(1 << place for place, value in enumerate(values) if value is None),
        _STATUSES.index(summary.status),
        _OUTCOMES.index(summary.audit),
        digest,
        *(0 if value is None else value for value in values),
    )


def unpack_summary(packed: bytes, run_id: str, config: Mapping[str, Any]) -> RunSummary:
    """Return the summary of packed bytes; run_id and config as for pack_summary."""
    missing, status, audit, digest, *values = _LAYOUT.unpack_from(packed, -PACKED_SIZE)
    for place in _list_places(missing):
        values[place] = None
    parameters, seconds, memory, version, rise, area, format_ = values[:_BEST]
    best, sampled = values[_BEST:_LAST], values[_SAMPLED:_FORGETTING]
    forgetting = values[_FORGETTING:]
    return RunSummary(
        run_id=run_id,
        status=_STATUSES[status],
        regulariser=config["regulariser.name"],
        p=config["regulariser.p"],
        seed=config["seed"],
        parameters=parameters,
        seconds=seconds,
        peak_memory_mb=memory,
        audit=_OUTCOMES[audit],
        best=None if best[0] is None else SelectedEpoch(*best),
        last=SelectedEpoch(*values[_LAST:_SAMPLED]),
        config_hash=digest.hex(),
        results_version=version,
        rise=rise,
        area=area,
        mc_dropout=None if sampled[0] is None else SampledTest(*sampled),
        forgetting=None if forgetting[0] is None else ForgettingSummary(*forgetting),
        format=format_,
    )


@cache
def _list_places(missing: int) -> tuple[int, ...]:
    return tuple(place for place in range(len(NUMBERS)) if missing >> place & 1)


# --- many summaries ---------------------------------------------------------------------------
#
# Of records of one size after each other, whose ends are packed summaries: one value for each. The
# size is a multiple of 8 bytes.


def list_words(records: bytes, size: int, place: int) -> Sequence[int]:
    """Return the whole number of 8 bytes at a place, counted in words, of each record."""
    return memoryview(records).cast("q")[place :: size // 8]


def list_numbers(records: bytes, size: int, name: str) -> Sequence[int | float | None]:
    """Return one of NUMBERS of each record; None where it is missing or not finite."""
    words = memoryview(records).cast("q" if _letter(name) == "q" else "d")
    # No list of objects, which takes four times the memory of what it is made of.
    values = words[size // 8 + _PLACE[name] - len(NUMBERS) :: size // 8]
    bit = 1 << _PLACE[name]
    missing = list_missing(records, size)
    if not any(mask & bit for mask in set(missing)) and math.isfinite(sum(values)):
        return values
    return [
        None if mask & bit or not math.isfinite(value) else value
        for value, mask in zip(values, missing, strict=True)
    ]


def list_missing(records: bytes, size: int) -> Sequence[int]:
    """Return which numbers each record lacks, as mark_numbers marks them."""
    return memoryview(records).cast("Q")[(size - PACKED_SIZE) // 8 :: size // 8]


def list_statuses(records: bytes, size: int) -> list[RunStatus]:
    """Return how each run ended.

    Raises:
        IndexError: a record is damaged.
    """
    return list(map(_STATUSES.__getitem__, records[size + _STATUS :: size]))


def list_outcomes(records: bytes, size: int) -> list[str]:
    """Return the outcome of each run's audit; see list_statuses."""
    return list(map(_OUTCOME_VALUES.__getitem__, records[size + _AUDIT :: size]))


def list_config_hashes(records: bytes, size: int) -> list[str]:
    """Return the SHA-256 of the identity of each run's config."""
    starts = range(size + _HASH, len(records) + size + _HASH, size)
    return [records[start : start + 32].hex() for start in starts]


@cache
def mark_numbers(names: tuple[str, ...]) -> int:
    """Return a number whose bits stand for some of NUMBERS."""
    return sum(1 << _PLACE[name] for name in names)


def unpack_numbers(
    records: bytes, size: int, names: tuple[str, ...]
) -> "tuple[NDArray[np.float64], NDArray[np.bool_]]":
    """Return some of NUMBERS of each record, and which of them are not missing.

    Returns:
        Two arrays of shape (names, records).
    """
    import numpy as np  # a list of runs does without

    words = np.frombuffer(records, dtype=np.int64).reshape(-1, size // 8)
    places, integers = _find_places(names)
    chosen = words[:, [place - len(NUMBERS) for place in places]].T.copy()
    values = chosen.view(np.float64)
    for row in integers:
        values[row] = chosen[row].copy()
    shifts = np.array(places, dtype=np.uint64)
    missing = words[:, -PACKED_SIZE // 8].view(np.uint64)
    return values, (missing >> shifts[:, None] & np.uint64(1)) == 0


@cache
def _find_places(names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Return the places of some of NUMBERS, and which of them are whole numbers."""
    is_whole = [_letter(name) == "q" for name in names]
    return [_PLACE[name] for name in names], list(compress(range(len(names)), is_whole))
