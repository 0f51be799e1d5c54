"""The question that a comparison answers: deciding metric, epoch, baseline and level."""

from dataclasses import dataclass

from dropexp.compare.estimates import MATCHED_BY
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric, MetricSource
from dropexp.runs.metrics import METRIC_REGISTRY, deciding_metrics


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
        allow_mixed: whether one table may hold settings that were tested on different images;
            each is still compared with a baseline on its own images.

    Raises:
        UserError: the metric cannot decide at this epoch.
    """

    metric: Metric | None = None
    at: EpochChoice = EpochChoice.BEST
    baseline: str | None = None
    alpha: float = 0.05
    confidence: float = 0.95
    allow_mixed: bool = False

    def __post_init__(self) -> None:
        """Raise UserError if the metric cannot decide at this epoch.

        Raises:
            UserError: says why, and lists the metrics that can.
        """
        metric, is_matched = self.metric, self.at is EpochChoice.MATCHED
        if metric is None:
            return
        if is_matched and metric.key == MATCHED_BY:
            reason = "all training losses are equal there"
        elif self.at in metric.epochs:
            return
        elif metric.source is MetricSource.MC_DROPOUT:
            reason = "mc_dropout is measured at the best epoch only"
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
    def result_metric(self) -> Metric:
        """The metric on unseen images by which a setting may underfit."""
        results = [METRIC_REGISTRY[key] for key in self.deciding_metric.results]
        return next((each for each in results if self.at in each.epochs), self.deciding_metric)

    @property
    def fit_metric(self) -> Metric:
        """The metric on training images, with their true labels, by which a setting may underfit.

        It is a loss for accuracies too: a network that fits less still reaches an accuracy of 1
        on few training images.
        """
        return METRIC_REGISTRY["clean_label_train_loss"]
