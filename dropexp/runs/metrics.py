"""The registry of metrics: everything that is measured of a run.

A new metric is one entry of METRIC_REGISTRY: commands, tables, files and charts read it there. An
entry says where the metric's value is found; measuring it is the work of training.
"""

from dropexp.errors import UserError, propose, suggest, suggest_close
from dropexp.runs.metric_types import Direction, Metric, MetricSource, Unit
from dropexp.runs.requested_metrics import ON_UNSEEN_LOSS, REQUESTED_METRICS, VARIANCE_SHIFT

_ON_UNSEEN_ACC = ("test_acc", "val_acc")
_FIT_CAVEAT = "A better fit is not yet a better result: see the test loss."
_GAP_CAVEAT = "A smaller gap is not yet a better result: see the test loss."

METRIC_REGISTRY: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        Metric(
            "train_loss",
            "train loss",
            "training loss",
            "cross-entropy on the training images, in eval mode, against the labels trained on",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.EPOCH,
            can_decide=True,
            caveat=_FIT_CAVEAT,
            results=ON_UNSEEN_LOSS,
        ),
        Metric(
            "train_acc",
            "train acc",
            "training accuracy",
            "accuracy on the training images, in eval mode, against the labels trained on",
            Unit.FRACTION,
            Direction.HIGHER,
            MetricSource.EPOCH,
            can_decide=True,
            caveat=_FIT_CAVEAT,
            results=_ON_UNSEEN_ACC,
        ),
        Metric(
            "clean_label_train_loss",
            "true-label train loss",
            "training loss on true labels",
            "cross-entropy on the training images against their true labels, in eval mode",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.EPOCH,
            can_decide=True,
            caveat=_FIT_CAVEAT,
            results=ON_UNSEEN_LOSS,
        ),
        Metric(
            "clean_label_train_acc",
            "true-label train acc",
            "training accuracy on true labels",
            "accuracy on the training images against their true labels, in eval mode",
            Unit.FRACTION,
            Direction.HIGHER,
            MetricSource.EPOCH,
        ),
        Metric(
            "val_loss",
            "val loss",
            "validation loss",
            "cross-entropy on the validation images",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.EPOCH,
            can_decide=True,
        ),
        Metric(
            "val_acc",
            "val acc",
            "validation accuracy",
            "accuracy on the validation images",
            Unit.FRACTION,
            Direction.HIGHER,
            MetricSource.EPOCH,
            can_decide=True,
        ),
        Metric(
            "noisy_label_val_loss",
            "noisy-label val loss",
            "validation loss with the same share of wrong labels",
            "expected val_loss if the validation labels had the training labels' noise",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.EPOCH,
            can_decide=True,
        ),
        Metric(
            "noisy_label_val_acc",
            "noisy-label val acc",
            "validation accuracy with the same share of wrong labels",
            "expected val_acc if the validation labels had the training labels' noise",
            Unit.FRACTION,
            Direction.HIGHER,
            MetricSource.EPOCH,
        ),
        Metric(
            "test_loss",
            "test loss",
            "test loss",
            "cross-entropy (negative log-likelihood) on the test images",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.SELECTED_EPOCH,
            can_decide=True,
        ),
        Metric(
            "test_acc",
            "test acc",
            "test accuracy",
            "accuracy on the test images",
            Unit.FRACTION,
            Direction.HIGHER,
            MetricSource.SELECTED_EPOCH,
            can_decide=True,
        ),
        Metric(
            "loss_gap",
            "loss gap",
            "loss gap",
            "validation loss with the same share of wrong labels − training loss",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.EPOCH,
            is_signed=True,
            can_decide=True,
            improvement="smaller",
            caveat=_GAP_CAVEAT,
            results=ON_UNSEEN_LOSS,
        ),
        Metric(
            "acc_gap",
            "acc gap",
            "accuracy gap",
            "training accuracy − validation accuracy with the same share of wrong labels",
            Unit.FRACTION,
            Direction.LOWER,
            MetricSource.EPOCH,
            is_signed=True,
            can_decide=True,
            improvement="smaller",
            caveat=_GAP_CAVEAT,
            results=_ON_UNSEEN_ACC,
        ),
        Metric(
            "epoch",
            "epoch",
            "epoch",
            "the epoch at which runs are compared",
            Unit.EPOCHS,
            Direction.NEITHER,
            MetricSource.EPOCH,
            digits=1,
        ),
        Metric(
            "epochs",
            "epochs trained",
            "epochs trained",
            "epochs until training ended",
            Unit.EPOCHS,
            Direction.NEITHER,
            MetricSource.RUN,
            digits=1,
        ),
        Metric(
            "best_epoch",
            "best epoch",
            "best epoch",
            "the epoch of the lowest validation loss",
            Unit.EPOCHS,
            Direction.NEITHER,
            MetricSource.RUN,
            digits=1,
        ),
        Metric(
            "rise",
            "rise after",
            "rise after the best epoch",
            "last − lowest validation loss",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.RUN,
            is_signed=True,
        ),
        Metric(
            "area",
            "area between",
            "area between the curves",
            "the loss gap added up over all epochs",
            Unit.NAT_EPOCHS,
            Direction.LOWER,
            MetricSource.RUN,
            digits=2,
        ),
        Metric(
            "test_ece",
            "test ECE",
            "test calibration error",
            "expected calibration error on the test images",
            Unit.FRACTION,
            Direction.LOWER,
            MetricSource.SELECTED_EPOCH,
        ),
        Metric(
            "test_entropy",
            "test entropy",
            "test entropy",
            "mean entropy of the predicted probabilities on the test images",
            Unit.NATS,
            Direction.LOWER,
            MetricSource.SELECTED_EPOCH,
        ),
        VARIANCE_SHIFT,
        *REQUESTED_METRICS,
        Metric(
            "noisy_label_acc",
            "noisy labels",
            "accuracy on the wrong labels",
            "fraction of the wrong training labels that the network has memorised",
            Unit.FRACTION,
            Direction.LOWER,
            MetricSource.SELECTED_EPOCH,
        ),
        Metric(
            "seconds_per_epoch",
            "s per epoch",
            "seconds per epoch",
            "time of training and evaluation, divided by the epochs",
            Unit.SECONDS,
            Direction.LOWER,
            MetricSource.RUN,
        ),
        Metric(
            "seconds",
            "seconds",
            "seconds",
            "time of training and evaluation, all epochs together",
            Unit.SECONDS,
            Direction.LOWER,
            MetricSource.RUN,
            digits=1,
        ),
    )
}


def deciding_metrics() -> list[Metric]:
    """Return the metrics that ``--metric`` accepts."""
    return [metric for metric in METRIC_REGISTRY.values() if metric.can_decide]


def _suggest_metric(key: str) -> str:
    """Return a sentence with the metrics whose keys are close to a word, or whose names have it."""
    allowed = [metric.key for metric in deciding_metrics()]
    if close := suggest_close(key, allowed):
        return close
    word = key.lower().replace("_", " ").strip()
    named = [metric.key for metric in deciding_metrics() if word and word in metric.name]
    on_test = [name for name in named if name.startswith("test_")]
    return propose(on_test or named[:3]) if named else suggest(key, allowed)


def parse_metric(key: str) -> Metric:
    """Return the metric of a key that ``--metric`` accepts.

    Raises:
        UserError: the key is unknown, or its metric cannot decide.
    """
    metric = METRIC_REGISTRY.get(key)
    allowed = [each.key for each in deciding_metrics()]
    if metric is None:
        raise UserError(f"--metric {key} is unknown. {_suggest_metric(key)}")
    if not metric.can_decide:
        raise UserError(
            f"--metric {key} is shown in tables and not tested. Allowed: {', '.join(allowed)}."
        )
    return metric
