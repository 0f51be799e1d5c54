"""The question that a comparison answers: deciding metric, epoch, baseline and level."""

import math
from dataclasses import dataclass

from dropexp.compare.estimates import MATCHED_BY
from dropexp.compare.rules import ALPHA, CONFIDENCE
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric, MetricSource, Unit
from dropexp.runs.metrics import METRIC_REGISTRY, deciding_metrics
from dropexp.runs.question_types import Correction, TestChoice


@dataclass(frozen=True)
class Question:
    """The question that a comparison answers.

    Attributes:
        metric: the deciding metric. None chooses the test loss. Where runs are matched, it chooses
            the validation loss under the training labels' law, because the test set is evaluated
            at the best and the last epoch only.
        at: the epoch at which runs are compared.
        baseline: the request for a baseline; see find_baselines.
        alpha: the level of the test, after correction, in (0, 1).
        confidence: the coverage of each interval, in (0, 1).
        test: the test; auto chooses by what may have been looked at before.
        correction: of the planned test for the number of rows; the anytime test has Holm's.
        margin: differences within ± this many units of the metric are practically equal; None for
            no margin.
        allow_mixed: whether one table may hold settings that were tested on different images;
            each is still compared with a baseline on its own images.
        stated: sentences on what a study's file asks and on a margin that it does not state;
            empty for neither.

    Raises:
        UserError: the metric cannot decide at this epoch, or the margin is not above 0.
    """

    metric: Metric | None = None
    at: EpochChoice = EpochChoice.BEST
    baseline: str | None = None
    alpha: float = ALPHA
    confidence: float = CONFIDENCE
    test: TestChoice = TestChoice.AUTO
    correction: Correction = Correction.MAX_T
    margin: float | None = None
    allow_mixed: bool = False
    stated: str = ""

    def __post_init__(self) -> None:
        """Raise UserError if the metric cannot decide at this epoch, or for a wrong margin.

        Raises:
            UserError: says why, and what is allowed.
        """
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise UserError(
                f"--margin {self.margin:g} is not allowed: it is the largest difference that makes "
                f"no difference to you, in the metric's unit, above 0. Example: --margin 0.01"
            )
        metric, is_matched = self.metric, self.at is EpochChoice.MATCHED
        if metric is None:
            return
        if is_matched and metric.key == MATCHED_BY:
            reason = "all training losses are equal there"
        elif self.at in metric.epochs:
            return
        elif metric.source is MetricSource.MC_DROPOUT:
            reason = "mc_dropout is measured at the best epoch only"
        elif metric.source is MetricSource.FORGETTING:
            reason = "forgetting is counted over all epochs of a run"
        else:
            reason = "the test set is evaluated at the best and the last epoch only"
        allowed = [
            each.key
            for each in deciding_metrics()
            if self.at in each.epochs and not (is_matched and each.key == MATCHED_BY)
        ]
        raise UserError(
            f"--metric {metric.key} cannot be used with --at {self.at}: {reason}. "
            f"Allowed: {', '.join(allowed)}."
        )

    @property
    def deciding_metric(self) -> Metric:
        """The metric that decides, with the default applied."""
        if self.metric is None:
            is_matched = self.at is EpochChoice.MATCHED
            return METRIC_REGISTRY["noisy_label_val_loss" if is_matched else "test_loss"]
        return self.metric

    @property
    def selection_metric(self) -> Metric:
        """The validation metric by which the setting of a headline is chosen.

        The setting with the best of many test results looks better than it is.
        """
        is_accuracy = self.deciding_metric.unit is Unit.FRACTION
        return METRIC_REGISTRY["val_acc" if is_accuracy else "val_loss"]

    @property
    def result_metric(self) -> Metric:
        """The metric on unseen images by which a setting may underfit."""
        results = [METRIC_REGISTRY[key] for key in self.deciding_metric.results]
        return next((each for each in results if self.at in each.epochs), self.deciding_metric)

    @property
    def fit_metrics(self) -> tuple[Metric, ...]:
        """The metrics in which a setting that underfits is clearly worse on its training images.

        Each of them excludes another case. A worse fit of the given labels alone may be a better
        one, with fewer wrong labels memorised; a worse fit of the true labels alone is that of a
        network that memorises more of them. A worse loss alone may be that of a network that is
        less sure and as often right, as label smoothing and mixup make it by design; a worse
        accuracy alone that of a few images. There are none where runs are matched: their fits are
        equal.
        """
        if self.at is EpochChoice.MATCHED:
            return ()
        keys = (MATCHED_BY, "clean_label_train_loss", "train_acc", "clean_label_train_acc")
        return tuple(METRIC_REGISTRY[key] for key in keys)
