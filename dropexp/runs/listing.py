"""Run folders of every status as rows of plain values, and a run by its id.

Imports no torch: a list opens at once. Choosing among the rows is selection.py's.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from dropexp.errors import NoSuchRunError, RunsDirError, StoreError, suggest
from dropexp.runs.records import RunStatus, RunSummary, SampledTest, SelectedEpoch
from dropexp.runs.write import CONFIG, METRICS, SUMMARY, FolderStatus, RunFolder

_ID = re.compile(r"[a-z][a-z0-9_+]*-p[0-9.e+-]+-s\d+-[0-9a-f]{8}")
_FEWEST_HASH_DIGITS = 4
_MOST_CANDIDATES = 6


class ListedStatus(StrEnum):
    """What has become of a run."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    FAILED = "failed"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class ListedRun:
    """A run folder as one row.

    Attributes:
        folder: where it lies.
        status: what has become of it.
        changed: when a file of it was last written, in seconds since 1970; of a finished run,
            when it was finished.
        config: the whole config, flat: ``{"data.train_size": 400, …}``; empty if damaged.
        summary: the results of a finished or diverged run.
        epochs: how many are in metrics.csv.
        problem: what is damaged, in a sentence.
    """

    folder: RunFolder
    status: ListedStatus
    changed: float
    config: Mapping[str, Any]
    summary: RunSummary | None
    epochs: int
    problem: str = ""

    @property
    def run_id(self) -> str:
        """The name of its folder."""
        return self.folder.run_id

    @cached_property
    def values(self) -> dict[str, Any]:
        """All there is to filter, to sort by and to export; None where there is no number.

        Everything of the config has its own name, the audit's outcome thus another one.
        """
        changed = datetime.fromtimestamp(self.changed).astimezone()
        return {
            "run_id": self.run_id,
            "status": self.status.value,
            "epochs": self.epochs,
            **_results(self.summary),
            "changed": changed.isoformat(timespec="milliseconds"),
            "folder": str(self.folder.path),
            "problem": self.problem or None,
            **self.config,
        }


def list_runs(runs_dir: Path) -> list[ListedRun]:
    """Every run folder in runs_dir, by name; what is not named like a run is passed over.

    Raises:
        RunsDirError: there is no such folder.
    """
    found = (read_run(RunFolder(runs_dir, name)) for name in sorted(_run_ids(runs_dir)))
    return [run for run in found if run is not None]


def read_run(folder: RunFolder) -> ListedRun | None:
    """One run folder as a row; None if nothing has been written to it yet."""
    summary, config, problem = None, dict[str, Any](), ""
    try:
        holds = folder.status
        held = holds is not FolderStatus.FINISHED and folder.is_held
        if holds is FolderStatus.NEW and not held and _is_empty(folder):
            return None
        if holds is not FolderStatus.NEW or not held:
            config = folder.read_flat_config()
        if holds is FolderStatus.FINISHED:
            summary = folder.read_summary()
        status = _status(holds, summary, held=held)
        epochs = summary.last.epoch if summary is not None else _epochs(folder)
    except (StoreError, OSError) as error:
        if not folder.path.is_dir():
            return None  # removed while it was read
        status, epochs, problem = ListedStatus.DAMAGED, 0, str(error)
    return ListedRun(folder, status, _changed(folder), config, summary, epochs, problem)


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """The run folder that a user means.

    Args:
        runs_dir: the folder of run folders.
        text: the beginning of a run id, that of its last eight digits, or the path of a run
            folder or of its config.yaml.

    Raises:
        NoSuchRunError: there is none, or there are several.
        RunsDirError: there is no such runs_dir.
    """
    path = Path(text).expanduser()
    if path.name == CONFIG:
        path = path.parent
    if (path / CONFIG).is_file():
        path = path.resolve() if path.name in ("", "..") else path
        return RunFolder(path.parent, path.name)
    ids = list(_run_ids(runs_dir))
    found = [text] if text in ids else [name for name in ids if _is_meant(text, name)]
    if len(found) == 1:
        return RunFolder(runs_dir, found[0])
    if not found:
        hint = suggest(text, ids) if len(ids) <= _MOST_CANDIDATES else _close(text, ids)
        raise NoSuchRunError(f"{runs_dir} has no run {text}. {hint}")
    shown = sorted(found)[:_MOST_CANDIDATES]
    more = f" and {len(found) - len(shown)} more" if len(found) > len(shown) else ""
    raise NoSuchRunError(f"{text} may be {', '.join(shown)}{more}; give more of the id.")


