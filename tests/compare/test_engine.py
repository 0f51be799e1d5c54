"""Finished runs become rows: grouped by all but the seed, paired with a baseline seed by seed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import find_runs
from dropexp.compare.terminal_chart import draw_curves
from dropexp.errors import FilterError, RunIdError, StoreError, UserError
from dropexp.runs.metrics import METRIC_REGISTRY, EpochChoice, Metric
from dropexp.runs.records import AuditOutcome, RunSummary
from dropexp.runs.write import METRICS, SUMMARY
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

# --- pairs --------------------------------------------------------------------------------


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


def test_a_baseline_has_everything_else_equal(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.7, "model.shortcut=true")
    write_finished_run(tmp_path, 0.5, "regulariser=stochastic_depth")
    row = compare_folder(tmp_path).row("stochastic_depth p=0.5 model.shortcut=True")
    assert row.baseline == "none model.shortcut=True"
    assert row.difference is not None
    assert row.difference.value == pytest.approx(-0.2)


def test_a_setting_without_its_baseline_is_not_tested(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.5, "regulariser=stochastic_depth")
    row = compare_folder(tmp_path).row("stochastic_depth p=0.5 model.shortcut=True")
    assert (row.baseline, row.verdict, row.pairs) == (None, None, ())


def test_a_setting_can_be_the_baseline_of_all_others(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.7, *DROPOUT.split())
    write_finished_run(tmp_path, 0.9, "regulariser=dropout2d", "p=0.5", "model.shortcut=true")
    name = "dropout2d p=0.3 model.shortcut=False"
    table = compare_folder(tmp_path, baseline=name)
    assert {row.baseline for row in table.rows} == {None, name}
    assert table.row(name).baseline is None


def test_filters_choose_a_baseline_with_everything_else_equal(tmp_path: Path) -> None:
    for size in (100, 200):
        write_finished_run(tmp_path, 1.0, f"data.train_size={size}")
        write_finished_run(tmp_path, 0.7, f"data.train_size={size}", *DROPOUT.split())
    table = compare_folder(tmp_path, baseline="data.train_size=100")
    assert [row.baseline for row in table.rows if row.setting.fields["data.train_size"] == 200] == [
        "none data.train_size=100",
        "dropout2d p=0.3 data.train_size=100",
    ]
    table = compare_folder(tmp_path, baseline="regulariser=dropout2d p=0.3")
    assert table.row("none data.train_size=200").baseline == "dropout2d p=0.3 data.train_size=200"


@pytest.mark.parametrize("asked", ["dropout3d", "regulariser=dropout2d", "p=0.9"])
def test_a_baseline_that_is_none_or_several_is_refused(tmp_path: Path, asked: str) -> None:
    write_study(tmp_path, {NONE: [1.0], DROPOUT: [1.0], "regulariser=dropout2d p=0.5": [1.0]})
    with pytest.raises(UserError, match="--baseline"):
        compare_folder(tmp_path, baseline=asked)


# --- diverged runs ------------------------------------------------------------------------


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


def test_of_two_that_diverged_neither_is_better(tmp_path: Path) -> None:
    for words in ([], DROPOUT.split()):
        write_finished_run(tmp_path, 1.0, *words, change=mark_diverged)
    row = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert row.better is not None
    assert (row.better.value, row.p_value) == (0.5, 1.0)
    assert row.estimates == {}


# --- verdicts -----------------------------------------------------------------------------


def test_five_seeds_are_too_few_and_how_many_would_do_is_said(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0] * 5, DROPOUT: [0.5, 0.51, 0.52, 0.5, 0.49]})
    row = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert row.p_value == 2 / 2**5
    assert row.verdict is Verdict.TOO_FEW_SEEDS
    assert row.pairs_needed == 6


def test_the_correction_is_over_the_rows_of_the_table(tmp_path: Path) -> None:
    clear = [0.5, 0.6, 0.5, 0.6, 0.5, 0.6]
    write_study(tmp_path, {NONE: [1.0] * 6, DROPOUT: clear})
    alone = compare_folder(tmp_path).row("dropout2d p=0.3")
    write_study(tmp_path, {"regulariser=dropout p=0.3": clear})
    beside = compare_folder(tmp_path).row("dropout2d p=0.3")
    assert (alone.verdict, alone.adjusted_p) == (Verdict.BETTER, 2 / 64)
    assert (beside.verdict, beside.adjusted_p) == (Verdict.TOO_FEW_SEEDS, 4 / 64)


def test_of_an_accuracy_more_is_better(tmp_path: Path) -> None:
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


def test_a_smaller_gap_with_a_worse_result_is_underfitting(tmp_path: Path) -> None:
    for seed in range(6):
        write_finished_run(tmp_path, 1.0, f"seed={seed}", train_losses=(0.1,))
        for name, train_loss in (("dropout2d", 0.9), ("dropout", 0.05)):
            words = [f"regulariser={name}", "p=0.3", f"seed={seed}"]
            write_finished_run(
                tmp_path / name, 1.5 + seed / 100, *words, train_losses=(train_loss,)
            )
    for metric, verdict in ((None, Verdict.WORSE), (METRIC_REGISTRY["loss_gap"], Verdict.BETTER)):
        words = [str(tmp_path), str(tmp_path / "dropout2d")]
        row = compare_folder(tmp_path, *words, metric=metric).row("dropout2d p=0.3")
        assert (row.verdict, row.underfits) == (verdict, True)
    words = [str(tmp_path), str(tmp_path / "dropout")]
    row = compare_folder(tmp_path, *words).row("dropout p=0.3")
    assert (row.verdict, row.underfits) == (Verdict.WORSE, False)


@pytest.mark.parametrize("metric", [METRIC_REGISTRY["train_loss"], METRIC_REGISTRY["train_acc"]])
def test_how_well_the_training_images_are_fitted_can_decide(tmp_path: Path, metric: Metric) -> None:
    def accurate(train: float, test: float) -> SummaryChange:
        def change(made: RunSummary) -> RunSummary:
            assert made.best is not None
            best = replace(made.best, train_acc=train, test_acc=test, acc_gap=train - test)
            return replace(made, best=best)

        return change

    for words, losses, accuracies in (
        ("", (0.5, 1.0), (0.8, 0.7)),
        (DROPOUT, (0.4, 1.2), (0.9, 0.6)),  # fits better and tests worse
        (DROPOUT.replace("0.3", "0.5"), (0.6, 0.8), (0.75, 0.74)),  # fits worse and tests better
        (DROPOUT.replace("0.3", "0.7"), (1.3, 1.5), (0.5, 0.49)),  # learns less
    ):
        for seed in range(7):
            made, (train, test) = [*words.split(), f"seed={seed}"], losses
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


# --- epochs -------------------------------------------------------------------------------


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
    assert (table.target, table.metric) == (0.5, METRIC_REGISTRY["val_loss"])
    none, dropout = table.rows
    assert none.estimates["epoch"].value == 2
    assert none.estimates["val_loss"].value == 0.9
    assert dropout.difference is not None
    assert dropout.difference.value == pytest.approx(-0.1)
    assert "test_loss" not in none.estimates
    assert "dropout2d p=0.3 sets it" in table.sentences[0]
    with pytest.raises(UserError, match="test set is evaluated"):
        compare_folder(tmp_path, at=EpochChoice.MATCHED, metric=METRIC_REGISTRY["test_acc"])


def test_rise_and_area_are_those_of_the_curves_even_of_an_older_version(tmp_path: Path) -> None:
    train, val = (0.9, 0.5, 0.2), (1.0, 0.8, 1.3)
    write_finished_run(tmp_path, 1.0, train_losses=train, val_losses=val)
    row = compare_folder(tmp_path).row("none")
    assert row.estimates["rise"].value == rise_after_best(val).last == 0.5
    assert row.estimates["area"].value == area_between(train, val)


# --- groups and names ---------------------------------------------------------------------


def test_an_option_of_some_regularisers_is_named_only_where_it_differs(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 1.0, "regulariser=dropout2d")
    write_finished_run(tmp_path, 1.0, "regulariser=dropconnect")
    write_finished_run(tmp_path, 1.0, "regulariser=dropconnect", "regulariser.mask=batch")
    assert [row.setting.name for row in compare_folder(tmp_path).rows] == [
        "none",
        "dropconnect p=0.5 regulariser.mask=batch",
        "dropconnect p=0.5 regulariser.mask=example",
        "dropout2d p=0.5",
    ]


def test_rows_are_in_the_order_of_numbers_with_each_baseline_first(tmp_path: Path) -> None:
    for size in (1000, 200):
        write_finished_run(
            tmp_path, 1.0, "regulariser=dropout2d", "p=0.1", f"data.train_size={size}"
        )
        write_finished_run(tmp_path, 1.0, f"data.train_size={size}")
    table = compare_folder(tmp_path)
    assert [row.setting.name for row in table.rows] == [
        "none data.train_size=200",
        "dropout2d p=0.1 data.train_size=200",
        "none data.train_size=1000",
        "dropout2d p=0.1 data.train_size=1000",
    ]
    assert table.axes == {"regulariser.p": (0.0, 0.1), "data.train_size": (200, 1000)}
    assert table.shared["data.name"] == "digits"
    assert "data.train_size" not in table.shared


def test_unlike_defaults_of_two_regularisers_are_in_neither_name(tmp_path: Path) -> None:
    """Stochastic depth's p grows with depth unless told otherwise, that of others does not."""
    write_finished_run(tmp_path, 1.0, *DROPOUT.split(), "model.shortcut=true")
    write_finished_run(tmp_path, 1.0, "regulariser=stochastic_depth", "p=0.3")
    names = {row.setting.name for row in compare_folder(tmp_path).rows}
    assert names == {"dropout2d p=0.3", "stochastic_depth p=0.3"}


