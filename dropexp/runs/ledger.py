"""The ledger of a runs folder: in which order runs were asked for and ended. Imports no torch.

A test that is planned needs every compared run to have been asked for before the first of them had
ended; see dropexp.compare.decisions. The order of lines in ``<runs_dir>/.ledger.jsonl`` is the
clock, so that no clock of a machine decides.
"""

import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from dropexp.config.parsing import read_limited
from dropexp.runs.durable import append_line, make_store_error
from dropexp.runs.parsing import MOST_BYTES_OF_LEDGER

LEDGER = ".ledger.jsonl"
_LOCK = ".ledger.lock"


_END = re.compile(r'^\{"ended":"([\w.+-]+)","setting":(?:null|"(\w+)")\}$', re.ASCII | re.MULTILINE)
"""A line about an end as record_end writes it; parsing it as JSON takes four times as long."""

_ENDED = '{"ended":'
_ASKED = '{"asked":'
"""How lines about ends and about requests begin."""


class Purpose(StrEnum):
    """Why a run was asked for."""

    SWEEP = "sweep"  # by train, sweep or extend
    REGISTERED = "registered"  # by a study that was written down before its runs existed
    SEQUENTIAL = "sequential"  # because the results of earlier seeds were open
    SEARCH = "search"  # because results of other settings made a search propose it
    CONFIRMATION = "confirmation"  # on a fresh seed of the setting that a search has chosen


@dataclass(frozen=True, slots=True)
class Request:
    """The first request for a run.

    Attributes:
        number: its place in the ledger.
        study: the study that it was asked for in; None outside studies.
        purpose: why.
    """

    number: int
    study: str | None
    purpose: Purpose


class End(NamedTuple):
    """The first end of a run.

    Attributes:
        number: its place in the ledger.
        setting: the digest of its setting, so that a run that was removed is still known; None
            where it was not recorded. See digest_setting.
    """

    number: int
    setting: str | None


@dataclass(frozen=True)
class Ledger:
    """What a runs folder knows of the order of its runs.

    Attributes:
        requests: run id → the first request for it.
        ends: run id → its first end.
    """

    requests: Mapping[str, Request]
    ends: Mapping[str, End]

    def asked(self, run_id: str) -> Request | None:
        """Return the first request for a run; None where none was recorded."""
        return self.requests.get(run_id)

    def ended(self, run_id: str) -> int | None:
        """Return the place in the ledger at which a run first ended; None if unknown."""
        end = self.ends.get(run_id)
        return None if end is None else end.number

    def setting_of(self, run_id: str) -> str | None:
        """Return the digest of the setting of a run that has ended; None if unknown."""
        end = self.ends.get(run_id)
        return None if end is None else end.setting

    def runs_of(self, study: str | None) -> list[str]:
        """Return the runs that were first asked for in a study, or outside studies."""
        return self._by_study.get(study, [])

    @property
    def studies(self) -> list[str]:
        """The studies in which runs were asked for first, in the order of their first request."""
        return [study for study in self._by_study if study is not None]

    @cached_property
    def _by_study(self) -> dict[str | None, list[str]]:
        runs: dict[str | None, list[str]] = {}
        for run_id, request in self.requests.items():
            runs.setdefault(request.study, []).append(run_id)
        return runs


def record_request(
    runs_dir: Path,
    study: str | None,
    run_ids: Sequence[str],
    purpose: Purpose,
    *,
    is_study: bool = False,
) -> None:
    """Record that runs were asked for; runs that were asked for before keep their first request.

    Args:
        runs_dir: the folder of run folders; must exist.
        study: the study that they are asked for in; None outside studies.
        run_ids: of the runs.
        purpose: why they are asked for.
        is_study: whether the whole study is asked for, which is recorded without a new run too;
            see list_asked_studies.

    Raises:
        StoreError: the ledger cannot be written.
    """
    with _lock(runs_dir):
        known = _find_asked(runs_dir, run_ids)
        new = [run_id for run_id in run_ids if run_id not in known]
        if new or (is_study and list_asked_studies(runs_dir)[:1] != [study]):
            _append(runs_dir, {"asked": {"study": study, "purpose": purpose, "runs": new}})


def list_asked_studies(runs_dir: Path) -> list[str]:
    """Return the names of the studies that the ledger knows, the one last asked for first."""
    names: dict[str, None] = {}
    for line in reversed(_read(runs_dir).decode(errors="replace").splitlines()):
        if line.startswith(_ASKED):
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                names.setdefault(_text(json.loads(line)["asked"]["study"]))
    return list(names)


def record_end(runs_dir: Path, run_id: str, setting: str | None = None) -> None:
    """Record that a run has ended, before anybody can see its results.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: of the run.
        setting: the digest of its setting; see digest_setting. None where it is unknown.

    Raises:
        StoreError: the ledger cannot be written.
    """
    with _lock(runs_dir):
        _append(runs_dir, {"ended": run_id, "setting": setting})


