"""Which of the compared runs have the results that not every run measures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

from dropexp.compare.compared_runs import ComparedRuns
from dropexp.compare.settings import Setting
from dropexp.errors import UserError
from dropexp.runs.metric_types import Metric, MetricSource
from dropexp.runs.requested_metrics import VARIANCE_SHIFT


@dataclass(frozen=True, slots=True)
class _Request:
    """What makes a run measure the metrics of a source.

    Attributes:
        key: of the config.
        number: of a packed summary, which is there in runs that were asked.
        how: how to measure runs that were not asked, in a sentence.
        is_without_noise: whether a network without noise needs it too.
    """

    key: str
    number: str
    how: str
    is_without_noise: bool

    def list_asked(self, runs: ComparedRuns) -> list[bool]:
        """Return which runs should have the results: where none is needed, no run is asked."""
        if self.is_without_noise:
            return [True] * len(runs)
        return [run.p > 0 for run in runs]

    def list_lacking(self, runs: ComparedRuns) -> list[bool]:
        """Return which runs should have the results, and do not."""
        met = runs.list_known(self.number)
        return [asked and not has for asked, has in zip(self.list_asked(runs), met, strict=True)]


_REQUESTS: Mapping[MetricSource, _Request] = {
    MetricSource.MC_DROPOUT: _Request(
        "mc_dropout",
        "best.mc_passes",
        "Add mc_dropout=50 to the command that trained them: it measures finished runs and trains "
        "nothing.",
        is_without_noise=False,
    ),
    MetricSource.FORGETTING: _Request(
        "track_examples",
        "forgetting.forgetting_events",
        "Add track_examples=true to a command that trains, or track_examples=true force=true to "
        "train finished runs again.",
        is_without_noise=True,
    ),
}

_REQUESTS_OF_METRICS: Mapping[str, _Request] = {
    VARIANCE_SHIFT.key: _Request(
        "variance_shift",
        "last.variance_shift",
        "Networks with batch norm have it, where that trains; force=true measures it in runs of an "
        "older dropexp, by training them again.",
        is_without_noise=True,
    ),
}


def _find_request(metric: Metric) -> _Request | None:
    """Return what makes a run measure a metric; None where every run measures it."""
    return _REQUESTS.get(metric.source) or _REQUESTS_OF_METRICS.get(metric.key)


def find_absent_sources(settings: Iterable[Setting]) -> set[MetricSource]:
    """Return the sources of metrics that no completed run has results of."""
    settings = list(settings)
    return {source for source, request in _REQUESTS.items() if not _has_results(settings, request)}


def _has_results(settings: Iterable[Setting], request: _Request) -> bool:
    return any(any(setting.completed.list_known(request.number)) for setting in settings)


def find_unmeasured(metric: Metric, runs: Iterable[ComparedRuns]) -> set[str]:
    """Return the ids of completed runs that lack the results that a metric needs."""
    request = _find_request(metric)
    if request is None:
        return set()
    completed = [each.select(each.is_completed) for each in runs]
    return {
        run_id
        for each in completed
        for run_id in compress(each.run_ids, request.list_lacking(each))
    }


def refuse_unmeasured(metric: Metric, settings: Iterable[Setting]) -> None:
    """Raise UserError if a metric that not every run measures was measured for none.

    Raises:
        UserError: names the metric, and says how to measure it.
    """
    request = _find_request(metric)
    if request is not None and not _has_results(settings, request):
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
        asked = sum(request.list_asked(setting.completed))
        unmeasured = sum(request.list_lacking(setting.completed))
        if unmeasured:
            sentences.append(
                f"{setting.name}: {unmeasured} of {asked} runs have no results of "
                f"{request.key}. {request.how}"
            )
    if metric.source is MetricSource.MC_DROPOUT:
        sentences += _describe_unequal_passes(settings)
    return sentences


def _describe_unequal_passes(settings: Sequence[Setting]) -> list[str]:
    numbers = {
        passes
        for setting in settings
        for passes in setting.completed.read("best.mc_passes")
        if passes is not None
    }
    if len(numbers) < 2:
        return []
    shown = ", ".join(map(str, sorted(numbers)))
    return [
        f"Runs have different numbers of passes of mc_dropout ({shown}). More passes lower the "
        f"loss by themselves."
    ]