# --- what is left out ---------------------------------------------------------------------


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    damaged = write_finished_run(tmp_path, 1.0, "seed=1")
    (damaged.path / SUMMARY).write_text(json.dumps({"format": 99}))
    no_metrics = write_finished_run(tmp_path, 1.0, "seed=2")
    (no_metrics.path / METRICS).unlink()
    interrupted = write_finished_run(tmp_path, 1.0, "seed=3")
    (interrupted.path / SUMMARY).unlink()
    (tmp_path / "not-a-run").mkdir()
    table = compare_folder(tmp_path)
    assert table.rows[0].n == 1
    assert len(table.left_out) == 3
    for folder, word in ((damaged, "damaged"), (no_metrics, "metrics"), (interrupted, "interrup")):
        assert [word in line for line in table.left_out if folder.run_id in line] == [True]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda made: replace(made, audit=AuditOutcome.FAILED), "audit"),
        (lambda made: replace(made, audit=AuditOutcome.SKIPPED), "audit"),
        (lambda made: replace(made, results_version=99), "version"),
    ],
)
def test_runs_that_cannot_be_trusted_are_left_out_unless_told(
    tmp_path: Path, change: SummaryChange, word: str
) -> None:
    write_finished_run(tmp_path, 1.0)
    odd = write_finished_run(tmp_path, 1.0, *DROPOUT.split(), change=change)
    table = compare_folder(tmp_path)
    assert len(table.rows) == 1
    assert [odd.run_id in line and word in line for line in table.left_out] == [True]
    assert len(compare_folder(tmp_path, allow_mixed=True).rows) == 2


