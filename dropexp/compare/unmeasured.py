"""Which of the compared runs have the results that not every run measures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dropexp.compare.settings import ComparedRun, Setting
from dropexp.errors import UserError
from dropexp.runs.metric_types import Metric, MetricSource
from dropexp.runs.requested_metrics import VARIANCE_SHIFT


@dataclass(frozen=True, slots=True)
class _Request:
    """What makes a run measure the metrics of a source.

    Attributes:
        key: of the config.
        number: of a packed summary, which is there in runs that were asked.
        attribute: of ComparedRun, whether it was asked.
        how: how to measure runs that were not asked, in a sentence.
        is_without_noise: whether a network without noise needs it too.
    """

    key: str
    number: str
    attribute: str
    how: str
    is_without_noise: bool

    def is_met(self, run: ComparedRun) -> bool:
        return bool(getattr(run, self.attribute))


_REQUESTS: Mapping[MetricSource, _Request] = {
    MetricSource.MC_DROPOUT: _Request(
        "mc_dropout",
        "best.mc_passes",
        "has_mc_dropout",
        "Add mc_dropout=50 to the command that trained them: it measures finished runs and trains "
        "nothing.",
        is_without_noise=False,
    ),
    MetricSource.FORGETTING: _Request(
        "track_examples",
        "forgetting.forgetting_events",
        "has_forgetting",
        "Add track_examples=true to a command that trains, or track_examples=true force=true to "
        "train finished runs again.",
        is_without_noise=True,
    ),
}

_REQUESTS_OF_METRICS: Mapping[str, _Request] = {
    VARIANCE_SHIFT.key: _Request(
        "variance_shift",
        "last.variance_shift",
        "has_variance_shift",
        "Networks with batch norm have it, where that trains; force=true measures it in runs of an "
        "older dropexp, by training them again.",
        is_without_noise=True,
    ),
}


def _find_request(metric: Metric) -> _Request | None:
    """Return what makes a run measure a metric; None where every run measures it."""
    return _REQUESTS.get(metric.source) or _REQUESTS_OF_METRICS.get(metric.key)


def find_absent_sources(runs: Iterable[ComparedRun]) -> set[MetricSource]:
    """Return the sources of metrics that no run has results of."""
    runs = list(runs)
    return {source for source, request in _REQUESTS.items() if not _has_results(runs, request)}


def _has_results(runs: Sequence[ComparedRun], request: _Request) -> bool:
    without = {
        packed
        for packed in {run.packed for run in runs}
        if packed is not None and {*packed.read(request.number)} == {None}
    }
    return any(request.is_met(run) for run in runs if run.packed not in without)


def find_unmeasured(metric: Metric, runs: Iterable[ComparedRun]) -> set[str]:
    """Return the ids of completed runs that lack the results that a metric needs."""
    request = _find_request(metric)
    if request is None:
        return set()
    return {run.run_id for run in runs if run.is_completed and _lacks(run, request)}


def _lacks(run: ComparedRun, request: _Request) -> bool:
    return (request.is_without_noise or run.p > 0) and not request.is_met(run)


def refuse_unmeasured(metric: Metric, runs: Iterable[ComparedRun]) -> None:
    """Raise UserError if a metric that not every run measures was measured for none.

    Raises:
        UserError: names the metric, and says how to measure it.
    """
    request = _find_request(metric)
    if request is not None and not _has_results(list(runs), request):
        raise UserError(
            f"--metric {metric.key} was not measured: no run has results of {request.key}. "
            f"{request.how}"
        )


def describe_unmeasured(metric: Metric, settings: Sequence[Setting]) -> list[str]:
    """Return sentences on runs without the results of a metric, and on unequal requests."""
    request = _find_request(metric)
    if request is None:
        return []
    sentences = []
    for setting in settings:
        asked = [run for run in setting.completed if request.is_without_noise or run.p > 0]
        unmeasured = sum(_lacks(run, request) for run in asked)
        if unmeasured:
            sentences.append(
                f"{setting.name}: {unmeasured} of {len(asked)} runs have no results of "
                f"{request.key}. {request.how}"
            )
    if metric.source is MetricSource.MC_DROPOUT:
        sentences += _describe_unequal_passes(settings)
    return sentences


def _describe_unequal_passes(settings: Sequence[Setting]) -> list[str]:
    numbers = {
        run.summary.mc_dropout.passes
        for setting in settings
        for run in setting.completed
        if run.summary.mc_dropout is not None
    }
    if len(numbers) < 2:
        return []
    shown = ", ".join(map(str, sorted(numbers)))
    return [
        f"Runs have different numbers of passes of mc_dropout ({shown}). More passes lower the "
        f"loss by themselves."
    ]
