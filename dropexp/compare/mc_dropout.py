"""Which of the compared runs have results of MC dropout."""

from collections.abc import Iterable, Sequence

from dropexp.compare.settings import ComparedRun, Setting
from dropexp.errors import UserError
from dropexp.runs.metric_types import Metric, MetricSource

_HOW_TO_MEASURE = (
    "Add mc_dropout=50 to the command that trained them: it measures finished runs and trains "
    "nothing."
)


def has_results(runs: Iterable[ComparedRun]) -> bool:
    """Return whether any run has results of MC dropout."""
    runs = list(runs)
    without = {
        packed
        for packed in {run.packed for run in runs}
        if packed is not None and {*packed.read("best.mc_passes")} == {None}
    }
    return any(run.has_mc_dropout for run in runs if run.packed not in without)


def is_unmeasured(run: ComparedRun, metric: Metric) -> bool:
    """Return whether a run lacks the results of MC dropout that a metric needs.

    A network without noise needs no passes.
    """
    is_needed = metric.source is MetricSource.MC_DROPOUT and run.is_completed
    return is_needed and run.p > 0 and not run.has_mc_dropout


def refuse_unmeasured(metric: Metric, runs: Iterable[ComparedRun]) -> None:
    """Raise UserError if a metric of MC dropout was measured for no run.

    Raises:
        UserError: names the metric, and says how to measure it.
    """
    if metric.source is MetricSource.MC_DROPOUT and not has_results(runs):
        raise UserError(
            f"--metric {metric.key} was not measured: no run has results of mc_dropout. "
            f"{_HOW_TO_MEASURE}"
        )


def describe_unmeasured(settings: Sequence[Setting]) -> list[str]:
    """Return sentences on runs without results of MC dropout, and on unequal numbers of passes."""
    sentences = []
    for setting in settings:
        noisy = [run for run in setting.completed if run.p > 0]
        unmeasured = sum(not run.has_mc_dropout for run in noisy)
        if unmeasured:
            sentences.append(
                f"{setting.name}: {unmeasured} of {len(noisy)} runs have no results of "
                f"mc_dropout. {_HOW_TO_MEASURE}"
            )
    numbers = {
        run.summary.mc_dropout.passes
        for setting in settings
        for run in setting.completed
        if run.summary.mc_dropout is not None
    }
    if len(numbers) > 1:
        shown = ", ".join(map(str, sorted(numbers)))
        sentences.append(
            f"Runs have different numbers of passes of mc_dropout ({shown}). More passes lower "
            f"the loss by themselves."
        )
    return sentences