def test_other_images_are_refused_unless_told(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0)
    write_finished_run(tmp_path, 0.5, "data=mnist")
    write_finished_run(tmp_path, 0.4, "data=mnist", *DROPOUT.split())
    with pytest.raises(UserError, match=r"data\.name is digits in some and mnist in others"):
        compare_folder(tmp_path)
    assert len(compare_folder(tmp_path, "data.name=mnist").rows) == 2
    mixed = compare_folder(tmp_path, allow_mixed=True)
    (row,) = [row for row in mixed.rows if row.baseline]
    assert row.baseline is not None
    assert "mnist" in row.baseline
    (digits,) = [row for row in mixed.rows if row.setting.fields["data.name"] == "digits"]
    with pytest.raises(UserError, match=r"different images \(data\.name is digits and mnist"):
        compare_folder(tmp_path, allow_mixed=True, baseline=digits.setting.name)


def test_a_split_held_at_two_seeds_is_two_test_sets(tmp_path: Path) -> None:
    for data_seed in (5, 6):
        write_finished_run(tmp_path, 1.0, f"data.seed={data_seed}")
    with pytest.raises(UserError, match=r"data\.seed"):
        compare_folder(tmp_path)


def test_runs_are_meant_by_id_folder_and_filter(tmp_path: Path) -> None:
    first = write_finished_run(tmp_path / "a", 1.0)
    second = write_finished_run(tmp_path / "b", 1.0, "seed=1")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert compare_folder(tmp_path / "a", first.run_id).rows[0].n == 1
    assert compare_folder(tmp_path, a, b).rows[0].n == 2
    assert compare_folder(tmp_path, a, str(second.path)).rows[0].n == 2
    assert compare_folder(tmp_path, a, b, "seed=1").rows[0].n == 1
    with pytest.raises(RunIdError):
        compare_folder(tmp_path / "a", "dropout2d-p0.3-s0-12345678")
    with pytest.raises(FilterError):
        compare_folder(tmp_path / "a", "data.nam=digits")
    with pytest.raises(UserError, match="none of the 1 runs"):
        compare_folder(tmp_path / "a", "seed=7")


