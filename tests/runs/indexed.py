"""What a listing says with the help of an index, and without."""

from pathlib import Path
from typing import Any

from dropexp.runs.index import INDEX, RunIndex
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_runs


def describe(runs: list[ListedRun]) -> list[Any]:
    """Return all that there is to know of listed runs."""
    return [(repr(run.values), run.problem, repr(run.summary), dict(run.config)) for run in runs]


def list_without_index(runs: Path) -> list[Any]:
    """Return the listing as it is where no index exists."""
    (runs / INDEX).unlink(missing_ok=True)
    listed = describe(list_runs(runs))
    (runs / INDEX).unlink(missing_ok=True)
    return listed


def count_rows(runs: Path) -> int:
    """Return for how many runs the index saves reading the folder now."""
    index = RunIndex(runs)
    return sum(map(len, index.check({path.name for path in runs.iterdir()})))