def record_withdrawal(runs_dir: Path, study: str) -> None:
    """Record that a registered study was given up before any of its runs was trained.

    Its runs count as never asked for, but for those that have ended.

    Args:
        runs_dir: the folder of run folders; must exist.
        study: its name.

    Raises:
        StoreError: the ledger cannot be written.
    """
    with _lock(runs_dir):
        _append(runs_dir, {"withdrawn": study})


def read_ledger(runs_dir: Path) -> Ledger:
    """Return the ledger of a runs folder; it is empty where nothing was recorded.

    A line that cannot be read, such as one that a power cut has cut short, is left out: then
    nothing is known of its runs, and no test that includes them is planned.
    """
    raw = _read(runs_dir)
    digest = sha256(raw).digest()
    if digest not in _LAST_PARSED:
        _LAST_PARSED.clear()
        _LAST_PARSED[digest] = _parse(raw.decode(errors="replace"))
    return _LAST_PARSED[digest]


_LAST_PARSED: dict[bytes, Ledger] = {}
"""A command reads a ledger several times, and it seldom changes meanwhile."""


def _parse(text: str) -> Ledger:
    requests: dict[str, Request] = {}
    ends: dict[str, End] = {}
    digests: dict[str, str] = {}  # runs of a setting share the text of its digest
    lines = text.splitlines()
    others = [number for number, line in enumerate(lines) if not line.startswith(_ENDED)]
    start = 0
    for number in [*others, len(lines)]:
        _parse_ends(lines[start:number], start, ends, digests)
        for line in lines[number : number + 1]:
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                _parse_entry(json.loads(line), number, requests, ends)
        start = number + 1
    return Ledger(requests, ends)


def _parse_ends(
    lines: Sequence[str], start: int, ends: dict[str, End], digests: dict[str, str]
) -> None:
    """Add the ends of runs from lines in a row; of a hundred thousand lines these are nearly all.

    Args:
        lines: each about an end.
        start: the number of the first line in the ledger.
        ends: where to add them.
        digests: the digests of settings so far, each under itself.
    """
    found = _END.findall("\n".join(lines))
    # Of a hundred thousand ids, one copy serves the ledger, the index and the study.
    run_ids = [sys.intern(run_id) for run_id, _ in found]
    is_plain = len(found) == len(lines) == len(set(run_ids)) and ends.keys().isdisjoint(run_ids)
    if is_plain:
        settings = [digests.setdefault(digest, digest) or None for _, digest in found]
        numbers = range(start, start + len(lines))
        new = map(tuple.__new__, repeat(End), zip(numbers, settings, strict=True))
        ends.update(zip(run_ids, new, strict=True))
        return
    for number, line in enumerate(lines, start):
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            _parse_entry(json.loads(line), number, {}, ends)


def _parse_entry(
    entry: Any, number: int, requests: dict[str, Request], ends: dict[str, End]
) -> None:
    """Add what a line says.

    Raises:
        KeyError, TypeError, ValueError: it says nothing.
    """
    if "ended" in entry:
        setting = _text_or_none(entry.get("setting"))
        ends.setdefault(_text(entry["ended"]), End(number, setting))
    elif "withdrawn" in entry:
        _withdraw(_text(entry["withdrawn"]), requests, ends)
    else:
        asked = entry["asked"]
        request = Request(number, _text_or_none(asked["study"]), Purpose(asked["purpose"]))
        new = dict.fromkeys(map(sys.intern, asked["runs"]), request)
        requests |= new | {run_id: requests[run_id] for run_id in new.keys() & requests.keys()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _withdraw(study: str, requests: dict[str, Request], ends: Mapping[str, End]) -> None:
    """Forget the requests of a registered study for runs without results."""
    for run_id, request in list(requests.items()):
        is_registered = request.purpose is Purpose.REGISTERED and request.study == study
        if is_registered and run_id not in ends:
            del requests[run_id]


def _find_asked(runs_dir: Path, run_ids: Iterable[str]) -> Collection[str]:
    """Return those of the runs that were asked for before."""
    raw = _read(runs_dir)
    if not any(f'"{run_id}"'.encode() in raw for run_id in run_ids):
        return ()  # parsing takes longer than the run's own entry
    return read_ledger(runs_dir).requests.keys()


def _read(runs_dir: Path) -> bytes:
    try:
        return read_limited(runs_dir / LEDGER, MOST_BYTES_OF_LEDGER)
    except FileNotFoundError:
        return b""


def _append(runs_dir: Path, entry: Mapping[str, Any]) -> None:
    path = runs_dir / LEDGER
    try:
        append_line(path, json.dumps(entry, separators=(",", ":")).encode() + b"\n")
    except OSError as error:
        raise make_store_error(path, error) from None


@contextmanager
def _lock(runs_dir: Path) -> Iterator[None]:
    lock = FileLock(runs_dir / _LOCK)
    try:
        lock.acquire()
    except OSError as error:
        raise make_store_error(runs_dir / _LOCK, error) from None
    try:
        yield
    finally:
        lock.release()