def test_a_copied_run_is_no_second_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_finished_run(tmp_path / name, 1.0)
    table = compare_folder(tmp_path, str(tmp_path / "a"), str(tmp_path / "b"))
    assert table.rows[0].n == 1
    assert len(table.left_out) == 1


# --- curves -------------------------------------------------------------------------------


def test_curves_are_those_of_the_file_and_are_read_when_asked_for(tmp_path: Path) -> None:
    curves = {"train_losses": (0.9, 0.5), "val_losses": (1.0, 0.8)}
    folder = write_finished_run(
        tmp_path,
        1.0,
        change=lambda made: replace(made, rise=0.0, area=1.0),
        **curves,
    )
    found, _ = find_runs([], tmp_path)
    with (folder.path / METRICS).open("a") as file:
        file.write("3,cut off")
    run = found[0].compared
    assert len(run.curves) == 2
    assert run.curves["val_loss"].tolist() == [1.0, 0.8]
    rows = [list(record.to_row().values()) for record in folder.read_records()]
    assert run.curves.table.tolist() == rows


def test_damaged_curves_are_said_where_they_are_needed(tmp_path: Path) -> None:
    def known(made: RunSummary) -> RunSummary:
        return replace(made, rise=0.0, area=1.0)

    write_finished_run(tmp_path, 1.0)
    damaged = [
        write_finished_run(tmp_path, 1.0, "seed=1"),
        write_finished_run(tmp_path, 1.0, "seed=2", change=known),
    ]
    for folder in damaged:
        (folder.path / METRICS).write_text((folder.path / METRICS).read_text() + "2,nonsense\n")
    table = compare_folder(tmp_path)
    assert [damaged[0].run_id in line for line in table.left_out] == [True]
    assert table.rows[0].n == 2  # the other's curves are not needed
    with pytest.raises(StoreError, match="damaged"):
        compare_folder(tmp_path, at=EpochChoice.MATCHED)


@pytest.mark.parametrize("text", ["", "epoch,lr\n"])
def test_curves_without_an_epoch_leave_the_run_out(tmp_path: Path, text: str) -> None:
    write_finished_run(tmp_path, 1.0)
    empty = write_finished_run(
        tmp_path, 1.0, "seed=1", change=lambda made: replace(made, rise=0.0, area=1.0)
    )
    (empty.path / METRICS).write_text(text)
    for at in EpochChoice:
        table = compare_folder(tmp_path, at=at)
        assert [empty.run_id in line and "no epoch" in line for line in table.left_out] == [True]
        assert table.rows[0].n == 1


def test_the_small_chart_shows_the_baseline_and_what_gains_most(tmp_path: Path) -> None:
    losses = {"none": [0.9], "dropout2d p=0.1": [0.8], "dropout2d p=0.2": [0.1]}
    losses |= {"dropout2d p=0.3": [0.5], "dropout2d p=0.4": [0.6]}
    for words, (loss,) in losses.items():
        curve, overrides = (loss + 0.5, loss), f"regulariser={words}".split()
        write_finished_run(tmp_path, loss, *overrides, train_losses=curve, val_losses=curve)
    comparison = compare_folder(tmp_path)
    shown = draw_curves(comparison, 100).plain
    assert "none" in shown
    assert [p for p in ("0.1", "0.2", "0.3", "0.4") if f"p={p}" in shown] == ["0.2", "0.3", "0.4"]
    assert draw_curves(comparison, 20).plain == "", "there is no room for it"
