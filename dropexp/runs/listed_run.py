"""A run folder as one row of plain values, which stay packed until they are asked for.

Imports no torch.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any

from dropexp.config.identity import LOOP_KEY, OWN_LOOP
from dropexp.config.shared_config import SeededConfig
from dropexp.runs.files import METRICS
from dropexp.runs.index import read_metrics_size
from dropexp.runs.packed import (
    has_numbers,
    read_audit,
    read_config_hash,
    read_number,
    read_version,
    unpack_summary,
)
from dropexp.runs.records import AuditOutcome, RunSummary, SampledTest, SelectedEpoch
from dropexp.runs.write import RunFolder


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
    def metrics_size(self) -> int:
        """The size of metrics.csv in bytes; 0 where it is missing."""
        packed = self.packed_results
        return self.folder.size_of(METRICS) if packed is None else read_metrics_size(packed)

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
    def results_version(self) -> int | None:
        """The version of dropexp's numbers that it has; None without results."""
        results = self._results
        if isinstance(results, bytes):
            return read_version(results)
        return None if results is None else results.results_version

    @property
    def is_proven(self) -> bool:
        """Whether it has results, and its audit passed."""
        results = self._results
        if isinstance(results, bytes):
            return read_audit(results) is AuditOutcome.PASSED
        return results is not None and results.audit is AuditOutcome.PASSED

    @property
    def is_comparable(self) -> bool:
        """Whether it has results, and its audit passed or a loop of the user's own made none."""
        if self.is_proven:
            return True
        is_own = self._results is not None and self.config.get(LOOP_KEY) == OWN_LOOP
        return is_own and self.get_result("audit_outcome") == AuditOutcome.SKIPPED

    def has_numbers(self, *names: str) -> bool:
        """Return whether its summary has all of these numbers, which may be infinite or NaN."""
        results = self._results
        if isinstance(results, bytes):
            return has_numbers(results, names)
        return results is not None and all(_find_value(results, name) is not None for name in names)

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
        return _read_result(self._results, key) if key in _RESULT_KEYS else default

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
    if key == "audit_outcome":
        return read_audit(results).value
    if key == "config_hash":
        return read_config_hash(results)
    return read_number(results, key)


def _read_unpacked(summary: RunSummary, key: str) -> Any:
    if key == "audit_outcome":
        return summary.audit.value
    value = _find_value(summary, key)
    return None if isinstance(value, float) and not isfinite(value) else value


def _find_value(summary: RunSummary, key: str) -> Any:
    block, _, name = key.rpartition(".")
    if not block:
        return getattr(summary, key)
    if name.startswith("mc_"):
        return getattr(summary.mc_dropout, name.removeprefix("mc_"), None)
    return getattr(getattr(summary, block), name, None)


def _format_change_time(run: ListedRun) -> str:
    changed = datetime.fromtimestamp(run.changed).astimezone()
    return changed.isoformat(timespec="milliseconds")


_RESULT_KEYS = frozenset(_RESULTS)
_OWN: Mapping[str, Callable[[ListedRun], Any]] = {
    "run_id": lambda run: run.run_id,
    "status": lambda run: run.status.value,
    "epochs": lambda run: run.epochs,
    "changed": _format_change_time,
    "folder": lambda run: str(run.folder.path),
    "problem": lambda run: run.problem or None,
}
_COLUMNS = ("run_id", "status", "epochs", *_RESULTS, "changed", "folder", "problem")
