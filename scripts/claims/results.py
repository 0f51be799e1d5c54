"""Compare the runs of the studies by dropexp's own comparison.

A regulariser that was trained at several strengths is judged at the one with the lowest mean
validation loss, on test images, which took no part in that choice.
"""

import math
from collections.abc import Iterable, Sequence

from claims.finding import format_difference
from dropexp.compare import FoundRun, FoundRuns, Question, compare
from dropexp.compare.results import Row
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY

HOW = (
    "Each regulariser at its p of the lowest validation loss; losses in nats; paired test at the "
    "5 % level."
)


def choose_p(found: Iterable[FoundRun], regulariser: str) -> float:
    """Return the p with the lowest mean validation loss at each run's best epoch."""
    runs = [run for run in found if run.compared.summary.regulariser == regulariser]
    rows = compare(FoundRuns.of(runs)).rows
    best = min(rows, key=lambda row: row.estimates["val_loss"].value)
    return best.setting.p


def compare_two(
    found: Sequence[FoundRun],
    regulariser: str,
    against: str,
    metric: Metric = METRIC_REGISTRY["test_loss"],
    at: EpochChoice = EpochChoice.BEST,
) -> Row:
    """Return the row that compares one regulariser with another, each at its chosen p."""
    strengths = {name: choose_p(found, name) for name in (regulariser, against)}
    chosen = [
        run
        for run in found
        if strengths.get(run.compared.summary.regulariser) == run.compared.summary.p
    ]
    baseline = f"regulariser={against}" if against != "none" else None
    rows = compare(FoundRuns.of(chosen), Question(metric, at, baseline)).rows
    return next(row for row in rows if row.setting.regulariser == regulariser)


def format_result(row: Row) -> str:
    """Format a difference: ``−0.12 [−0.20, −0.04], better in 7 of 8 pairs``."""
    shown = "no number" if row.difference is None else format_difference(row.difference)
    return f"{shown}, better in {row.pairs_better} of {len(row.pairs)} pairs"


def list_losses(found: Iterable[FoundRun], regulariser: str, p: float) -> list[float]:
    """Return the test loss of each run of a setting at its best epoch, in nats, by seed.

    NaN for a run that diverged before it had a best epoch.
    """
    losses: dict[int, float] = {}
    for run in found:
        summary = run.compared.summary
        if summary.regulariser == regulariser and math.isclose(summary.p, p):
            loss = None if summary.best is None else summary.best.test_loss
            losses[summary.seed] = math.nan if loss is None else loss
    return [losses[seed] for seed in sorted(losses)]
