import re
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dropexp.compare.compared_runs import ComparedRuns
from dropexp.compare.results import Comparison
from dropexp.report.answer import answer
from dropexp.report.phrases import describe_baseline
from dropexp.runs.metric_types import Metric
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.made_up import make_comparison


@pytest.fixture(scope="module")
def study() -> Comparison:
    return make_comparison(("none", "dropout2d", "spatial_dropout"), seeds=8)


def test_the_answer_says_what_by_how_much_how_sure_and_at_what_cost(study: Comparison) -> None:
    first = answer(study)[0]
    assert re.fullmatch(
        r"On digits with 400 images and 20% noisy labels, dropout2d at p = 0\.3, chosen by "
        r"validation loss among 2 settings, lowers the test loss by 0\.\d+ nats "
        r"\[0\.\d+, 0\.\d+\] against none, better in 8 of 8 seeds "
        r"\(test accuracy \d+\.\d → \d+\.\d%\); cost: \+\d+% time per epoch\.",
        first,
    )
    row = study.row("dropout2d p=0.3")
    assert row.difference is not None
    assert f"by {-row.difference.value:.3f} nats" in first
    assert f"[{-row.difference.high:.3f}, {-row.difference.low:.3f}]" in first


def test_an_accuracy_rises_in_points() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8, metric=METRIC_REGISTRY["test_acc"])
    row = study.row("dropout2d p=0.3")
    assert row.difference is not None
    assert (
        f"raises the test accuracy by {100 * row.difference.value:.1f} points" in answer(study)[0]
    )


def test_three_seeds_claim_nothing_and_say_how_many_would() -> None:
    first, _, second, third = answer(make_comparison(("none", "dropout2d"), seeds=3))
    assert first.endswith("better in 3 of 3 seeds, but these are too few seeds.")
    assert second == (
        "With 3 seeds, no result can have a p-value below 0.25; a verdict needs 0.05."
    )
    assert re.match(r"About \d+ further seeds would decide it with 80% probability", third)
    assert "dropexp extend made-up --until-decided" in third


def test_one_seed_is_one_seed() -> None:
    text = answer(make_comparison(("none", "dropout2d"), seeds=1))[0]
    assert "than none, with one seed, but these are too few seeds" in text


def test_equal_settings_are_no_clear_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["tests.made_up"].STRENGTH, "dropout2d", 0.02)
    first = answer(make_comparison(("none", "dropout2d"), seeds=10))[0]
    assert re.search(
        r"dropout2d at p = 0\.3 has a mean test loss \d\.\d+ nats (lower|higher) \[.*\] "
        r"than none, better in \d of 10 seeds, which is no clear difference\.$",
        first,
    )


def test_a_setting_that_is_worse_is_called_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["tests.made_up"].STRENGTH, "dropout2d", -0.5)
    first = answer(make_comparison(("none", "dropout2d"), seeds=8))[0]
    assert ", dropout2d at p = 0.3 is worse: it raises the test loss by" in first
    assert first.endswith("better in none of 8 seeds.")


