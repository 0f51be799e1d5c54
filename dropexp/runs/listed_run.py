"""A run folder as one row of plain values, which stay packed until they are asked for.

Imports no torch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import Any

from dropexp.config.identity import LOOP_KEY, OWN_LOOP
from dropexp.config.shared_config import SeededConfig, SharedConfig
from dropexp.runs.files import METRICS
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.packed import unpack_summary
from dropexp.runs.records import (
    AuditOutcome,
    ForgettingSummary,
    RunSummary,
    SampledTest,
    SelectedEpoch,
)
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

    There may be a hundred thousand of them. So results stay packed, and values are computed when
    they are asked for.

    Attributes:
        runs_dir: the folder of run folders.
        run_id: the run's id, which names its folder.
        status: of the run.
        changed: when it finished, or else when one of its files was last written; in seconds
            since 1970.
        config: the whole config, flat: ``{"data.train_size": 400, …}``; empty if damaged.
        problem: what is damaged, in a sentence; empty if nothing is.
        packed: the results of a finished or diverged run with those of other seeds; None where
            they are not packed.
        place: of the run among them.
    """

    __slots__ = (
        "_epochs",
        "_summary",
        "changed",
        "config",
        "packed",
        "place",
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
        results: RunSummary | IndexedRuns | None,
        epochs: int = 0,
        problem: str = "",
        place: int = 0,
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
            place: likewise.
        """
        self.runs_dir = runs_dir
        self.run_id = run_id
        self.status = status
        self.changed = changed
        self.config = config
        self.problem = problem
        self.packed = results if isinstance(results, IndexedRuns) else None
        self.place = place
        self._summary = None if isinstance(results, IndexedRuns) else results
        self._epochs = epochs

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.runs_dir, self.run_id)

    @property
    def metrics_size(self) -> int:
        """The size of metrics.csv in bytes; 0 where it is missing."""
        if self.packed is None:
            return self.folder.size_of(METRICS)
        size: int = self.packed.read("metrics_size")[self.place]
        return size

    @property
    def summary(self) -> RunSummary | None:
        """The results of a finished or diverged run; None for other runs."""
        if self.packed is None:
            return self._summary
        return unpack_summary(self.packed.get_record(self.place), self.run_id, self.config)

    @property
    def has_results(self) -> bool:
        """Whether the run finished or diverged."""
        return self.packed is not None or self._summary is not None

    @property
    def results_version(self) -> int | None:
        """The version of dropexp's numbers that it has; None without results."""
        if self.packed is not None:
            version: int = self.packed.read("results_version")[self.place]
            return version
        return None if self._summary is None else self._summary.results_version

    @property
    def is_proven(self) -> bool:
        """Whether it has results, and its audit passed."""
        if self.packed is not None:
            return bool(self.packed.read("audit_outcome")[self.place] == AuditOutcome.PASSED)
        return self._summary is not None and self._summary.audit is AuditOutcome.PASSED

    @property
    def is_comparable(self) -> bool:
        """Whether it has results, and its audit passed or a loop of the user's own made none."""
        if self.is_proven:
            return True
        is_own = self.has_results and self.config.get(LOOP_KEY) == OWN_LOOP
        return is_own and self.get_result("audit_outcome") == AuditOutcome.SKIPPED

    def has_numbers(self, *names: str) -> bool:
        """Return whether its summary has all of these numbers, which may be infinite or NaN."""
        if self.packed is not None:
            return self.packed.has_numbers(self.place, names)
        summary = self._summary
        return summary is not None and all(_find_value(summary, name) is not None for name in names)

    @property
    def epochs(self) -> int:
        """How many epochs are in metrics.csv."""
        return int(self.get_result("last.epoch")) if self.has_results else self._epochs

    def get_result(self, key: str) -> Any:
        """Return a value of the summary by its name in ``values``; None where there is none."""
        if self.packed is not None:
            return self.packed.read(key)[self.place]
        return None if self._summary is None else _read_unpacked(self._summary, key)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value to filter, sort by and export; see ``values``."""
        if key in self.config:
            return self.config[key]
        if key in _OWN:
            return _OWN[key](self)
        return self.get_result(key) if key in _RESULT_KEYS else default

    @property
    def values(self) -> dict[str, Any]:
        """Everything to filter, sort by and export, by name; None where there is no number.

        Fields of the config keep their names. ``audit`` is one of them, so the outcome of the
        audit is ``audit_outcome``.
        """
        return {key: self.get(key) for key in (*_COLUMNS, *self.config)}


def list_keys(runs: Iterable[ListedRun]) -> list[str]:
    """Return the names of the values that any of the runs has."""
    sources = [run.config if run.packed is None else run.packed.shared for run in runs]
    return name_values({id(source): source for source in sources}.values())


def name_values(configs: Iterable[Mapping[str, Any] | SharedConfig]) -> list[str]:
    """Return the names of the values of runs with these configs."""
    shared: dict[int, Mapping[str, Any]] = {}
    for source in configs:
        one = source.shared if isinstance(source, SeededConfig) else source
        fields = one.fields if isinstance(one, SharedConfig) else one
        shared[id(fields)] = fields
    keys = dict.fromkeys(_COLUMNS) if shared else {}
    return list(keys | dict.fromkeys(key for fields in shared.values() for key in fields))


def list_packed(runs: Iterable[ListedRun]) -> list[IndexedRuns]:
    """Return what holds the packed results of any of the runs."""
    return [packed for packed in dict.fromkeys(run.packed for run in runs) if packed is not None]


def read_results(runs: Sequence[ListedRun], key: str) -> list[Any]:
    """Return get_result of each run, in a third of the time."""
    columns = {packed: packed.read(key) for packed in list_packed(runs)}
    return [
        run.get_result(key) if run.packed is None else columns[run.packed][run.place]
        for run in runs
    ]


_SELECTED = tuple(SelectedEpoch.__dataclass_fields__)
_RESULTS = (
    "parameters",
    "seconds",
    "peak_memory_mb",
    "audit_outcome",
    *(f"best.{key}" for key in _SELECTED),
    *(f"last.{key}" for key in _SELECTED),
    *(f"best.mc_{key}" for key in SampledTest.__dataclass_fields__),
    *(f"forgetting.{key}" for key in ForgettingSummary.__dataclass_fields__),
    "config_hash",
    "results_version",
)
"""The values of a summary that neither the config nor the folder's name holds."""


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
