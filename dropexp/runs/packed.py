"""The results of a finished run as a few hundred bytes of a fixed layout, for the index.

A hundred thousand summaries are 160 MB as objects and 50 MB as bytes, of which a table reads what
it shows. The functions that read take bytes whose end is a packed summary. Imports no numpy.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from dropexp.runs.records import AuditOutcome, RunStatus, RunSummary, SampledTest, SelectedEpoch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OF_RUN = ("parameters", "seconds", "peak_memory_mb", "results_version", "rise", "area", "format")
_OF_EPOCH = tuple(SelectedEpoch.__dataclass_fields__)
_OF_SAMPLED = tuple(SampledTest.__dataclass_fields__)
_INTEGERS = {"parameters", "results_version", "format", "epoch", "passes"}

NUMBERS = (
    *_OF_RUN,
    *(f"best.{key}" for key in _OF_EPOCH),
    *(f"last.{key}" for key in _OF_EPOCH),
    *(f"best.mc_{key}" for key in _OF_SAMPLED),
)
"""The numbers of a summary, in the order in which they are packed."""

_STATUSES, _OUTCOMES = tuple(RunStatus), tuple(AuditOutcome)
_HEAD = struct.Struct("<QBB32s")  # which numbers are missing, status, audit, config_hash


def _letter(name: str) -> str:
    return "q" if name.rpartition(".")[2].removeprefix("mc_") in _INTEGERS else "d"


_BODY = struct.Struct("<" + "".join(map(_letter, NUMBERS)))
_LAYOUT = struct.Struct(_HEAD.format + _BODY.format[1:])
PACKED_SIZE = _LAYOUT.size
"""Bytes of a packed summary."""

_PLACE = {name: place for place, name in enumerate(NUMBERS)}
_AT = {
    name: (struct.Struct(f"<{_letter(name)}"), 8 * (place - len(NUMBERS)))
    for name, place in _PLACE.items()
}
_MISSING = struct.Struct("<Q")
_VERSION, _VERSION_AT = _AT["results_version"]
_STATUS, _AUDIT = 8 - PACKED_SIZE, 9 - PACKED_SIZE
_BEST, _LAST = _PLACE["best.epoch"], _PLACE["last.epoch"]
_SAMPLED = _PLACE["best.mc_passes"]
_END = _SAMPLED + len(_OF_SAMPLED)


def pack_summary(summary: RunSummary, run_id: str, config: Mapping[str, Any]) -> bytes | None:
    """Return a summary as bytes; None for one that they cannot hold exactly.

    Args:
        summary: of a finished run.
        run_id: the name of its folder.
        config: its config, flat.
    """
    blocks = (
        (_OF_EPOCH, summary.best),
        (_OF_EPOCH, summary.last),
        (_OF_SAMPLED, summary.mc_dropout),
    )
    values = [getattr(summary, name) for name in _OF_RUN]
    values += [getattr(block, key, None) for keys, block in blocks for key in keys]
    missing = sum(1 << place for place, value in enumerate(values) if value is None)
    try:
        packed = _LAYOUT.pack(
            missing,
            _STATUSES.index(summary.status),
            _OUTCOMES.index(summary.audit),
            bytes.fromhex(summary.config_hash),
            *(0 if value is None else value for value in values),
        )
        # A number of another type, or a field that disagrees with the config.
        is_exact = repr(unpack_summary(packed, run_id, config)) == repr(summary)
    except (struct.error, ValueError, TypeError, KeyError):
        return None
    return packed if is_exact else None


def unpack_summary(packed: bytes, run_id: str, config: Mapping[str, Any]) -> RunSummary:
    """Return the summary of packed bytes; run_id and config as for pack_summary."""
    missing, status, audit, digest, *values = _LAYOUT.unpack_from(packed, -PACKED_SIZE)
    for place in _list_places(missing):
        values[place] = None
    parameters, seconds, memory, version, rise, area, format_ = values[:_BEST]
    best, sampled = values[_BEST:_LAST], values[_SAMPLED:_END]
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
        format=format_,
    )


def read_number(packed: bytes, name: str) -> int | float | None:
    """Return one of NUMBERS; None where it is missing or not finite."""
    layout, at = _AT[name]
    value: int | float = layout.unpack_from(packed, at)[0]
    if not value and _MISSING.unpack_from(packed, -PACKED_SIZE)[0] >> _PLACE[name] & 1:
        return None
    return value if math.isfinite(value) else None


def unpack_numbers(
    packed: Sequence[bytes], names: Sequence[str]
) -> "tuple[NDArray[np.float64], NDArray[np.bool_]]":
    """Return some of NUMBERS of many summaries, and which of them are not missing.

    Args:
        packed: the summaries.
        names: of the numbers.

    Returns:
        Two arrays of shape (names, summaries).
    """
    import numpy as np  # a list of runs does without

    raw = np.frombuffer(b"".join(each[-PACKED_SIZE:] for each in packed), dtype=np.uint8)
    table = raw.reshape(len(packed), PACKED_SIZE)
    body = np.ascontiguousarray(table[:, _HEAD.size :])
    as_kind = {"d": body.view("<f8"), "q": body.view("<i8")}
    missing = np.ascontiguousarray(table[:, :8]).view("<u8")[:, 0]
    places = [_PLACE[name] for name in names]
    values = np.empty((len(names), len(packed)))
    for row, (name, place) in enumerate(zip(names, places, strict=True)):
        values[row] = as_kind[_letter(name)][:, place]
    shifts = np.array(places, dtype=np.uint64)
    return values, (missing >> shifts[:, None] & np.uint64(1)) == 0


def read_version(packed: bytes) -> int:
    """Return the run's results version."""
    version: int = _VERSION.unpack_from(packed, _VERSION_AT)[0]
    return version


def has_numbers(packed: bytes, names: tuple[str, ...]) -> bool:
    """Return whether none of some of NUMBERS is missing; they may be infinite or NaN."""
    missing: int = _MISSING.unpack_from(packed, -PACKED_SIZE)[0]
    return not missing & _mark(names)


@cache
def _mark(names: tuple[str, ...]) -> int:
    return sum(1 << _PLACE[name] for name in names)


def read_status(packed: bytes) -> RunStatus:
    """Return how the run ended."""
    return _STATUSES[packed[_STATUS]]


def read_audit(packed: bytes) -> AuditOutcome:
    """Return the outcome of the run's audit."""
    return _OUTCOMES[packed[_AUDIT]]


def read_config_hash(packed: bytes) -> str:
    """Return the SHA-256 of the identity of the run's config."""
    return packed[_AUDIT + 1 : _AUDIT + 33].hex()


@cache
def _list_places(missing: int) -> tuple[int, ...]:
    return tuple(place for place in range(len(NUMBERS)) if missing >> place & 1)
