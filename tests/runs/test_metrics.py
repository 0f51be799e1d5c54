"""The registry of metrics: every entry is complete, and its value can be found."""

import math

import pytest

from dropexp.compare.compared_runs import ComparedRun
from dropexp.errors import UserError
from dropexp.runs.metric_types import Direction, EpochChoice, Metric, MetricSource, Notation, Unit
from dropexp.runs.metrics import METRIC_REGISTRY, deciding_metrics, parse_metric
from dropexp.runs.records import METRICS_COLUMNS, ForgettingSummary, SampledTest, SelectedEpoch
from dropexp.statistics import Estimate

METRICS = pytest.mark.parametrize("metric", METRIC_REGISTRY.values(), ids=lambda each: each.key)
ACC, LOSS = METRIC_REGISTRY["test_acc"], METRIC_REGISTRY["test_loss"]


@METRICS
def test_an_entry_has_words_and_its_value_a_place(metric: Metric) -> None:
    assert METRIC_REGISTRY[metric.key] is metric
    assert all((metric.heading, metric.name, metric.meaning, metric.improvement, metric.epochs))
    holders: dict[MetricSource, tuple[object, ...]] = {
        MetricSource.EPOCH: (SelectedEpoch,),
        MetricSource.SELECTED_EPOCH: (SelectedEpoch,),
        MetricSource.MC_DROPOUT: (
            SampledTest,
            SelectedEpoch,
        ),  # without noise, the best epoch is read
        MetricSource.FORGETTING: (ForgettingSummary,),
        MetricSource.RUN: (ComparedRun,),
    }
    assert all(hasattr(holder, metric.stored_as) for holder in holders[metric.source])
    assert metric.source is not MetricSource.EPOCH or metric.key in METRICS_COLUMNS


def test_headings_and_names_are_unique() -> None:
    for texts in zip(*((m.heading, m.name) for m in METRIC_REGISTRY.values()), strict=True):
        assert len(set(texts)) == len(texts)


@METRICS
def test_the_command_line_accepts_a_metric_or_says_why_not(metric: Metric) -> None:
    if metric.can_decide:
        assert parse_metric(metric.key) is metric
        assert metric.direction is not Direction.NEITHER
        results = [METRIC_REGISTRY[key] for key in metric.results]
        assert all(each.can_decide and not each.results for each in results)
        for choice in metric.epochs:
            assert not results or any(choice in each.epochs for each in results)
    else:
        with pytest.raises(UserError, match=f"{metric.key} is shown in tables and not tested"):
            parse_metric(metric.key)


def test_an_unknown_metric_is_refused_with_the_close_ones() -> None:
    with pytest.raises(UserError, match=r"test_los is unknown\. Did you mean test_loss"):
        parse_metric("test_los")
    with pytest.raises(UserError, match=r"accuracy is unknown\. Did you mean test_acc\?"):
        parse_metric("accuracy")


def test_the_limits_of_a_mean_are_those_of_its_values() -> None:
    assert ACC.limits == (0.0, 1.0)
    assert LOSS.limits == (0.0, math.inf)
    assert METRIC_REGISTRY["acc_gap"].limits == (-1.0, 1.0)
    assert METRIC_REGISTRY["loss_gap"].limits == (-math.inf, math.inf)
    clipped = Estimate(0.9, 0.7, 1.1, 2).clip(ACC.limits)
    assert (clipped.low, clipped.high) == (0.7, 1)
    assert math.isnan(Estimate(0.9, math.nan, math.nan, 1).clip(ACC.limits).low)


def test_where_a_metric_is_known_follows_from_its_source() -> None:
    assert METRIC_REGISTRY["loss_gap"].epochs == tuple(EpochChoice)
    assert LOSS.epochs == (EpochChoice.BEST, EpochChoice.LAST)
    assert METRIC_REGISTRY["mc_test_loss"].epochs == (EpochChoice.BEST,)
    known_early = [m.key for m in deciding_metrics() if EpochChoice.MATCHED in m.epochs]
    assert known_early == [
        "train_loss",
        "train_acc",
        "clean_label_train_loss",
        "val_loss",
        "val_acc",
        "noisy_label_val_loss",
        "loss_gap",
        "acc_gap",
    ]


@pytest.mark.parametrize(
    ("key", "value", "terminal", "document"),
    [
        ("test_loss", -0.12345, "-0.123", "−0.123"),
        ("test_loss", 1234.5, "1.23e+03", "1.23e+03"),
        ("test_acc", 0.8312, "0.831", "83.1"),
        ("test_ece", 0.0312, "0.031", "3.1"),
        ("acc_gap", 0.05, "+0.050", "+5.0"),
        ("area", 12.345, "12.35", "12.35"),
        ("best_epoch", 11.6, "11.6", "11.6"),
    ],
)
def test_a_terminal_has_fractions_and_a_document_percent(
    key: str, value: float, terminal: str, document: str
) -> None:
    metric = METRIC_REGISTRY[key]
    assert metric.format(value) == terminal
    assert metric.format(value, Notation.DOCUMENT) == document
    assert ("(%)" in metric.document_heading()) == (metric.unit is Unit.FRACTION)


def test_sentences_have_units() -> None:
    assert (ACC.describe_size(0.061), ACC.describe_value(0.83)) == ("6.1 points", "83.0%")
    assert (LOSS.describe_size(0.061), LOSS.describe_value(0.83)) == ("0.061 nats", "0.830 nats")


def test_accuracies_are_better_when_higher_and_all_else_that_decides_when_lower() -> None:
    higher = {m.key for m in deciding_metrics() if m.direction is Direction.HIGHER}
    assert higher == {"train_acc", "val_acc", "test_acc", "mc_test_acc", "wrong_label_precision"}
    assert all(m.sign == 1 for m in deciding_metrics() if m.key not in higher)


def test_accuracies_gaps_of_them_and_calibration_errors_are_fractions() -> None:
    fractions = {m.key for m in METRIC_REGISTRY.values() if m.unit is Unit.FRACTION}
    accuracies = {"train_acc", "val_acc", "test_acc", "mc_test_acc", "acc_gap", "noisy_label_acc"}
    accuracies |= {"clean_label_train_acc", "noisy_label_val_acc"}
    shares = {"test_ece", "mc_test_ece", "never_learned", "wrong_label_precision"}
    assert fractions == accuracies | shares
