"""Run folders of every status as rows of plain values, and the run of an abbreviated id.

Imports no torch. Filters and sorting are in selection.py.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any

from dropexp.config.shared_config import SeededConfig
from dropexp.errors import RunIdError, RunsDirError, StoreError, suggest, suggest_close
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.index import RunIndex, is_worth_writing, make_record, stamp_files, write_index
from dropexp.runs.packed import (
    read_audit,
    read_config_hash,
    read_number,
    read_status,
    unpack_summary,
)
from dropexp.runs.parsing import MOST_BYTES, read_limited
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import RunStatus, RunSummary, SampledTest, SelectedEpoch
from dropexp.runs.write import RunFolder

_ID = re.compile(r"[a-z][a-z0-9_+]*-p[0-9.e+-]+-s(?P<seed>\d+)-[0-9a-f]{8}")
_FEWEST_HASH_DIGITS = 4
_MOST_CANDIDATES = 6


class ListedStatus(StrEnum):
    """The status of a run in a list."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    FAILED = "failed"
    DAMAGED = "damaged"


class ListedRun:
    """A run folder as one row.

    There may be a hundred thousand of them. So what a row is made of stays packed, and its values
    are computed when they are asked for.

    Attributes:
        runs_dir: the folder of run folders.
        run_id: the run's id, which names its folder.
        status: of the run.
        changed: when it finished, or else when one of its files was last written; in seconds
            since 1970.
        config: the whole config, flat: ``{"data.train_size": 400, …}``; empty if damaged.
        problem: what is damaged, in a sentence; empty if nothing is.
    """

    __slots__ = (
        "_epochs",
        "_results",
        "changed",
        "config",
        "problem",
        "run_id",
        "runs_dir",
        "status",
    )

    def __init__(
        self,
        runs_dir: Path,
        run_id: str,
        status: ListedStatus,
        changed: float,
        config: Mapping[str, Any],
        results: RunSummary | bytes | None,
        epochs: int = 0,
        problem: str = "",
    ) -> None:
        """Make a row.

        Args:
            runs_dir: see the attributes, as for the others.
            run_id: likewise.
            status: likewise.
            changed: likewise.
            config: likewise.
            results: the summary of a finished or diverged run, which may be packed; None for
                other runs.
            epochs: how many are in metrics.csv, for a run without results.
            problem: likewise.
        """
        self.runs_dir = runs_dir
        self.run_id = run_id
        self.status = status
        self.changed = changed
        self.config = config
        self.problem = problem
        self._results = results
        self._epochs = epochs

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.runs_dir, self.run_id)

    @property
    def summary(self) -> RunSummary | None:
        """The results of a finished or diverged run; None for other runs."""
        results = self._results
        if isinstance(results, bytes):
            return unpack_summary(results, self.run_id, self.config)
        return results

    @property
    def has_results(self) -> bool:
        """Whether the run finished or diverged."""
        return self._results is not None

    @property
    def packed_results(self) -> bytes | None:
        """Bytes whose end is the packed summary; None where they cannot hold it."""
        return self._results if isinstance(self._results, bytes) else None

    @property
    def epochs(self) -> int:
        """How many epochs are in metrics.csv."""
        return self._epochs if self._results is None else int(self.get_result("last.epoch"))

    def get_result(self, key: str) -> Any:
        """Return a value of the summary by its name in ``values``; None where there is none."""
        return _read_result(self._results, key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value to filter, sort by and export; see ``values``."""
        if key in self.config:
            return self.config[key]
        if key in _OWN:
            return _OWN[key](self)
        return _read_result(self._results, key) if key in _RESULTS else default

    @property
    def values(self) -> dict[str, Any]:
        """Everything to filter, sort by and export, by name; None where there is no number.

        Fields of the config keep their names. ``audit`` is one of them, so the outcome of the
        audit is ``audit_outcome``.
        """
        return {key: self.get(key) for key in (*_COLUMNS, *self.config)}


def list_keys(runs: Iterable[ListedRun]) -> list[str]:
    """Return the names of the values that any of the runs has."""
    shared: dict[int, Mapping[str, Any]] = {}
    for run in runs:
        fields = run.config.shared.fields if isinstance(run.config, SeededConfig) else run.config
        shared[id(fields)] = fields
    keys = dict.fromkeys(_COLUMNS) if shared else {}
    return list(keys | dict.fromkeys(key for fields in shared.values() for key in fields))


def list_runs(runs_dir: Path) -> list[ListedRun]:
    """Return every run folder in runs_dir by name; other folders are ignored.

    What the index of the folder holds is not read again; see index.py. If many finished runs are
    not in it, it is written anew.

    Raises:
        RunsDirError: runs_dir is not a folder.
    """
    since = time.monotonic()
    names = sorted(_run_ids(runs_dir))
    index = RunIndex(runs_dir)
    runs: list[ListedRun] = []
    new = 0
    for name in names:
        run = find_indexed(index, runs_dir, name)
        if run is None:
            run = read_run(RunFolder(runs_dir, name))
            new += run is not None and run.packed_results is not None
        if run is not None:
            runs.append(run)
    if is_worth_writing(new, len(index)):
        write_index(runs_dir, _list_records(runs), since)
    return runs


def _list_records(runs: Iterable[ListedRun]) -> Iterator[tuple[str, SeededConfig, bytes]]:
    for run in runs:
        if run.packed_results is not None and isinstance(run.config, SeededConfig):
            yield run.run_id, run.config, run.packed_results


def find_indexed(index: RunIndex, runs_dir: Path, run_id: str) -> ListedRun | None:
    """Return a finished run that the index holds; None where it must be read."""
    found = index.find(run_id)
    if found is None:
        return None
    status = _STATUSES[read_status(found.record)]
    return ListedRun(runs_dir, run_id, status, found.changed, found.config, found.record)


def read_run(folder: RunFolder) -> ListedRun | None:
    """Return a run folder as a row; None if nothing has been written to it yet."""
    runs_dir, run_id = folder.path.parent, folder.run_id
    config: Mapping[str, Any] = {}
    results: RunSummary | bytes | None = None
    epochs, problem = 0, ""
    try:
        _refuse_link(folder)
        state = folder.status
        is_held = state is not FolderStatus.FINISHED and folder.is_held
        if state is FolderStatus.NEW and not is_held and _is_empty(folder):
            return None
        stamp = stamp_files(runs_dir, run_id) if state is FolderStatus.FINISHED else None
        if state is not FolderStatus.NEW or not is_held:
            config = folder.read_flat_config()
        summary = folder.read_summary() if state is FolderStatus.FINISHED else None
        status = _derive_status(state, summary, is_held=is_held)
        if summary is None:
            epochs = _count_epochs(folder)
        else:
            results = (stamp and make_record(stamp, config, summary, run_id)) or summary
    except (StoreError, OSError) as error:
        if not os.path.lexists(folder.path):
            return None  # removed while it was read
        status, epochs, problem = ListedStatus.DAMAGED, 0, str(error)
    changed = _find_change_time(folder)
    return ListedRun(runs_dir, run_id, status, changed, config, results, epochs, problem)


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """Return the run folder that an abbreviated id or a path names.

    Args:
        runs_dir: the folder of run folders.
        text: a prefix of a run id or of its hash (at least four digits), or the path of a run
            folder or of its config.yaml.

    Raises:
        RunIdError: no run matches, or several do.
        RunsDirError: runs_dir is not a folder.
    """
    path = Path(text).expanduser()
    if path.name == CONFIG:
        path = path.parent
    if (path / CONFIG).is_file():
        path = path.resolve() if path.name in ("", "..") else path
        return RunFolder(path.parent, path.name)
    ids = list(_run_ids(runs_dir))
    matches = [text] if text in ids else [name for name in ids if _abbreviates(text, name)]
    if len(matches) == 1:
        return RunFolder(runs_dir, matches[0])
    if not matches:
        raise RunIdError(
            f"No run in the folder {runs_dir} has the id {text}. {_hint_at_ids(text, ids)}"
        )
    shown = sorted(matches)[:_MOST_CANDIDATES]
    more = f" and {len(matches) - len(shown)} more" if len(matches) > len(shown) else ""
    raise RunIdError(f"{text} matches {', '.join(shown)}{more}; give more of the id.")


def is_run_id(name: str) -> bool:
    """Return whether a folder's name is that of a run."""
    return _ID.fullmatch(name) is not None


def find_seed(run_id: str) -> int:
    """Return the seed that a run id names; −1 for what is no run id."""
    match = _ID.fullmatch(run_id)
    return int(match["seed"]) if match else -1


def _run_ids(runs_dir: Path) -> Iterator[str]:
    if not runs_dir.is_dir():
        raise RunsDirError(
            f"{runs_dir} is not a folder; dropexp train makes it, or --runs-dir names another."
        )
    with os.scandir(runs_dir) as entries:
        for entry in entries:
            # A link is listed as damaged: what it leads to is in no folder of runs.
            if is_run_id(entry.name) and (
                entry.is_dir(follow_symlinks=False) or entry.is_symlink()
            ):
                yield entry.name


def _abbreviates(text: str, run_id: str) -> bool:
    digits = run_id.rpartition("-")[2]
    may_be_hash = len(text) >= _FEWEST_HASH_DIGITS
    return run_id.startswith(text) or (may_be_hash and digits.startswith(text))


def _hint_at_ids(text: str, ids: list[str]) -> str:
    if not ids:
        return "It holds no runs; dropexp train makes one."
    if len(ids) <= _MOST_CANDIDATES:
        return suggest(text, ids)
    return suggest_close(text, ids) or f"dropexp runs lists all {len(ids)} runs."


def _derive_status(
    status: FolderStatus, summary: RunSummary | None, *, is_held: bool
) -> ListedStatus:
    if summary is not None:
        is_diverged = summary.status is RunStatus.DIVERGED
        return ListedStatus.DIVERGED if is_diverged else ListedStatus.FINISHED
    if is_held:
        return ListedStatus.RUNNING
    return ListedStatus.FAILED if status is FolderStatus.FAILED else ListedStatus.INTERRUPTED


def _refuse_link(folder: RunFolder) -> None:
    if os.path.islink(folder.path):  # noqa: PTH114 (Path.is_symlink takes three times as long)
        raise StoreError(f"{folder.path} is a link, not a run folder; it is not read.")


def _is_empty(folder: RunFolder) -> bool:
    return all(entry.name.startswith(".") for entry in folder.path.iterdir())


def _count_epochs(folder: RunFolder) -> int:
    """Count the lines after the heading; an incomplete last line does not count."""
    try:
        raw = read_limited(folder.path / METRICS, MOST_BYTES[METRICS])
        return max(0, raw.count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def _find_change_time(folder: RunFolder) -> float:
    try:
        finished_at = folder.changed_at(SUMMARY)
        if finished_at:
            return finished_at
        with os.scandir(folder.path) as entries:
            # Testing a lock may write to its file.
            files = [entry for entry in entries if not entry.name.startswith(".")]
            times = [entry.stat(follow_symlinks=False).st_mtime for entry in files]
        return max(times, default=folder.path.stat().st_mtime)
    except OSError:
        return 0.0


_STATUSES = {
    RunStatus.COMPLETED: ListedStatus.FINISHED,
    RunStatus.DIVERGED: ListedStatus.DIVERGED,
}
_SELECTED = tuple(SelectedEpoch.__dataclass_fields__)
_RESULTS = (
    "parameters",
    "seconds",
    "peak_memory_mb",
    "audit_outcome",
    *(f"best.{key}" for key in _SELECTED),
    *(f"last.{key}" for key in _SELECTED),
    *(f"best.mc_{key}" for key in SampledTest.__dataclass_fields__),
    "config_hash",
    "results_version",
)
"""The values of a summary that neither the config nor the folder's name holds."""


def _read_result(results: RunSummary | bytes | None, key: str) -> Any:
    """Return a value of _RESULTS; None where there is none, or no finite number."""
    if results is None:
        return None
    if not isinstance(results, bytes):
        return _read_unpacked(results, key)
    match key:
        case "audit_outcome":
            return read_audit(results).value
        case "config_hash":
            return read_config_hash(results)
        case _:
            return read_number(results, key)


def _read_unpacked(summary: RunSummary, key: str) -> Any:
    block, _, name = key.rpartition(".")
    match block, key:
        case _, "audit_outcome":
            return summary.audit.value
        case "", _:
            value = getattr(summary, key)
        case "best", _ if name.startswith("mc_"):
            value = getattr(summary.mc_dropout, name.removeprefix("mc_"), None)
        case _:
            value = getattr(getattr(summary, block), name, None)
    return None if isinstance(value, float) and not isfinite(value) else value


def _format_change_time(run: ListedRun) -> str:
    changed = datetime.fromtimestamp(run.changed).astimezone()
    return changed.isoformat(timespec="milliseconds")


_OWN: Mapping[str, Callable[[ListedRun], Any]] = {
    "run_id": lambda run: run.run_id,
    "status": lambda run: run.status.value,
    "epochs": lambda run: run.epochs,
    "changed": _format_change_time,
    "folder": lambda run: str(run.folder.path),
    "problem": lambda run: run.problem or None,
}
_COLUMNS = ("run_id", "status", "epochs", *_RESULTS, "changed", "folder", "problem")
