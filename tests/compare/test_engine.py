"""Settings are compared with their baselines seed by seed."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import compare, find_runs
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.question_types import Correction
from dropexp.runs.records import RunSummary
from dropexp.statistics import Verdict, area_between, rise_after_best
from tests.run_folders import (
    DROPOUT,
    NONE,
    SummaryChange,
    compare_folder,
    mark_diverged,
    write_finished_run,
    write_study,
)


def test_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0, 5.0, 2.0], DROPOUT: [0.9, 4.5, 2.3]})
    write_finished_run(tmp_path, 100.0, *DROPOUT.split(), "seed=9")
    table = compare_folder(tmp_path)
    assert [row.setting.name for row in table.rows] == ["none", "dropout2d p=0.3"]
    row = table.row("dropout2d p=0.3")
    assert (row.n, len(row.pairs), row.pairs_better) == (4, 3, 2)
    assert row.difference is not None
    assert row.difference.value == pytest.approx((-0.1 - 0.5 + 0.3) / 3)
    assert table.row("none").difference is None
    assert table.row("none").setting.missing_seeds == (9,)


def test_shuffled_seeds_change_the_paired_result_and_not_the_means(tmp_path: Path) -> None:
    baseline = [1.0, 2.0, 3.0, 4.0]
    write_study(tmp_path / "paired", {NONE: baseline, DROPOUT: [0.9, 1.9, 2.9, 3.9]})
    write_study(tmp_path / "shuffled", {NONE: baseline, DROPOUT: [1.9, 3.9, 0.9, 2.9]})
    paired, shuffled = (
        compare_folder(tmp_path / name).row("dropout2d p=0.3") for name in ("paired", "shuffled")
    )
    assert paired.estimates["test_loss"].value == shuffled.estimates["test_loss"].value
    assert paired.difference is not None
    assert shuffled.difference is not None
    assert paired.difference.value == pytest.approx(shuffled.difference.value)
    width_paired = paired.difference.high - paired.difference.low
    assert shuffled.difference.high - shuffled.difference.low > 10 * width_paired
    assert (paired.pairs_better, shuffled.pairs_better) == (4, 2)


def test_a_diverged_run_is_counted_and_not_averaged(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 77.0, "seed=1", change=mark_diverged)
    row = compare_folder(tmp_path).row("none")
    assert (row.n, row.setting.diverged_seeds) == (1, (1,))
    assert row.estimates["test_loss"].value == 1.0


def test_a_diverged_run_loses_its_pair(tmp_path: Path) -> None:
    baseline = [1.0] * 8
    better = [0.9, 0.8, 0.9, 0.8, 0.9, 0.8, 0.9]
    write_study(tmp_path, {NONE: baseline, DROPOUT: better})
    sound = compare_folder(tmp_path).row("dropout2d p=0.3")
    write_finished_run(tmp_path, 0.1, *DROPOUT.split(), "seed=7", change=mark_diverged)
    row = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert sound.verdict is Verdict.BETTER
    assert row.verdict is Verdict.NO_CLEAR_DIFFERENCE
    assert row.better is not None
    assert row.better.value == 7 / 8
    assert row.pairs[-1].value is None
    # The loss counts 0.2, as much as the largest. Of the subsets of 0.1 × 4 and 0.2 × 4, 15 weigh
    # at most as much, and so do 15 complements.
    assert row.p_value == 30 / 256
    assert row.difference == sound.difference


def test_a_pair_in_which_both_runs_diverged_is_a_tie(tmp_path: Path) -> None:
    for overrides in ([], DROPOUT.split()):
        write_finished_run(tmp_path, 1.0, *overrides, change=mark_diverged)
    row = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert row.better is not None
    assert (row.better.value, row.p_value) == (0.5, 1.0)
    assert row.estimates == {}


def test_five_seeds_are_too_few_and_the_number_needed_is_given(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0] * 5, DROPOUT: [0.5, 0.51, 0.52, 0.5, 0.49]})
    row = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert row.p_value == 2 / 2**5
    assert row.verdict is Verdict.TOO_FEW_SEEDS
    assert row.forecast is not None
    assert row.forecast.low == 1


def test_the_correction_is_over_the_rows_of_the_table(tmp_path: Path) -> None:
    clear = [0.5, 0.6, 0.5, 0.6, 0.5, 0.6]
    write_study(tmp_path, {NONE: [1.0] * 6, DROPOUT: clear})
    alone = compare_folder(tmp_path).row("dropout2d p=0.3")
    write_study(tmp_path, {"regulariser=dropout p=0.3": clear})
    beside = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert (alone.verdict, alone.adjusted_p) == (Verdict.BETTER, 2 / 64)
    assert (beside.verdict, beside.adjusted_p) == (Verdict.BETTER, 2 / 64)
    holm = compare_folder(tmp_path, correction=Correction.HOLM).row("dropout2d p=0.3")
    assert (holm.verdict, holm.adjusted_p) == (Verdict.TOO_FEW_SEEDS, 4 / 64)


def test_a_higher_accuracy_is_better(tmp_path: Path) -> None:
    def accurate(accuracy: float) -> SummaryChange:
        def change(made: RunSummary) -> RunSummary:
            assert made.best is not None
            return replace(made, best=replace(made.best, test_acc=accuracy))

        return change

    for seed in range(6):
        write_finished_run(tmp_path, 1.0, f"seed={seed}", change=accurate(0.5))
        write_finished_run(
            tmp_path, 1.0, *DROPOUT.split(), f"seed={seed}", change=accurate(0.6 + seed / 100)
        )
    row = compare_folder(tmp_path, metric=METRIC_REGISTRY["test_acc"]).row("dropout2d p=0.3")
    assert row.difference is not None
    assert row.difference.value == pytest.approx(0.125)
    assert (row.verdict, row.pairs_better) == (Verdict.BETTER, 6)


def set_train_acc(accuracy: float) -> SummaryChange:
    def change(made: RunSummary) -> RunSummary:
        assert made.best is not None
        best = replace(made.best, train_acc=accuracy, clean_label_train_acc=accuracy)
        return replace(made, best=best)

    return change


def test_a_worse_result_with_a_worse_fit_is_underfitting(tmp_path: Path) -> None:
    for seed in range(6):
        write_finished_run(tmp_path, 1.0, f"seed={seed}", train_losses=(0.1,))
        for name, train_loss in (("dropout2d", 0.9), ("dropout", 0.05)):
            overrides = [f"regulariser={name}", "p=0.3", f"seed={seed}"]
            write_finished_run(
                tmp_path / name,
                1.5 + seed / 100,
                *overrides,
                train_losses=(train_loss,),
                change=set_train_acc(0.95 - train_loss),
            )
    for metric, verdict in ((None, Verdict.WORSE), (METRIC_REGISTRY["loss_gap"], Verdict.BETTER)):
        folders = [str(tmp_path), str(tmp_path / "dropout2d")]
        row = compare_folder(tmp_path, *folders, metric=metric).row("dropout2d p=0.3")
        assert (row.verdict, row.underfits) == (verdict, True)
    folders = [str(tmp_path), str(tmp_path / "dropout")]
    row = compare_folder(tmp_path, *folders).row("dropout p=0.3")
    assert (row.verdict, row.underfits) == (Verdict.WORSE, False)


@pytest.mark.parametrize("metric", [METRIC_REGISTRY["train_loss"], METRIC_REGISTRY["train_acc"]])
def test_a_training_metric_can_decide(tmp_path: Path, metric: Metric) -> None:
    def accurate(train: float, test: float) -> SummaryChange:
        def change(made: RunSummary) -> RunSummary:
            assert made.best is not None
            best = replace(made.best, test_acc=test, acc_gap=train - test)
            return set_train_acc(train)(replace(made, best=best))

        return change

    for overrides, losses, accuracies in (
        ("", (0.5, 1.0), (0.8, 0.7)),
        (DROPOUT, (0.4, 1.2), (0.9, 0.6)),  # fits better and tests worse
        (DROPOUT.replace("0.3", "0.5"), (0.6, 0.8), (0.75, 0.74)),  # fits worse and tests better
        (DROPOUT.replace("0.3", "0.7"), (1.3, 1.5), (0.5, 0.49)),  # learns less
    ):
        for seed in range(7):
            made, (train, test) = [*overrides.split(), f"seed={seed}"], losses
            write_finished_run(
                tmp_path, test, *made, train_losses=(train,), change=accurate(*accuracies)
            )
    table = compare_folder(tmp_path, metric=metric)
    weak, fair, heavy = (table.row(f"dropout2d p={p}") for p in (0.3, 0.5, 0.7))
    assert (weak.verdict, weak.underfits) == (Verdict.BETTER, False)
    assert (fair.verdict, fair.underfits) == (Verdict.WORSE, False)
    assert (heavy.verdict, heavy.underfits) == (Verdict.WORSE, True)
    assert weak.difference is not None
    expected = -0.1 if metric is METRIC_REGISTRY["train_loss"] else 0.1
    assert weak.difference.value == pytest.approx(expected)


def test_at_the_last_epoch_the_last_results_decide(tmp_path: Path) -> None:
    curves = {"train_losses": (0.9, 0.2), "val_losses": (1.0, 3.0)}
    write_finished_run(tmp_path, 1.0, **curves)  # type: ignore[arg-type]
    best, last = (
        compare_folder(tmp_path, at=at).row("none") for at in (EpochChoice.BEST, EpochChoice.LAST)
    )
    assert (best.estimates["epoch"].value, last.estimates["epoch"].value) == (1, 2)
    assert last.estimates["val_loss"].value == 3.0
    assert best.estimates["best_epoch"].value == last.estimates["best_epoch"].value == 1


def test_matched_runs_are_compared_at_one_training_loss(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0, train_losses=(0.8, 0.4, 0.1), val_losses=(1.0, 0.9, 2.0))
    slow = {"train_losses": (0.9, 0.7, 0.5), "val_losses": (1.2, 1.1, 0.8)}
    write_finished_run(tmp_path, 1.0, *DROPOUT.split(), **slow)  # type: ignore[arg-type]
    table = compare_folder(tmp_path, at=EpochChoice.MATCHED)
    assert (table.target, table.metric) == (0.5, METRIC_REGISTRY["noisy_label_val_loss"])
    none, dropout = table.rows
    assert none.estimates["epoch"].value == 2
    assert none.estimates["val_loss"].value == 0.9
    assert dropout.difference is not None
    assert dropout.difference.value == pytest.approx(-0.1)
    assert "test_loss" not in none.estimates
    assert "dropout2d p=0.3 sets it" in table.sentences[0]
    with pytest.raises(UserError, match="test set is evaluated"):
        compare_folder(tmp_path, at=EpochChoice.MATCHED, metric=METRIC_REGISTRY["test_acc"])


def test_rise_and_area_of_an_older_summary_are_computed_from_the_curves(
    tmp_path: Path,
) -> None:
    train, val = (0.9, 0.5, 0.2), (1.0, 0.8, 1.3)
    write_finished_run(tmp_path, 1.0, train_losses=train, val_losses=val)
    row = compare_folder(tmp_path).row("none")
    assert row.estimates["rise"].value == rise_after_best(val).last == 0.5
    assert row.estimates["area"].value == area_between(train, val)


def test_a_table_that_does_without_p_values_of_single_rows_has_the_same_verdicts(
    tmp_path: Path,
) -> None:
    write_study(tmp_path, {NONE: [1.0, 1.1, 0.9, 1.2, 1.0, 1.1], DROPOUT: [0.8] * 6})
    found = find_runs([], tmp_path)
    (_, row), (_, without) = (compare(found, with_p_values=each).rows for each in (True, False))
    assert row.p_value == row.adjusted_p == 2 / 2**6
    assert without.p_value is not None
    assert math.isnan(without.p_value)
    assert (without.adjusted_p, without.verdict) == (row.adjusted_p, Verdict.BETTER)
    assert without.difference == row.difference
