"""Two trainings are identical, agree within rounding, or do not agree."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.training.agreement import (
    ACCURACY_TOLERANCE,
    RELATIVE_TOLERANCE,
    Agreement,
    AgreementVerdict,
    compare_environments,
    compare_trainings,
)
from tests.run_folders import make_record, make_summary

EPOCHS = [make_record(1, 2.0), make_record(2, 1.0), make_record(3, 1.5)]
SUMMARY_OF_EPOCHS = make_summary(EPOCHS[1], EPOCHS[2])


def compare_with(now: list[EpochRecord], summary_now: RunSummary = SUMMARY_OF_EPOCHS) -> Agreement:
    return compare_trainings(EPOCHS, SUMMARY_OF_EPOCHS, now, summary_now)


def second_epoch(**values: float) -> list[EpochRecord]:
    return [EPOCHS[0], replace(EPOCHS[1], **values), EPOCHS[2]]  # type: ignore[arg-type]


def test_the_same_numbers_are_identical_whatever_their_seconds() -> None:
    assert (
        compare_with([replace(each, seconds=99.0) for each in EPOCHS]).verdict
        is AgreementVerdict.IDENTICAL
    )


@pytest.mark.parametrize(
    "metric", ["lr", "p", "noisy_train_loss", "train_loss", "train_acc", "val_loss", "val_acc"]
)
def test_a_difference_in_any_metric_of_any_epoch_is_seen(metric: str) -> None:
    value = getattr(EPOCHS[1], metric)
    close = compare_with(second_epoch(**{metric: math.nextafter(value, 9.0)}))
    assert close.verdict is AgreementVerdict.AGREES
    assert close.largest is not None
    assert (close.largest.metric, close.largest.where) == (metric, "epoch 2")
    far = compare_with(second_epoch(**{metric: value + 0.1}))
    assert far.verdict is AgreementVerdict.DIFFERS
    assert [each.metric for each in far.beyond_tolerance] == [metric]


@pytest.mark.parametrize("block", ["best", "last"])
@pytest.mark.parametrize("metric", ["test_loss", "test_acc", "val_loss"])
def test_a_difference_in_the_results_is_seen(block: str, metric: str) -> None:
    selected = getattr(SUMMARY_OF_EPOCHS, block)
    other = replace(selected, **{metric: getattr(selected, metric) + 0.1})
    found = compare_with(EPOCHS, replace(SUMMARY_OF_EPOCHS, **{block: other}))
    assert found.verdict is AgreementVerdict.DIFFERS
    assert [each.where for each in found.beyond_tolerance] == [f"{block} epoch"]


@given(loss=st.floats(1e-2, 1e3), share=st.floats(-3, 3))
def test_losses_agree_up_to_the_tolerance(loss: float, share: float) -> None:
    before = [replace(EPOCHS[0], val_loss=loss)]
    after = [replace(EPOCHS[0], val_loss=loss * (1 + share * RELATIVE_TOLERANCE))]
    found = compare_trainings(before, SUMMARY_OF_EPOCHS, after, SUMMARY_OF_EPOCHS)
    if abs(share) < 0.99:
        assert found.verdict is not AgreementVerdict.DIFFERS
    elif abs(share) > 1.01:
        assert found.verdict is AgreementVerdict.DIFFERS


def test_accuracies_agree_up_to_their_tolerance() -> None:
    value = EPOCHS[1].val_acc
    near, far = value + 0.9 * ACCURACY_TOLERANCE, value + 1.1 * ACCURACY_TOLERANCE
    assert compare_with(second_epoch(val_acc=near)).verdict is AgreementVerdict.AGREES
    assert compare_with(second_epoch(val_acc=far)).verdict is AgreementVerdict.DIFFERS


def test_nan_agrees_only_with_nan() -> None:
    diverged = [EPOCHS[0], replace(EPOCHS[1], val_loss=math.nan)]
    end = make_summary(EPOCHS[0], diverged[1])
    assert compare_trainings(diverged, end, diverged, end).verdict is AgreementVerdict.IDENTICAL
    assert compare_trainings(diverged, end, EPOCHS[:2], end).verdict is AgreementVerdict.DIFFERS
    assert (
        compare_trainings(diverged, end, diverged, replace(end, best=None)).verdict
        is AgreementVerdict.DIFFERS
    )


def test_another_number_of_epochs_does_not_agree() -> None:
    assert compare_with(EPOCHS[:2]).verdict is AgreementVerdict.DIFFERS
    assert compare_with([*EPOCHS, EPOCHS[2]]).verdict is AgreementVerdict.DIFFERS


def test_another_best_epoch_is_not_identical() -> None:
    best = SUMMARY_OF_EPOCHS.best
    assert best is not None
    found = compare_with(EPOCHS, replace(SUMMARY_OF_EPOCHS, best=replace(best, epoch=3)))
    assert (found.verdict, found.best_epochs) == (AgreementVerdict.AGREES, (2, 3))


def test_environments_are_compared_without_command_and_folder() -> None:
    before = {"threads": 1, "packages": {"torch": "2.11", "numpy": "2"}, "command": ["a"]}
    after = {"threads": 2, "packages": {"torch": "2.13", "numpy": "2"}, "command": ["b"]}
    assert compare_environments(before, after) == {"threads": (1, 2), "torch": ("2.11", "2.13")}
