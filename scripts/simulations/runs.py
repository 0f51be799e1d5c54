"""Made-up tables as finished runs with their places in a ledger, for the real compare()."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dropexp.compare import FoundRun, FoundRuns
from dropexp.compare.compared_runs import ComparedRun, Curves
from dropexp.config.identity import RESULTS_VERSION
from dropexp.runs.ledger import Purpose, Request
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.records import AuditOutcome, RunStatus, RunSummary, SelectedEpoch
from simulations.laws import Array

LEVEL = 5.0
"""Of the baseline; with noise of 1 no interval of 64 seeds calls every effect small."""

_FIELDS = {"data.name": "digits", "model.width": 64}
_CURVES = Curves(np.ones((1, 15)))


def make_found_runs(
    values: Array, looks: Sequence[int] = (), validation: Array | None = None
) -> FoundRuns:
    """Return the runs of a table; ``none`` is the first setting.

    Args:
        values: test losses, shape (1 + rows, seeds); NaN for a run that diverged.
        looks: with how many seeds the table was looked at before; the seeds after each look were
            asked for when those before it had ended.
        validation: validation losses, likewise; the test losses by default.
    """
    validation = values if validation is None else validation
    places = _list_places(values.shape, looks)
    return FoundRuns.of(
        make_run(*_name_row(row), seed, LEVEL + test, LEVEL + val, *places[row, seed])
        for (row, seed), test, val in zip(
            np.ndindex(values.shape), values.ravel(), validation.ravel(), strict=True
        )
    )


def _list_places(
    shape: tuple[int, ...], looks: Sequence[int]
) -> dict[tuple[int, int], tuple[int, int]]:
    """Return the lines of the ledger at which each run was asked for and ended."""
    settings, seeds = shape
    places, line, first = {}, 0, 0
    for last in (*looks, seeds):
        asked = line
        for seed in range(first, last):
            for setting in range(settings):
                line += 1
                places[setting, seed] = asked, line
        line, first = line + 1, last
    return places


def _name_row(row: int) -> tuple[str, float]:
    return ("dropout2d", round(0.03 * row, 2)) if row else ("none", 0.0)


def make_run(
    name: str, p: float, seed: int, test: float, val: float, asked: int = 0, ended: int = 1
) -> FoundRun:
    """Return a finished run of one epoch.

    Args:
        name: of the regulariser.
        p: its drop probability.
        seed: the run seed.
        test: the test loss; NaN for a run that diverged.
        val: the validation loss.
        asked: the line of the ledger at which it was asked for.
        ended: the line at which it ended.
    """
    has_diverged = bool(np.isnan(test))
    at = SelectedEpoch(1, 0.5, 0.9, val, 0.8, test, 0.8, 0.5, 0.1)
    summary = RunSummary(
        run_id=f"{name}-p{p:g}-s{seed}-00000000",
        status=RunStatus.DIVERGED if has_diverged else RunStatus.COMPLETED,
        regulariser=name,
        p=p,
        seed=seed,
        parameters=10,
        seconds=1.0,
        peak_memory_mb=1.0,
        audit=AuditOutcome.PASSED,
        best=at,
        last=at,
        config_hash="",
        results_version=RESULTS_VERSION,
    )
    fields = {**_FIELDS, "regulariser.name": name, "regulariser.p": p, "data.seed": seed}
    listed = ListedRun(Path("runs"), summary.run_id, ListedStatus.FINISHED, 0.0, fields, summary)
    compared = ComparedRun(summary.run_id, seed, summary, _CURVES, 0.0, 0.0)
    request = Request(asked, "simulated", Purpose.SWEEP)
    return FoundRun(listed, compared, fields, request, ended)