def test_runs_that_diverged_count_against_the_setting_at_the_top() -> None:
    """dropout2d would gain most, were it not for the seeds in which it diverged."""
    lost = [("dropout2d", seed) for seed in range(5)]
    study = make_comparison(("none", "dropout2d", "dropconnect"), seeds=8, diverged=lost)
    assert "dropconnect at p = 0.3, chosen by" in answer(study)[0]
    alone = answer(make_comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "better in 3 of 8 seeds (it diverged in 5 of 8 seeds)" in alone
    assert re.search(r"test loss \S+ nats lower", alone), "in the seeds that completed"
    assert "no clear difference" in alone


def test_a_setting_that_only_diverged_is_worse_and_has_no_number() -> None:
    lost = [("dropout2d", seed) for seed in range(8)]
    first = answer(make_comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "dropout2d at p = 0.3 is worse: it has" in first
    assert "no seed in which both it and none completed (it diverged in 8 of 8" in first
    assert "nan" not in first.lower()
    assert "–" not in first


def test_the_answer_says_that_the_baseline_diverged() -> None:
    lost = [("none", seed) for seed in range(2)]
    first = answer(make_comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "better in 8 of 8 seeds (the baseline diverged in 2)" in first


def test_the_answer_names_every_field_that_the_settings_differ_in() -> None:
    study = make_comparison(
        ("none", "dropconnect"), seeds=8, model_width=(32, 64), regulariser_mask=("a", "b")
    )
    first = answer(study)[0]
    assert re.search(r"\(model\.width=(32|64)\), dropconnect mask=[ab] at p = 0\.3, chosen", first)
    assert "against none," in first


def test_a_baseline_that_differs_in_more_is_named_in_full() -> None:
    for width in (32, 64):
        name = f"none model.width={width}"
        study = make_comparison(("none", "dropout2d"), baseline=name, model_width=(32, 64))
        assert study.baselines == {name}
        row = study.row(f"dropout2d p=0.3 model.width={96 - width}")
        assert describe_baseline(study, row) == name
        assert describe_baseline(study, study.row(f"dropout2d p=0.3 model.width={width}")) == "none"


def test_without_a_baseline_nothing_is_claimed() -> None:
    first, second = answer(make_comparison(("dropout2d", "dropconnect")))
    assert "dropout2d at p = 0.3 has the lowest test loss" in first
    assert "which setting is better is not known" in second


def test_one_setting_is_not_called_the_best() -> None:
    first, second = answer(make_comparison(("none",)))
    assert "the test loss of none is" in first
    assert "has the lowest" not in first
    assert second == "There is no other setting to compare it with."


def use_threads(study: Comparison, threads: dict[str, Sequence[int | None]]) -> Comparison:
    """Return the comparison as if runs had been trained with these threads, one for each seed."""
    rows = []
    for row in study.rows:
        completed = ComparedRuns.of(
            replace(run, threads=number)
            for run, number in zip(
                row.setting.completed, threads[row.setting.regulariser], strict=True
            )
        )
        rows.append(replace(row, setting=replace(row.setting, completed=completed)))
    return replace(study, rows=tuple(rows))


def test_the_cost_is_that_of_pairs_with_equal_threads() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8)
    slow = [*([None] * 7), 1]
    setting = study.row("dropout2d p=0.3").setting
    slowed = ComparedRuns.of(
        replace(
            run, summary=replace(run.summary, seconds=run.seconds * (1 if run.seed == 7 else 9))
        )
        for run in setting.completed
    )
    rows = [
        replace(row, setting=replace(row.setting, completed=slowed)) if row.baseline else row
        for row in study.rows
    ]
    mixed = use_threads(replace(study, rows=tuple(rows)), {"none": [1] * 8, "dropout2d": slow})
    cost = re.search(r"cost: \+(\d+)% time per epoch", answer(mixed)[0])
    assert cost, "seed 7 was trained with equal threads"
    assert int(cost[1]) < 20, "seeds 0 to 6 do not count"


def test_no_cost_is_claimed_without_a_pair_of_equal_threads() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8)
    first = answer(use_threads(study, {"none": [None] * 8, "dropout2d": [1] * 8}))[0]
    assert first.endswith("; cost not comparable: the runs used different numbers of threads.")


def test_a_gap_is_not_taken_for_a_result() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8, metric=METRIC_REGISTRY["loss_gap"])
    assert "A smaller gap is not yet a better result: see the test loss." in answer(study)


@pytest.mark.parametrize("metric", [METRIC_REGISTRY["train_loss"], METRIC_REGISTRY["train_acc"]])
def test_a_better_fit_is_not_taken_for_a_result(metric: Metric) -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8, metric=metric)
    first, *others = answer(study)
    assert "training" in first
    assert "A better fit is not yet a better result: see the test loss." in others
