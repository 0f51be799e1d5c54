"""The headline is chosen by validation results, and its size is free of the luck of the choice."""

from dataclasses import replace

import numpy as np
import pytest

from dropexp.compare import FoundRuns, Question, compare
from dropexp.compare.headline import describe_choice, find_headline
from dropexp.compare.results import Comparison
from dropexp.report.answer import answer
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Verdict
from simulations.runs import make_run
from tests.made_up import make_comparison

SHARED = 0.9
"""How much of the variance of a difference is the run's, in val and test; real runs: 0.7–0.97."""


def compare_losses(losses: dict[float, tuple[list[float], list[float]]]) -> Comparison:
    """Compare settings by p with val and test losses by seed; p = 0 is none."""
    return compare(
        FoundRuns.of(
            make_run("dropout2d" if p else "none", p, seed, test, val)
            for p, (vals, tests) in losses.items()
            for seed, (val, test) in enumerate(zip(vals, tests, strict=True))
        ),
        Question(),
    )


def around(mean: float, seeds: int = 8) -> list[float]:
    return [mean + 0.001 * (seed % 3) + 0.0001 * seed for seed in range(seeds)]


NONE = ([1.0] * 8, [1.0] * 8)


def test_validation_chooses_and_test_is_reported() -> None:
    table = compare_losses(
        {0.0: NONE, 0.1: (around(0.7), around(0.9)), 0.2: (around(0.8), around(0.6))}
    )
    row = find_headline(table)
    assert row is not None
    assert row.setting.p == 0.1
    first, *more = answer(table)
    assert "dropout2d at p = 0.1, chosen by validation loss among 2 settings, lowers" in first
    assert "by 0.099 nats" in first
    assert "Also better than none: dropout2d p=0.2." in more
    assert "Which of the better settings is best was not tested." in more


def test_a_chosen_row_that_is_not_better_is_said_to_be_so_and_the_better_ones_are_named() -> None:
    unclear = [0.9, 1.1, 0.95, 1.05, 0.9, 1.1, 0.98, 1.01]
    table = compare_losses(
        {
            0.0: NONE,
            0.1: (around(0.7), unclear),
            0.2: (around(0.8), around(0.6)),
            0.3: (around(0.9), around(0.9)),
        }
    )
    first, *more = answer(table)
    assert "dropout2d at p = 0.1, chosen by validation loss among 3 settings, has a mean" in first
    assert first.endswith("which is no clear difference.")
    assert "no setting" not in first
    assert "Better than none: dropout2d p=0.2, dropout2d p=0.3." in more
    assert "Which of the better settings is best was not tested." in more
    only = compare_losses({0.0: NONE, 0.1: (around(0.7), unclear), 0.2: (around(0.8), around(0.6))})
    assert "Better than none: dropout2d p=0.2." in answer(only)
    assert not any("best was not tested" in each for each in answer(only))


def test_one_row_was_not_chosen() -> None:
    table = compare_losses({0.0: NONE, 0.1: (around(0.7), around(0.9))})
    assert not any("chosen" in each for each in answer(table))
    headline = describe_choice(table)
    assert headline is not None
    assert not headline.is_chosen


def test_where_each_seed_is_measured_by_the_choice_of_the_others() -> None:
    """Seed 0 makes p = 0.1 the best; without it p = 0.2 is."""
    low = [0.0, *[0.9] * 7]
    steady = [0.8] * 8
    table = compare_losses({0.0: NONE, 0.1: (low, low), 0.2: (steady, steady)})
    headline = describe_choice(table)
    assert headline is not None
    assert headline.row.setting.p == 0.1
    assert not headline.is_stable
    # Seed 0 is measured by p = 0.2 (−0.2), each other seed by p = 0.1 (−0.1).
    assert headline.held_out.value == pytest.approx((-0.2 + 7 * -0.1) / 8)
    assert headline.row.difference is not None
    assert headline.row.difference.value == pytest.approx((-1 + 7 * -0.1) / 8)
    assert "for each seed by the other seeds only, a setting lowers the test loss by 0.112" in (
        " ".join(answer(table))
    )


