"""Runs of a folder that differ in their seed only, taken together.

A hundred thousand runs have a thousand settings. What is true of a setting is asked once for its
block, and a row of a single run is made when somebody asks for it. Imports no numpy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import compress
from pathlib import Path
from typing import Any, overload

from dropexp.config.shared_config import SeededConfig
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.records import RunStatus

_STATUSES = {
    RunStatus.COMPLETED: ListedStatus.FINISHED,
    RunStatus.DIVERGED: ListedStatus.DIVERGED,
}


class RunBlock(Sequence[ListedRun]):
    """Finished runs of a folder that differ in their seed only, or one other run; not modified.

    Attributes:
        runs_dir: the folder of run folders.
        packed: the results; None for a run whose results are not packed, or that has none.
    """

    def __init__(
        self,
        runs_dir: Path,
        packed: IndexedRuns | None,
        other: ListedRun | None = None,
    ) -> None:
        assert (packed is None) is not (other is None), "one of them holds the runs"
        self.runs_dir = runs_dir
        self.packed = packed
        self._other = other

    @classmethod
    def of(cls, run: ListedRun) -> "RunBlock":
        """Return the block of one run."""
        packed = run.packed
        if packed is None:
            return cls(run.runs_dir, None, run)
        return cls(run.runs_dir, packed.take([run.place]))

    def __len__(self) -> int:
        """Return the number of runs."""
        return 1 if self.packed is None else len(self.packed)

    @overload
    def __getitem__(self, place: int) -> ListedRun: ...

    @overload
    def __getitem__(self, place: slice) -> list[ListedRun]: ...

    def __getitem__(self, place: int | slice) -> ListedRun | list[ListedRun]:
        """Return a run, or some of them, as rows."""
        places = range(len(self))[place]
        if isinstance(places, range):
            return [self._make_row(each) for each in places]
        return self._make_row(places)

    def __iter__(self) -> Iterator[ListedRun]:
        """Return an iterator over the runs as rows."""
        packed = self.packed
        if packed is None:
            return iter([self[0]])
        columns = zip(
            packed.run_ids,
            map(_STATUSES.__getitem__, packed.read("status")),
            packed.read("changed"),
            packed.read("seed"),
            strict=True,
        )
        # As _make_row, which looks every column up again.
        return (
            ListedRun(
                self.runs_dir,
                run_id,
                status,
                changed,
                SeededConfig(packed.shared, seed),
                packed,
                place=place,
            )
            for place, (run_id, status, changed, seed) in enumerate(columns)
        )

    def _make_row(self, place: int) -> ListedRun:
        packed = self.packed
        if packed is None:
            assert self._other is not None
            return self._other
        return ListedRun(
            self.runs_dir,
            packed.run_ids[place],
            _STATUSES[packed.read("status")[place]],
            packed.read("changed")[place],
            SeededConfig(packed.shared, packed.read("seed")[place]),
            packed,
            place=place,
        )

    @cached_property
    def run_ids(self) -> Sequence[str]:
        """The ids of the runs."""
        return [self[0].run_id] if self.packed is None else self.packed.run_ids

    @cached_property
    def first_id(self) -> str:
        """The id that comes first by name; what blocks are sorted by."""
        return min(self.run_ids)

    @property
    def has_results(self) -> bool:
        """Whether the runs finished or diverged."""
        return self.packed is not None or self[0].has_results

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The config of the first run; empty if damaged."""
        if self.packed is None:
            return self[0].config
        return SeededConfig(self.packed.shared, self.packed.read("seed")[0])

    def read(self, key: str) -> Sequence[Any]:
        """Return ListedRun.get_result of each run."""
        return [self[0].get_result(key)] if self.packed is None else self.packed.read(key)

    def is_shared(self, key: str) -> bool:
        """Return whether a key is a field of the config that has one value in all runs."""
        if self.packed is None:
            return key in self.config
        shared = self.packed.shared
        return key in shared.fields and key not in shared.follows

    def select(self, is_wanted: Sequence[bool]) -> "RunBlock | None":
        """Return some of the runs; None for none."""
        if all(is_wanted):
            return self
        if self.packed is None or not any(is_wanted):
            return None
        return self.take(list(compress(range(len(self)), is_wanted)))

    def take(self, places: Sequence[int]) -> "RunBlock":
        """Return the runs at some places, of which there is at least one."""
        packed = None if self.packed is None else self.packed.take(places)
        return RunBlock(self.runs_dir, packed, self._other)

    def split(self) -> "list[RunBlock]":
        """Return a block for each run."""
        return [self.take([place]) for place in range(len(self))]


def select_each(blocks: Iterable[RunBlock], is_wanted: Iterable[Sequence[bool]]) -> list[RunBlock]:
    """Return RunBlock.select of each block, without those of which nothing is left."""
    selected = (block.select(each) for block, each in zip(blocks, is_wanted, strict=True))
    return [block for block in selected if block is not None]


def find_values(blocks: Iterable[RunBlock], key: str) -> set[Any]:
    """Return the different values of ListedRun.get_result, which can be hashed."""
    return set().union(*(block.read(key) for block in blocks))


def list_ids(blocks: Iterable[RunBlock]) -> list[str]:
    """Return the ids of all runs, block by block."""
    return [run_id for block in blocks for run_id in block.run_ids]


def list_rows(blocks: Iterable[RunBlock]) -> list[ListedRun]:
    """Return all runs as rows, block by block."""
    return [run for block in blocks for run in block]
