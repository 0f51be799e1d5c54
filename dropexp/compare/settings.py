"""The settings that are compared, each with its runs and their curves. Imports no torch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropexp.config.classics import describe_classic
from dropexp.config.identity import LOOP_KEY, OWN_LOOP
from dropexp.config.setting import P_KEY, describe_regulariser, is_p_key, name_regulariser
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.records import METRICS_COLUMNS, AuditOutcome, RunStatus, RunSummary


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """The curves of a run: its metrics.csv.

    Attributes:
        table: float64 of shape (epochs, len(METRICS_COLUMNS)).
    """

    table: NDArray[np.float64]

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        """Return a column of METRICS_COLUMNS, shape (epochs,)."""
        return self.table[:, METRICS_COLUMNS.index(column)]

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.table)


@dataclass(frozen=True, eq=False, slots=True)
class ComparedRun:
    """One finished run of a setting.

    Attributes:
        run_id: the name of its folder.
        seed: its run seed.
        summary: the content of summary.json.
        curves: the content of metrics.csv.
        rise: the rise of the validation loss after its best epoch, nats; NaN without a finite
            loss.
        area: the loss gap summed over epochs, nats × epochs; NaN without a finite loss.
        threads: the CPU threads of its config; None where an older dropexp left them to torch.
            Times of runs are comparable only if threads and device are equal.
        device: the device of its config.
    """

    run_id: str
    seed: int
    summary: RunSummary
    curves: Curves
    rise: float
    area: float
    threads: int | None = None
    device: str | None = None

    @property
    def p(self) -> float:
        """The drop probability."""
        return self.summary.p

    @property
    def is_proven(self) -> bool:
        """Whether its audit passed."""
        return self.summary.audit is AuditOutcome.PASSED

    @property
    def has_mc_dropout(self) -> bool:
        """Whether it has results of MC dropout."""
        return self.summary.mc_dropout is not None

    @property
    def has_forgetting(self) -> bool:
        """Whether it has tracked its training examples."""
        return self.summary.forgetting is not None

    @property
    def has_variance_shift(self) -> bool:
        """Whether the variance shift of its batch norm was measured."""
        return self.summary.last.variance_shift is not None

    @property
    def packed(self) -> IndexedRuns | None:
        """Its results with those of other seeds; None where they are not packed."""
        return None

    @property
    def place(self) -> int:
        """Its place among them."""
        return 0

    @property
    def is_completed(self) -> bool:
        """Whether the run completed; if not, it diverged."""
        return self.summary.status is RunStatus.COMPLETED

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss; None without a finite one."""
        return None if self.summary.best is None else self.summary.best.epoch

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return self.summary.last.epoch

    @property
    def seconds(self) -> float:
        """The time of all epochs, training and evaluation."""
        return self.summary.seconds

    @property
    def seconds_per_epoch(self) -> float:
        """The mean time of an epoch, training and evaluation."""
        return self.seconds / self.epochs


def list_epochs(runs: Sequence[ComparedRun]) -> list[tuple[int | None, int]]:
    """Return the best and the last epoch of each run; a setting's come in a column each."""
    return [
        (run.best_epoch, run.epochs)
        if packed is None
        else (packed.read("best.epoch")[run.place], packed.read("last.epoch")[run.place])
        for run in runs
        for packed in (run.packed,)
    ]


@dataclass(frozen=True)
class Setting:
    """All runs that differ in their seed only.

    Attributes:
        name: its name in tables.
        fields: the scientific fields, flat and without the seed: ``{"model.width": 64, …}``.
        completed: its completed runs, by seed.
        diverged: its diverged runs, by seed.
        missing_seeds: the seeds that it lacks and other settings with the same data and model
            have.
        unproven_seeds: the seeds of runs whose audit failed or was skipped.
        options: the regulariser's own fields, without p, in which it differs from other settings
            with the same regulariser.
        classics: the classics that are on here and off in other settings.
        own_name: what another program calls it; empty for a setting of dropexp's runs, and then
            the fields say which regulariser it has.
    """

    name: str
    fields: Mapping[str, Any]
    completed: tuple[ComparedRun, ...]
    diverged: tuple[ComparedRun, ...] = ()
    missing_seeds: tuple[int, ...] = ()
    unproven_seeds: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    classics: tuple[str, ...] = ()
    own_name: str = ""

    @property
    def method(self) -> str:
        """The regulariser, or without one the classics; without strength."""
        if self.own_name:
            return self.own_name
        return (
            name_regulariser(self.fields)
            if self.has_regulariser
            else "+".join(self.classics) or "none"
        )

    @property
    def kind(self) -> str:
        """The regulariser without p, its options and the classics: ``dropconnect mask=batch``."""
        if self.own_name:
            return self.own_name
        names = [name_regulariser(self.fields)] if self.has_regulariser else []
        return " ".join([*names, *self._options(self.options), *self._classics()]) or "none"

    @property
    def label(self) -> str:
        """The regulariser with p, its options and the classics: no other field."""
        if self.own_name:
            return self.own_name
        names = [describe_regulariser(self.fields)] if self.has_regulariser else []
        options = [key for key in self.options if not is_p_key(key)]
        return " ".join([*names, *self._options(options), *self._classics()]) or "none"

    def _options(self, keys: Collection[str]) -> list[str]:
        return [f"{key.partition('.')[2]}={self.options[key]}" for key in keys]

    def _classics(self) -> list[str]:
        return [describe_classic(name, self.fields) for name in self.classics]

    def without_classics(self, classics: Collection[str]) -> "Setting":
        """Return the setting without these classics in its kind and label."""
        return replace(self, classics=tuple(n for n in self.classics if n not in classics))

    @property
    def runs(self) -> tuple[ComparedRun, ...]:
        """All its runs, the completed ones first."""
        return (*self.completed, *self.diverged)

    @property
    def has_regulariser(self) -> bool:
        """Whether it has a regulariser, and so a p; classics do not count."""
        return not self.own_name and self.regulariser != "none"

    @property
    def is_of_own_loop(self) -> bool:
        """Whether a loop of the user's own trained its runs, which dropexp only recorded."""
        return self.fields.get(LOOP_KEY) == OWN_LOOP

    @property
    def is_plain(self) -> bool:
        """Whether it has neither a regulariser nor a classic that other settings have off."""
        return not (self.has_regulariser or self.classics or self.own_name)

    @property
    def regulariser(self) -> str:
        """The name of its regulariser; ``none`` is the plain network."""
        return str(self.fields["regulariser.name"])

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.fields[P_KEY])

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """The seeds with which training diverged."""
        return tuple(run.seed for run in self.diverged)
