"""Records keep every number exactly through CSV and JSON."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.runs.records import (
    METRICS_COLUMNS,
    OPTIONAL_COLUMNS,
    EpochRecord,
    ForgettingSummary,
    RunSummary,
    SampledTest,
    SelectedEpoch,
    find_best_epoch,
)
from tests.run_folders import make_record, make_summary

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
records = st.builds(
    EpochRecord,
    epoch=st.integers(1, 10_000),
    lr=numbers,
    p=st.floats(0, 0.99),
    noisy_train_loss=numbers,
    train_loss=st.floats(-1e9, 1e9),
    train_acc=st.floats(0, 1),
    val_loss=st.floats(-1e9, 1e9),
    val_acc=st.floats(0, 1),
    seconds=st.floats(0, 1e6),
    clean_label_train_loss=st.floats(-1e9, 1e9),
    clean_label_train_acc=st.floats(0, 1),
    noisy_label_val_loss=st.floats(-1e9, 1e9),
    noisy_label_val_acc=st.floats(0, 1),
)


@given(records)
def test_a_row_gives_the_record_back_exactly(original: EpochRecord) -> None:
    as_text = {column: str(value) for column, value in original.to_row().items()}
    assert EpochRecord.from_row(as_text) == original


@given(records)
def test_gaps_compare_training_with_validation_under_the_same_labels(original: EpochRecord) -> None:
    row = original.to_row()
    assert tuple(row) == METRICS_COLUMNS
    assert row["loss_gap"] == row["noisy_label_val_loss"] - original.train_loss  # type: ignore[operator]
    assert row["acc_gap"] == original.train_acc - row["noisy_label_val_acc"]  # type: ignore[operator]


@given(records)
def test_a_row_of_results_version_1_has_gaps_against_clean_labels(original: EpochRecord) -> None:
    row = {key: value for key, value in original.to_row().items() if key not in OPTIONAL_COLUMNS}
    old = EpochRecord.from_row(row)
    assert old == replace(original, **dict.fromkeys(OPTIONAL_COLUMNS))  # type: ignore[arg-type]
    assert old.loss_gap == original.val_loss - original.train_loss
    assert old.acc_gap == original.train_acc - original.val_acc
    assert EpochRecord.from_row({**row, **dict.fromkeys(OPTIONAL_COLUMNS, "")}) == old


def test_the_best_epoch_is_the_first_of_the_lowest_validation_loss() -> None:
    epochs = [
        make_record(1, 2.0),
        make_record(2, 1.0),
        make_record(3, 1.0),
        make_record(4, math.nan),
    ]
    assert find_best_epoch(epochs) is epochs[1]
    assert find_best_epoch([make_record(1, math.inf)]) is None
    assert find_best_epoch([]) is None


def test_a_summary_survives_json() -> None:
    original = make_summary(make_record(1, 1.0), make_record(2, 2.0))
    assert RunSummary.from_json(json.loads(json.dumps(original.to_json()))) == original


def test_a_diverged_summary_has_null_where_there_is_no_number() -> None:
    original = make_summary(None, make_record(1, math.nan), test_loss=math.inf)
    plain = original.to_json()
    assert plain["best"] is None
    assert plain["last"]["val_loss"] is None
    assert plain["last"]["test_loss"] is None
    json.dumps(plain, allow_nan=False)
    assert math.isnan(RunSummary.from_json(plain).last.val_loss)


def test_a_summary_of_another_format_is_refused() -> None:
    plain = make_summary(None, make_record(1, 1.0)).to_json()
    with pytest.raises(ValueError, match="format"):
        RunSummary.from_json({**plain, "format": 99})


def test_summaries_of_older_formats_lack_what_was_not_measured_and_are_read() -> None:
    plain = make_summary(make_record(1, 1.0), make_record(2, 2.0)).to_json()
    del plain["variance_shifts"], plain["best"]["variance_shift"], plain["last"]["variance_shift"]
    sixth = RunSummary.from_json({**plain, "format": 6})
    assert (sixth.last.variance_shift, sixth.variance_shifts) == (None, {})
    for key in OPTIONAL_COLUMNS:
        del plain["best"][key], plain["last"][key]
    third = RunSummary.from_json({**plain, "format": 3})
    assert third.best is not None
    assert [getattr(third.best, key) for key in OPTIONAL_COLUMNS] == [None] * 4
    del plain["mc_dropout"]
    for block in (plain["best"], plain["last"]):
        del block["test_entropy"]
    second = RunSummary.from_json({**plain, "format": 2})
    assert second.best is not None
    assert (second.best.test_entropy, second.mc_dropout) == (None, None)
    for block in (plain["best"], plain["last"]):
        del block["test_ece"], block["noisy_label_acc"]
    read = RunSummary.from_json({**plain, "format": 1})
    assert read.best is not None
    assert (read.best.test_ece, read.best.noisy_label_acc) == (None, None)


def test_variance_shifts_survive_json() -> None:
    original = make_summary(None, make_record(1, 1.0))
    last = replace(original.last, variance_shift=1.5)
    original = replace(original, last=last, variance_shifts={"bn": 1.25, "blocks.0.bn1": 1.75})
    read = RunSummary.from_json(json.loads(json.dumps(original.to_json())))
    assert (read, read.variance_shifts) == (original, original.variance_shifts)
    # Of a diverged run or from anywhere: without a number there is no shift.
    plain = original.to_json() | {"variance_shifts": {"bn": None}}
    assert RunSummary.from_json(plain).variance_shifts == {}


def test_values_of_an_older_order_of_forgetting_are_not_read() -> None:
    found = ForgettingSummary(0.5, 0.4, 0.9, 0.1, 0.6, 3.0)
    original = replace(make_summary(None, make_record(1, 1.0)), forgetting=found)
    plain = json.loads(json.dumps(original.to_json()))
    assert RunSummary.from_json(plain) == original
    read = RunSummary.from_json({**plain, "format": 7}).forgetting
    assert read == replace(found, wrong_label_precision=None, wrong_label_lift=None)


def test_calibration_and_memorisation_survive_json() -> None:
    measured = SelectedEpoch.from_record(make_record(1, 1.0), 0.7, 0.8, 0.05, 0.25)
    passes = SampledTest(8, math.nan, 0.5, None, 0.7)
    for by_passes in (None, replace(passes, test_loss=0.6)):
        original = replace(
            make_summary(None, make_record(1, 1.0)), best=measured, mc_dropout=by_passes
        )
        assert RunSummary.from_json(json.loads(json.dumps(original.to_json()))) == original
    plain = replace(original, mc_dropout=passes).to_json()
    assert plain["mc_dropout"]["test_loss"] is None
    read = RunSummary.from_json(plain).mc_dropout
    assert read is not None
    assert math.isnan(read.test_loss)
    assert read.test_ece is None
    original = replace(make_summary(None, make_record(1, 1.0)), best=measured)
    assert RunSummary.from_json(json.loads(json.dumps(original.to_json()))) == original
