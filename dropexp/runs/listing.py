"""Run folders of every status as rows of plain values, and the run of an abbreviated id.

Imports no torch. Filters and sorting are in selection.py.
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

from dropexp.errors import RunIdError, RunsDirError, StoreError, suggest, suggest_close
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
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


@dataclass(frozen=True)
class ListedRun:
    """A run folder as one row.

    Attributes:
        folder: of the run.
        status: of the run.
        changed: when it finished, or else when one of its files was last written; in seconds
            since 1970.
        config: the whole config, flat: ``{"data.train_size": 400, …}``; empty if damaged.
        summary: the results of a finished or diverged run; None for other runs.
        epochs: how many are in metrics.csv.
        problem: what is damaged, in a sentence; empty if nothing is.
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
        """The run's id, which names its folder."""
        return self.folder.run_id

    @cached_property
    def values(self) -> dict[str, Any]:
        """Everything to filter, sort by and export, by name; None where there is no number.

        Fields of the config keep their names. ``audit`` is one of them, so the outcome of the
        audit is ``audit_outcome``.
        """
        changed = datetime.fromtimestamp(self.changed).astimezone()
        return {
            "run_id": self.run_id,
            "status": self.status.value,
            "epochs": self.epochs,
            **_flatten_summary(self.summary),
            "changed": changed.isoformat(timespec="milliseconds"),
            "folder": str(self.folder.path),
            "problem": self.problem or None,
            **self.config,
        }


def list_runs(runs_dir: Path) -> list[ListedRun]:
    """Return every run folder in runs_dir by name; other folders are ignored.

    Raises:
        RunsDirError: runs_dir is not a folder.
    """
    runs = (read_run(RunFolder(runs_dir, name)) for name in sorted(_run_ids(runs_dir)))
    return [run for run in runs if run is not None]


def read_run(folder: RunFolder) -> ListedRun | None:
    """Return a run folder as a row; None if nothing has been written to it yet."""
    summary, config, problem = None, dict[str, Any](), ""
    try:
        _refuse_link(folder)
        state = folder.status
        is_held = state is not FolderStatus.FINISHED and folder.is_held
        if state is FolderStatus.NEW and not is_held and _is_empty(folder):
            return None
        if state is not FolderStatus.NEW or not is_held:
            config = folder.read_flat_config()
        if state is FolderStatus.FINISHED:
            summary = folder.read_summary()
        status = _derive_status(state, summary, is_held=is_held)
        epochs = summary.last.epoch if summary is not None else _count_epochs(folder)
    except (StoreError, OSError) as error:
        if not os.path.lexists(folder.path):
            return None  # removed while it was read
        status, epochs, problem = ListedStatus.DAMAGED, 0, str(error)
    return ListedRun(folder, status, _find_change_time(folder), config, summary, epochs, problem)


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


_SELECTED = tuple(SelectedEpoch.__dataclass_fields__)
_SAMPLED = tuple(SampledTest.__dataclass_fields__)


def _flatten_summary(summary: RunSummary | None) -> dict[str, Any]:
    """Return the values of a summary that neither the config nor the folder's name holds."""
    best, last = (None, None) if summary is None else (summary.best, summary.last)
    sampled = None if summary is None else summary.mc_dropout
    return {
        "parameters": _read_number(summary, "parameters"),
        "seconds": _read_number(summary, "seconds"),
        "peak_memory_mb": _read_number(summary, "peak_memory_mb"),
        "audit_outcome": None if summary is None else summary.audit.value,
        **{f"best.{key}": _read_number(best, key) for key in _SELECTED},
        **{f"last.{key}": _read_number(last, key) for key in _SELECTED},
        **{f"best.mc_{key}": _read_number(sampled, key) for key in _SAMPLED},
        "config_hash": None if summary is None else summary.config_hash,
        "results_version": _read_number(summary, "results_version"),
    }


def _read_number(
    block: RunSummary | SelectedEpoch | SampledTest | None, key: str
) -> int | float | None:
    """Return a finite number of a block; None where there is none."""
    value: int | float | None = getattr(block, key, None)
    return None if value is None or not isfinite(value) else value
