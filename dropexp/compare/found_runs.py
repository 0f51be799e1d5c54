"""What was found in runs folders: runs to compare, and runs that lack results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from dropexp.compare.compared_runs import ComparedRun, ComparedRuns
from dropexp.config.shared_config import SeededConfig
from dropexp.runs.ledger import Request
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.run_block import RunBlock


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that can be compared.

    Attributes:
        listed: the run as filters see it.
        compared: the results of the run.
        fields: the fields of its setting, by their dotted keys.
        request: the first request for it; None where none was recorded.
        ended: its place in the ledger at which it ended; None where that was not recorded.
        is_in_view: whether the arguments choose it. Other runs of the same settings and studies
            count in the test of what is in view.
    """

    listed: ListedRun
    compared: ComparedRun
    fields: Mapping[str, Any]
    request: Request | None = None
    ended: int | None = None
    is_in_view: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class FoundBatch:
    """Runs of a folder that differ in their seed only and can be compared.

    Attributes:
        listed: the runs as filters see them.
        compared: their results.
        fields: the fields of their setting, with the data.seed of the first of them.
        requests: the first request for each run; None where none was recorded.
        ends: the place in the ledger at which each run ended; None likewise.
        is_in_view: see FoundRun.
    """

    listed: RunBlock
    compared: ComparedRuns
    fields: Mapping[str, Any]
    requests: Sequence[Request | None]
    ends: Sequence[int | None]
    is_in_view: bool = True

    @classmethod
    def of(cls, run: FoundRun) -> Self:
        """Return the batch of one run."""
        return cls(
            RunBlock.of(run.listed),
            ComparedRuns.of([run.compared]),
            run.fields,
            [run.request],
            [run.ended],
            run.is_in_view,
        )

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.compared)

    def __iter__(self) -> Iterator[FoundRun]:
        """Return an iterator over the runs."""
        fields = self.fields
        for listed, compared, request, ended in zip(
            self.listed, self.compared, self.requests, self.ends, strict=True
        ):
            if isinstance(fields, SeededConfig):
                fields = SeededConfig(fields.shared, compared.seed)
            yield FoundRun(listed, compared, fields, request, ended, self.is_in_view)

    def split(self) -> "list[FoundBatch]":
        """Return a batch for each run."""
        return [FoundBatch.of(run) for run in self]


@dataclass(frozen=True)
class MissingRun:
    """A run that was asked for, and has no result that can be compared.

    Attributes:
        run_id: its id.
        seed: its run seed.
        request: the first request for it.
        sibling: the id of a found run of the same setting; None where none is known.
        setting: the digest of its setting, or the place of the setting in its study; None where
            both are unknown.
        ended: its place in the ledger at which it ended, if its results were seen once; None if it
            never ended.
        is_refused: whether it failed before it had any result. Such runs are left out for what
            they are, not for their results.
        is_elsewhere: whether it has a result, and is out of view with the study that asked for it.
    """

    run_id: str
    seed: int
    request: Request
    sibling: str | None
    setting: str | int | None
    ended: int | None
    is_refused: bool
    is_elsewhere: bool = False


@dataclass(frozen=True)
class FoundRuns:
    """The runs of a comparison.

    Attributes:
        batches: those in view and those that count in their test.
        left_out: sentences on runs that were left out, and why.
        missing: runs of the same settings and studies that were asked for and lack results.
        folders: in how many folders of run folders they are. Each has a ledger of its own, so the
            order of runs in several folders is not known.
        named_study: the one study that a filter names; empty without one.
    """

    batches: tuple[FoundBatch, ...]
    left_out: tuple[str, ...] = ()
    missing: tuple[MissingRun, ...] = ()
    folders: int = 1
    named_study: str = ""

    @classmethod
    def of(cls, runs: Iterable[FoundRun], missing: Iterable[MissingRun] = ()) -> Self:
        """Return runs of one folder that were chosen one by one."""
        return cls(tuple(map(FoundBatch.of, runs)), missing=tuple(missing))

    @property
    def in_view(self) -> tuple[FoundBatch, ...]:
        """The runs that the arguments choose."""
        return tuple(batch for batch in self.batches if batch.is_in_view)

    def list_runs(self) -> list[FoundRun]:
        """Return the runs in view, one by one."""
        return [run for batch in self.in_view for run in batch]

    def list_folders(self) -> list[Path]:
        """Return the run folders of the runs in view."""
        return [
            batch.listed.runs_dir / run_id
            for batch in self.in_view
            for run_id in batch.compared.run_ids
        ]
