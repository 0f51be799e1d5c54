"""When the runs of a setting were asked for and ended, by seed: what the choice of a test needs.

A baseline is compared with many settings. What their rows ask of all its runs is kept here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import NamedTuple, Self

from dropexp.compare.found_runs import FoundBatch
from dropexp.runs.ledger import Purpose, Request

UNRECORDED = -1
"""In place of the number of a request that was not recorded."""


class AskedRun(NamedTuple):
    """When a run was asked for and ended; see FoundRun."""

    seed: int
    run_id: str
    request: Request | None
    ended: int | None
    is_in_view: bool

    @property
    def number(self) -> int:
        """The number of the first request for it."""
        return UNRECORDED if self.request is None else self.request.number

    @property
    def is_search(self) -> bool:
        """Whether a search asked for it."""
        return self.request is not None and self.request.purpose is Purpose.SEARCH


@dataclass(frozen=True)
class SeedRuns:
    """Runs of a setting by seed.

    Attributes:
        by_seed: seed → its run.
    """

    by_seed: Mapping[int, AskedRun]

    @cached_property
    def numbers(self) -> frozenset[int]:
        """The numbers of the requests for the runs."""
        requests = {id(run.request): run for run in self.by_seed.values()}
        return frozenset(run.number for run in requests.values())

    @cached_property
    def filtered(self) -> frozenset[int]:
        """The seeds that are not in view although other seeds of the setting are."""
        hidden = {seed for seed, run in self.by_seed.items() if not run.is_in_view}
        return frozenset(hidden if len(hidden) < len(self.by_seed) else ())

    @cached_property
    def are_in_view(self) -> bool:
        """Whether all runs are in view."""
        return all(run.is_in_view for run in self.by_seed.values())

    def get_number(self, seed: int) -> int:
        """Return the number of the request for a seed."""
        run = self.by_seed.get(seed)
        return UNRECORDED if run is None else run.number

    def without(self, seeds: Iterable[int]) -> "SeedRuns":
        """Return the runs without some seeds."""
        left_out = set(seeds)
        if not left_out:
            return self
        return SeedRuns({s: run for s, run in self.by_seed.items() if s not in left_out})


@dataclass(frozen=True)
class AskedSetting:
    """All runs of a setting, in the order in which they were found.

    Attributes:
        runs: those in view and those that count with them.
    """

    runs: Sequence[AskedRun]

    @classmethod
    def of(cls, batches: Iterable[FoundBatch]) -> Self:
        """Return the setting of some runs."""
        return cls(
            [
                run
                for batch in batches
                for run in map(
                    AskedRun,
                    batch.compared.seeds,
                    batch.compared.run_ids,
                    batch.requests,
                    batch.ends,
                    repeat(batch.is_in_view),
                )
            ]
        )

    @cached_property
    def is_explored(self) -> bool:
        """Whether a search asked for some of the runs."""
        return any(run.is_search for run in {id(run.request): run for run in self.runs}.values())

    @cached_property
    def counted(self) -> SeedRuns:
        """The runs that count where the setting is a baseline."""
        return SeedRuns({run.seed: run for run in _drop_later_studies(self.runs)})

    @cached_property
    def tested(self) -> SeedRuns:
        """The runs that count where the setting is tested: none that a search asked for."""
        if not self.is_explored:
            return self.counted
        tested = [run for run in self.runs if not run.is_search]
        return SeedRuns({run.seed: run for run in _drop_later_studies(tested)})


def list_studies(runs: Iterable[AskedRun]) -> set[str | None]:
    """Return the studies that asked for the runs in view."""
    return {run.request.study for run in runs if run.is_in_view and run.request is not None}


def _drop_later_studies(runs: Sequence[AskedRun]) -> list[AskedRun]:
    """Return the runs without those that another study asked for when these in view had ended.

    What a later study adds changes nothing in what was known before.
    """
    in_view = [run for run in runs if run.is_in_view]
    if len(in_view) == len(runs):
        return in_view
    ends = [run.ended for run in in_view]
    studies = list_studies(runs)
    if not in_view or None in ends:
        return list(runs)
    last = max(end for end in ends if end is not None)
    return [
        run
        for run in runs
        if run.is_in_view
        or run.request is None
        or run.request.study in studies
        or run.request.number < last
    ]
