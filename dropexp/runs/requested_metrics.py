"""The metrics that some runs have only: of mc_dropout, of track_examples, and of batch norm."""

from dropexp.runs.metric_types import Direction, Metric, MetricSource, Unit

ON_UNSEEN_LOSS = ("test_loss", "val_loss")
"""The results that tell whether a lower loss or count is an improvement."""

_FORGETTING_CAVEAT = (
    "Fewer forgetting events are not yet a better result: a network that learns nothing forgets "
    "nothing. See the test loss."
)
_PRECISION_CAVEAT = (
    "Of equally often forgotten images the later learned counts first. It says how well wrong "
    "labels are found, not how good the network is: see the test loss."
)

VARIANCE_SHIFT = Metric(
    "variance_shift",
    "variance shift",
    "variance shift",
    "variance of a batch norm layer's input in evaluation against the variance that it collected "
    "in training, the larger ratio of the two, at least 1; mean over layers",
    Unit.TIMES,
    Direction.LOWER,
    MetricSource.SELECTED_EPOCH,
    can_decide=True,
    improvement="smaller",
    caveat="A smaller shift is not yet a better result: see the test loss.",
    results=ON_UNSEEN_LOSS,
)
"""Of networks with batch norm; see training/variance_shift.py."""

REQUESTED_METRICS = (
    Metric(
        "mc_test_loss",
        "MC test loss",
        "MC dropout test loss",
        "cross-entropy of the mean probabilities over the passes of mc_dropout",
        Unit.NATS,
        Direction.LOWER,
        MetricSource.MC_DROPOUT,
        can_decide=True,
    ),
    Metric(
        "mc_test_acc",
        "MC test acc",
        "MC dropout test accuracy",
        "accuracy of the mean probabilities over the passes of mc_dropout",
        Unit.FRACTION,
        Direction.HIGHER,
        MetricSource.MC_DROPOUT,
        can_decide=True,
    ),
    Metric(
        "mc_test_ece",
        "MC test ECE",
        "MC dropout test calibration error",
        "expected calibration error of the mean probabilities over the passes of mc_dropout",
        Unit.FRACTION,
        Direction.LOWER,
        MetricSource.MC_DROPOUT,
        can_decide=True,
        results=("mc_test_loss",),
    ),
    Metric(
        "mc_test_entropy",
        "MC test entropy",
        "MC dropout test entropy",
        "entropy of the mean probabilities over the passes of mc_dropout",
        Unit.NATS,
        Direction.LOWER,
        MetricSource.MC_DROPOUT,
        can_decide=True,
        improvement="more certain, right or wrong",
        caveat="A lower entropy is certainty, right or wrong: see the test loss.",
        results=("mc_test_loss",),
    ),
    Metric(
        "forgetting_events",
        "forgetting events",
        "forgetting events",
        "epochs after which a training image is wrong that was right before, per image",
        Unit.EVENTS,
        Direction.LOWER,
        MetricSource.FORGETTING,
        can_decide=True,
        improvement="fewer",
        caveat=_FORGETTING_CAVEAT,
        results=ON_UNSEEN_LOSS,
    ),
    Metric(
        "right_label_forgetting_events",
        "right-label forgetting",
        "forgetting events of right labels",
        "forgetting events per training image whose label is right",
        Unit.EVENTS,
        Direction.LOWER,
        MetricSource.FORGETTING,
        can_decide=True,
        improvement="fewer",
        caveat=_FORGETTING_CAVEAT,
        results=ON_UNSEEN_LOSS,
    ),
    Metric(
        "wrong_label_forgetting_events",
        "wrong-label forgetting",
        "forgetting events of wrong labels",
        "forgetting events per training image whose label is wrong",
        Unit.EVENTS,
        Direction.NEITHER,
        MetricSource.FORGETTING,
    ),
    Metric(
        "never_learned",
        "never learned",
        "images never learned",
        "fraction of the training images whose label was predicted after no epoch",
        Unit.FRACTION,
        Direction.NEITHER,
        MetricSource.FORGETTING,
    ),
    Metric(
        "wrong_label_precision",
        "wrong labels found",
        "wrong labels among the most forgotten",
        "fraction of wrong labels among the most forgotten images, as many as there are wrong",
        Unit.FRACTION,
        Direction.HIGHER,
        MetricSource.FORGETTING,
        can_decide=True,
        shows_interval=True,
        caveat=_PRECISION_CAVEAT,
        results=ON_UNSEEN_LOSS,
    ),
    Metric(
        "wrong_label_lift",
        "times chance",
        "wrong labels found, in times chance",
        "wrong labels among the most forgotten images, divided by their fraction among all",
        Unit.TIMES,
        Direction.HIGHER,
        MetricSource.FORGETTING,
        digits=2,
        shows_interval=True,
    ),
)