def test_a_choice_that_no_seed_changes_is_said_to_be_so() -> None:
    table = compare_losses(
        {0.0: NONE, 0.1: (around(0.7), around(0.7)), 0.2: (around(0.9), around(0.9))}
    )
    assert "Whichever seed is left out, the same setting is chosen." in answer(table)


@pytest.mark.parametrize("key", ["val_loss", "val_acc", "loss_gap"])
def test_a_size_that_was_chosen_and_measured_on_the_same_images_is_called_overstated(
    key: str,
) -> None:
    many = make_comparison(("none", "dropout2d", "dropconnect"), metric=METRIC_REGISTRY[key])
    instead = "test_acc" if key == "val_acc" else "test_loss"
    expected = (
        f"It was chosen and measured on the same validation images, so its size is overstated; "
        f"--metric {instead} measures on test images."
    )
    assert expected in answer(many)
    one = make_comparison(("none", "dropout2d"), metric=METRIC_REGISTRY[key])
    assert not any("overstated" in each for each in answer(one))
    assert any(
        "--at last --metric" in each for each in answer(replace(many, at=EpochChoice.MATCHED))
    )


@pytest.mark.slow
def test_the_size_of_the_headline_is_overstated_by_the_choice_unless_seeds_are_held_out() -> None:
    """Nine settings with the same true effect of −0.5 SD, and eight seeds."""
    generator = np.random.default_rng(7)
    shown, held, truth, tables = 0.0, 0.0, -0.05, 60
    for _ in range(tables):
        runs = generator.normal(0, 0.1 * np.sqrt(SHARED / 2), (10, 8))
        parts = generator.normal(0, 0.1 * np.sqrt((1 - SHARED) / 2), (2, 10, 8))
        losses = {}
        for index in range(10):
            mean = 1 + (truth if index else 0)
            of_val, of_test = (mean + runs[index] + part[index] for part in parts)
            losses[index / 20] = (of_val.tolist(), of_test.tolist())
        headline = describe_choice(compare_losses(losses))
        assert headline is not None
        assert headline.row.difference is not None
        shown += headline.row.difference.value / tables
        held += headline.held_out.value / tables
    assert shown < 1.4 * truth
    # Its standard error over 60 tables is 0.008.
    assert held == pytest.approx(truth, abs=0.024)


def test_rows_of_diverged_runs_come_last() -> None:
    lost = [("dropout2d", seed) for seed in range(8)]
    table = make_comparison(("none", "dropout2d", "dropconnect"), seeds=8, diverged=lost)
    headline = describe_choice(table)
    assert headline is not None
    assert headline.row.setting.regulariser == "dropconnect"
    assert table.row("dropout2d p=0.3").forecast is None
    assert table.row("dropout2d p=0.3").verdict is Verdict.WORSE


def test_seeds_that_only_some_settings_have_do_not_measure_the_choice() -> None:
    table = compare_losses(
        {
            0.0: ([1.0] * 12, [1.0] * 12),
            0.1: (around(0.7), around(0.7)),
            0.2: (around(0.9, 12), [*around(0.9), 9.0, 9.0, 9.0, 9.0]),
            0.3: (around(0.9, 2), around(0.9, 2)),
        }
    )
    headline = describe_choice(table)
    assert headline is not None
    assert headline.is_stable
    assert headline.held_out.n == 8
    assert headline.row.difference is not None
    assert headline.held_out.value == pytest.approx(headline.row.difference.value)


def test_a_row_that_a_filter_picked_out_of_a_study_is_said_to_be_so() -> None:
    table = compare_losses({0.0: NONE, 0.1: (around(0.7), around(0.9))})
    of_four = replace(table, tests=4)
    expected = (
        "This shows 1 of the 4 settings of its study: if they were picked for their results, the "
        "size is overstated."
    )
    assert expected in answer(of_four)
    assert expected not in answer(table)
