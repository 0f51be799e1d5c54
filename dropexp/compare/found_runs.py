"""What was found in runs folders: runs to compare, and runs that lack results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dropexp.compare.settings import ComparedRun
from dropexp.runs.ledger import Request
from dropexp.runs.listed_run import ListedRun


@dataclass(slots=True)  # a frozen one takes three times as long to make
class FoundRun:
    """A run that can be compared; it is not modified.

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
        runs: those in view and those that count in their test.
        left_out: sentences on runs that were left out, and why.
        missing: runs of the same settings and studies that were asked for and lack results.
        folders: in how many folders of run folders they are. Each has a ledger of its own, so the
            order of runs in several folders is not known.
        named_study: the one study that a filter names; empty without one.
    """

    runs: tuple[FoundRun, ...]
    left_out: tuple[str, ...] = ()
    missing: tuple[MissingRun, ...] = ()
    folders: int = 1
    named_study: str = ""

    @property
    def in_view(self) -> tuple[FoundRun, ...]:
        """The runs that the arguments choose."""
        return tuple(run for run in self.runs if run.is_in_view)
