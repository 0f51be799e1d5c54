"""Settings -> a table: means, differences from baselines, verdicts, and how to read them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dropexp.compare import grouping, passes
from dropexp.compare.baselines import Baselines, find_baselines
from dropexp.compare.numbers import Numbers, estimates, numbers_at, target_of
from dropexp.compare.pairing import Contest, Judged, contest, judge
from dropexp.compare.reading import Found
from dropexp.compare.results import At, Comparison, Member, Metric, Row, Setting
from dropexp.config.classics import list_active_classics
from dropexp.errors import UserError
from dropexp.statistics import EXACT_UP_TO, Verdict, underfits


@dataclass(frozen=True)
class Question:
    """What is asked of the runs.

    Attributes:
        metric: what decides; None for the test loss, or the validation loss where runs are
            matched, as the test set is touched at the best and at the last epoch only.
        at: the epoch.
        baseline: see find_baselines.
        alpha: the level of the tests, after correction.
        confidence: the coverage of each interval.
        allow_mixed: compare settings that were tested on different images, each within its own.

    Raises:
        UserError: there is no such metric at this epoch.
    """

    metric: Metric | None = None
    at: At = At.BEST
    baseline: str | None = None
    alpha: float = 0.05
    confidence: float = 0.95
    allow_mixed: bool = False

    def __post_init__(self) -> None:
        """Refuse a metric that there is not at this epoch.

        Raises:
            UserError: says which there are.
        """
        if self.at is At.MATCHED and self.metric in (Metric.TEST_LOSS, Metric.TEST_ACC):
            raise UserError(
                f"--metric {self.metric} cannot be had with --at matched: the test set is touched "
                f"at the best and the last epoch only. val_loss, val_acc, loss_gap and acc_gap can."
            )
        if self.at is not At.BEST and self.metric is not None and self.metric.is_sampled:
            raise UserError(
                f"--metric {self.metric} cannot be had with --at {self.at}: the passes of "
                f"mc_dropout are of the best epoch only."
            )
        if self.at is At.MATCHED and self.metric is Metric.TRAIN_LOSS:
            raise UserError(
                "--metric train_loss cannot be had with --at matched, where all training losses "
                "are equal. val_loss, val_acc, loss_gap and acc_gap can."
            )

    @property
    def decides(self) -> Metric:
        """The metric, settled."""
        if self.metric is None:
            return Metric.VAL_LOSS if self.at is At.MATCHED else Metric.TEST_LOSS
        return self.metric

    @property
    def result(self) -> Metric:
        """What tells underfitting: the metric, or the unseen result that it says a part of."""
        matched = self.at is At.MATCHED
        if self.decides in (Metric.LOSS_GAP, Metric.TRAIN_LOSS):
            return Metric.VAL_LOSS if matched else Metric.TEST_LOSS
        if self.decides in (Metric.ACC_GAP, Metric.TRAIN_ACC):
            return Metric.VAL_ACC if matched else Metric.TEST_ACC
        if self.decides in (Metric.MC_TEST_ECE, Metric.MC_TEST_ENTROPY):
            return Metric.MC_TEST_LOSS
        return self.decides


def compare(
    found: Sequence[Found], question: Question | None = None, left_out: Sequence[str] = ()
) -> Comparison:
    """The table.

    Args:
        found: the runs; at least one.
        question: None for the defaults.
        left_out: sentences about runs that are not among them.

    Raises:
        UserError: the runs cannot be compared, or the question has no answer.
    """
    question = question or Question()
    metric = question.decides
    grouped = grouping.group(found)
    settings = [setting for setting, _ in grouped]
    if not question.allow_mixed:
        grouping.refuse_other_data(settings)
    baselines = find_baselines(grouped, question.baseline)
    grouping.refuse_pairs_on_other_data(baselines.of, settings)
    members = [member for setting in settings for member in setting.members]
    passes.refuse_without(metric, members)
    target = target_of(members) if question.at is At.MATCHED else None
    numbers = numbers_at(question.at, target, with_passes=passes.are_there(members))
    rows = _rows(settings, baselines, numbers, question)
    return Comparison(
        rows=tuple(rows),
        metric=metric,
        at=question.at,
        alpha=question.alpha,
        confidence=question.confidence,
        sentences=tuple(_sentences(rows, baselines, question, target)),
        left_out=(*left_out, *(passes.remarks(settings) if metric.is_sampled else ())),
        shared=grouping.shared_fields(settings),
        axes=grouping.axes(settings),
        target=target,
    )


def _rows(
    settings: Sequence[Setting],
    baselines: Baselines,
    numbers: Callable[[Member], Numbers],
    question: Question,
) -> list[Row]:
    judged = _judged(settings, baselines, numbers, question, question.decides)
    results = judged
    if question.result is not question.decides:
        results = _judged(settings, baselines, numbers, question, question.result)
    rows = []
    for setting in settings:
        row = _measured(setting, numbers, question.confidence)
        if setting.name in judged:
            baseline = baselines.of[setting.name]
            is_underfit = _underfits(setting, baseline, numbers, question, results[setting.name])
            row = _compared(row, baseline, *judged[setting.name], is_underfit=is_underfit)
        rows.append(row)
    return rows


def _measured(setting: Setting, numbers: Callable[[Member], Numbers], confidence: float) -> Row:
    runs = (*setting.members, *setting.diverged)
    return Row(
        setting=setting,
        estimates=estimates([numbers(member) for member in setting.members], confidence),
        parameters=runs[0].summary.parameters,
    )


def _compared(
    row: Row, baseline: Setting, against: Contest, judged: Judged, *, is_underfit: bool
) -> Row:
    return replace(
        row,
        baseline=baseline.name,
        pairs=against.pairs,
        difference=against.difference,
        better=against.better,
        pairs_better=against.wins,
        mean_score=against.mean_score,
        p_value=against.p_value,
        adjusted_p=judged.adjusted_p,
        verdict=judged.verdict,
        pairs_needed=judged.pairs_needed,
        underfits=is_underfit,
    )


def _underfits(
    setting: Setting,
    baseline: Setting,
    numbers: Callable[[Member], Numbers],
    question: Question,
    result: tuple[Contest, Judged],
) -> bool:
    """A clearly worse result with a smaller gap: less was learnt, not better."""
    against, judged = result
    if judged.verdict is not Verdict.WORSE:
        return False
    gap = Metric.ACC_GAP if question.result.is_acc else Metric.LOSS_GAP
    gaps = contest(setting, baseline, numbers, gap, question.confidence)
    return underfits(gaps.mean_score, against.mean_score)


def _judged(
    settings: Sequence[Setting],
    baselines: Baselines,
    numbers: Callable[[Member], Numbers],
    question: Question,
    metric: Metric,
) -> dict[str, tuple[Contest, Judged]]:
    """Setting's name → its contest and what it came to, for all that have a baseline."""
    contests = {
        setting.name: contest(setting, baseline, numbers, metric, question.confidence)
        for setting in settings
        if (baseline := baselines.of.get(setting.name)) is not None
    }
    judged = judge(list(contests.values()), question.alpha)
    return {
        name: (one, came_to) for (name, one), came_to in zip(contests.items(), judged, strict=True)
    }


