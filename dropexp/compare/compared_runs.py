"""Finished runs as they are compared: one by one, and many of one setting as columns.

A table of a hundred thousand runs reads a thousand columns of each number. A run is made where
somebody looks at it, as at its curves. Imports no torch.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from dropexp.runs.indexed_runs import RECORD_SIZE
from dropexp.runs.packed import (
    PACKED_SIZE,
    list_missing,
    list_numbers,
    list_outcomes,
    list_statuses,
    mark_numbers,
    pack_numbers,
    unpack_numbers,
)
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


class ComparedRuns(Sequence[ComparedRun]):
    """Runs of one setting as columns, with one value for each run; they are not modified.

    Attributes:
        run_ids: the names of their folders.
        seeds: their run seeds.
        threads: the CPU threads of each run's config; None where they are unknown.
        devices: the device of each run's config; None likewise.
        records: RECORD_SIZE bytes for each run, at whose end its packed summary is.
    """

    __slots__ = ("_made", "_make", "devices", "records", "run_ids", "seeds", "threads")

    def __init__(
        self,
        run_ids: Sequence[str],
        seeds: Sequence[int],
        records: bytes,
        threads: Sequence[int | None],
        devices: Sequence[str | None],
        make: Callable[[int], ComparedRun],
    ) -> None:
        """Take the columns.

        Args:
            run_ids: see the attributes, as for the others.
            seeds: likewise.
            records: likewise.
            threads: likewise.
            devices: likewise.
            make: returns the run at a place; called once for each.
        """
        self.run_ids = run_ids
        self.seeds = seeds
        self.records = records
        self.threads = threads
        self.devices = devices
        self._make = make
        self._made: dict[int, ComparedRun] = {}

    @classmethod
    def of(cls, runs: Iterable[ComparedRun]) -> "ComparedRuns":
        """Return runs that were made already."""
        made = tuple(runs)
        head = bytes(RECORD_SIZE - PACKED_SIZE)
        return cls(
            [run.run_id for run in made],
            [run.seed for run in made],
            b"".join(
                head + pack_numbers(replace(run.summary, rise=run.rise, area=run.area))
                for run in made
            ),
            [run.threads for run in made],
            [run.device for run in made],
            made.__getitem__,
        )

    @classmethod
    def join(cls, parts: "Sequence[ComparedRuns]") -> "ComparedRuns":
        """Return the runs of several after each other."""
        if len(parts) == 1:
            return parts[0]
        places = [(part, place) for part in parts for place in range(len(part))]

        def make(place: int) -> ComparedRun:
            part, own = places[place]
            return part[own]

        return cls(
            [run_id for part in parts for run_id in part.run_ids],
            [seed for part in parts for seed in part.seeds],
            b"".join(part.records for part in parts),
            [threads for part in parts for threads in part.threads],
            [device for part in parts for device in part.devices],
            make,
        )

    def take(self, places: Sequence[int]) -> "ComparedRuns":
        """Return the runs at some places, in that order."""
        if list(places) == list(range(len(self))):
            return self
        return ComparedRuns(
            [self.run_ids[place] for place in places],
            [self.seeds[place] for place in places],
            b"".join(self.records[at : at + RECORD_SIZE] for at in _locate(places)),
            [self.threads[place] for place in places],
            [self.devices[place] for place in places],
            lambda place: self[places[place]],
        )

    def select(self, is_wanted: Iterable[bool]) -> "ComparedRuns":
        """Return some of the runs, in the same order."""
        return self.take(list(compress(range(len(self)), is_wanted)))

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.run_ids)

    @overload
    def __getitem__(self, place: int) -> ComparedRun: ...

    @overload
    def __getitem__(self, place: slice) -> "ComparedRuns": ...

    def __getitem__(self, place: "int | slice") -> "ComparedRun | ComparedRuns":
        """Return a run, or some of them."""
        places = range(len(self))[place]
        if isinstance(places, range):
            return self.take(places)
        run = self._made.get(places)
        if run is None:
            run = self._made[places] = self._make(places)
        return run

    def read(self, name: str) -> Sequence[Any]:
        """Return a number of each run's summary; None where it is missing or not finite.

        Args:
            name: one of NUMBERS, such as ``last.epoch``.
        """
        return list_numbers(self.records, RECORD_SIZE, name) if self.records else []

    def unpack(self, names: tuple[str, ...]) -> "tuple[NDArray[np.float64], NDArray[np.bool_]]":
        """Return some of NUMBERS, and which of them are not missing, each (names, runs).

        There is at least one run.
        """
        return unpack_numbers(self.records, RECORD_SIZE, names)

    def list_known(self, name: str) -> list[bool]:
        """Return of which runs one of NUMBERS is not missing; it may be infinite or NaN."""
        if not self.records:
            return []
        bit = mark_numbers((name,))
        return [not missing & bit for missing in list_missing(self.records, RECORD_SIZE)]

    @property
    def is_completed(self) -> list[bool]:
        """Whether each run completed; if not, it diverged."""
        return [each is RunStatus.COMPLETED for each in list_statuses(self.records, RECORD_SIZE)]

    @property
    def is_proven(self) -> list[bool]:
        """Whether each run's audit passed."""
        outcomes = list_outcomes(self.records, RECORD_SIZE)
        return [each == AuditOutcome.PASSED for each in outcomes]


def _locate(places: Sequence[int]) -> Iterable[int]:
    return (place * RECORD_SIZE for place in places)


NO_RUNS = ComparedRuns.of(())