def is_run_id(name: str) -> bool:
    """Whether a folder's name is that of a run."""
    return _ID.fullmatch(name) is not None


def _run_ids(runs_dir: Path) -> Iterator[str]:
    if not runs_dir.is_dir():
        raise RunsDirError(
            f"{runs_dir} is not a folder; dropexp train makes it, or --runs-dir names another."
        )
    with os.scandir(runs_dir) as entries:
        yield from (entry.name for entry in entries if is_run_id(entry.name) and entry.is_dir())


def _is_meant(text: str, run_id: str) -> bool:
    digits = run_id.rpartition("-")[2]
    is_hash = len(text) >= _FEWEST_HASH_DIGITS
    return run_id.startswith(text) or (is_hash and digits.startswith(text))


def _close(text: str, ids: list[str]) -> str:
    close = suggest(text, ids)
    return close if close.startswith("Did") else f"dropexp runs lists the {len(ids)} there are."


def _status(status: FolderStatus, summary: RunSummary | None, *, held: bool) -> ListedStatus:
    if summary is not None:
        is_diverged = summary.status is RunStatus.DIVERGED
        return ListedStatus.DIVERGED if is_diverged else ListedStatus.FINISHED
    if held:
        return ListedStatus.RUNNING
    return ListedStatus.FAILED if status is FolderStatus.FAILED else ListedStatus.INTERRUPTED


def _is_empty(folder: RunFolder) -> bool:
    return all(entry.name.startswith(".") for entry in folder.path.iterdir())


def _epochs(folder: RunFolder) -> int:
    """Lines after the heading; a last line that was cut off does not count."""
    try:
        return max(0, (folder.path / METRICS).read_bytes().count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def _changed(folder: RunFolder) -> float:
    try:
        finished_at = folder.changed_at(SUMMARY)
        if finished_at:
            return finished_at
        with os.scandir(folder.path) as entries:
            # Looking at a lock may write to its file.
            files = [entry for entry in entries if not entry.name.startswith(".")]
            times = [entry.stat(follow_symlinks=False).st_mtime for entry in files]
        return max(times, default=folder.path.stat().st_mtime)
    except OSError:
        return 0.0


_SELECTED = tuple(SelectedEpoch.__dataclass_fields__)
_SAMPLED = tuple(SampledTest.__dataclass_fields__)


def _results(summary: RunSummary | None) -> dict[str, Any]:
    """A summary's values but those that the config or the folder's name says too."""
    best, last = (None, None) if summary is None else (summary.best, summary.last)
    sampled = None if summary is None else summary.mc_dropout
    return {
        "parameters": _number(summary, "parameters"),
        "seconds": _number(summary, "seconds"),
        "peak_memory_mb": _number(summary, "peak_memory_mb"),
        "audit_outcome": None if summary is None else summary.audit.value,
        **{f"best.{key}": _number(best, key) for key in _SELECTED},
        **{f"last.{key}": _number(last, key) for key in _SELECTED},
        **{f"best.mc_{key}": _number(sampled, key) for key in _SAMPLED},
        "config_hash": None if summary is None else summary.config_hash,
        "results_version": _number(summary, "results_version"),
    }


def _number(block: RunSummary | SelectedEpoch | SampledTest | None, key: str) -> int | float | None:
    """None where there is no block, or no number in it that JSON knows."""
    value: int | float | None = getattr(block, key, None)
    return None if value is None or not isfinite(value) else value