# --- how to read it -----------------------------------------------------------------------


def _sentences(
    rows: Sequence[Row], baselines: Baselines, question: Question, target: float | None
) -> list[str]:
    """How epochs were selected, what was tested and how that was corrected, in this order."""
    metric, percent = question.decides, f"{question.confidence:.0%}"
    found = [
        f"{_selection(question.at, rows, target)} Means over seeds, with {percent} t intervals, "
        f"each for its own row."
    ]
    tested = [row for row in rows if row.baseline is not None]
    if not tested and all(row.setting.is_plain for row in rows):
        return [*found, "Nothing is tested: all are none. --baseline compares with one of them."]
    if not tested:
        return [*found, f"Nothing is tested: there is no baseline ({baselines.words})."]
    better = f"{'above' if metric.sign < 0 else 'below'} 0 is better"
    if metric is Metric.MC_TEST_ENTROPY:
        better = "below 0 is more certain, right or wrong"
    found.append(
        f"vs baseline: {metric.words} - that of the baseline ({baselines.words}) with the same "
        f"seed; {better}."
    )
    found.append(_test(tested, question.alpha))
    if question.at is At.BEST and any("early_stopping" in row.setting.classics for row in rows):
        found.append(
            "Early stopping leaves a run as it is until it ends it: at its best epoch a stopped "
            "run differs only where the full one is better later. What it saves is epochs; what "
            "it prevents shows with --at last."
        )
    if any(row.setting.diverged for row in rows):
        found.append(
            "A run that diverged loses its pair by the largest difference of its row in the test; "
            "means and intervals are of the runs that did not."
        )
    return found


def _selection(at: At, rows: Sequence[Row], target: float | None) -> str:
    match at:
        case At.BEST:
            return "Each run at its epoch of the lowest validation loss."
        case At.LAST:
            return f"Each run at its last epoch{_last_epochs(rows)}."
        case At.MATCHED:
            assert target is not None
            return (
                f"Each run at its first epoch with a clean training loss of at most {target:.4g}, "
                f"which every run reaches, {_least_fitted(rows)} as the last of them; the test set "
                f"was not touched there."
            )


def _last_epochs(rows: Sequence[Row]) -> str:
    """Which these are, where early stopping may have made them differ."""
    lasts = [member.summary.last.epoch for row in rows for member in row.setting.members]
    is_on = any("early_stopping" in list_active_classics(row.setting.fields) for row in rows)
    if not is_on or min(lasts, default=0) == max(lasts, default=0):
        return ""
    return f", {min(lasts)} to {max(lasts)}, as early stopping ends runs sooner"


def _least_fitted(rows: Sequence[Row]) -> str:
    """The setting of the run that sets the target, which a filter can leave out."""
    return max(
        rows,
        key=lambda row: target_of(row.setting.members) if row.setting.members else -math.inf,
    ).setting.name


def _test(tested: Sequence[Row], alpha: float) -> str:
    count = sum(bool(row.pairs) for row in tested)
    most = max(len(row.pairs) for row in tested)
    exact = "exact two-sided sign-flip" if most <= EXACT_UP_TO else "two-sided sign-flip"
    rows = f"{count} row{'' if count == 1 else 's'}"
    return (
        f"Test: {exact} test on paired differences, Holm's correction over {rows}; better or "
        f"worse at p <= {alpha:g}. Intervals are not corrected: trust the verdict."
    )
