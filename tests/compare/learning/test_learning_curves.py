"""What `dropexp learning-curve` answers about runs whose learning curves are known."""

import csv
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dropexp.cli.analyses import analyse_learning_curves
from dropexp.compare.learning.worth import SizeTable, measure_worths
from dropexp.report.charts.learning_curves import build_learning_figures
from dropexp.report.charts.panels import Panel
from tests.conftest import run_dropexp
from tests.run_folders import write_study

SIZES = (50, 100, 200, 400, 700)
SEEDS = 6
PLAIN, DROPOUT = "regulariser=none", "regulariser=dropout2d p=0.3"

Curve = Callable[[float], float]


def power_law(n: float) -> float:
    return 0.3 + 12 * math.pow(n, -0.75)


def make_losses(
    curve: Curve, of_setting: int, seeds: int = SEEDS, sizes: Sequence[int] = SIZES
) -> dict[int, list[float]]:
    """Return losses by size: a seed moves both settings, and each run a little on its own."""
    block = 0.05 * np.random.default_rng(1).standard_normal(seeds)
    own = 0.004 * np.random.default_rng(of_setting + 2).standard_normal((len(sizes), seeds))
    return {
        size: (curve(size) * (1 + block + noise)).tolist()
        for size, noise in zip(sizes, own, strict=True)
    }


def write_curves(runs: Path, curves: dict[str, dict[int, list[float]]]) -> None:
    losses = {
        f"{setting} data.train_size={size}": values
        for setting, by_size in curves.items()
        for size, values in by_size.items()
    }
    write_study(runs, losses)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs in which dropout2d is worth a third more images at every size."""
    folder = tmp_path_factory.mktemp("learning")
    write_curves(
        folder / "runs",
        {
            PLAIN: make_losses(power_law, 0),
            DROPOUT: make_losses(lambda n: power_law(n * 4 / 3), 1),
        },
    )
    return folder


def test_the_worth_is_found_and_its_interval_holds_it(studied: Path) -> None:
    done = run_dropexp(studied, "learning-curve", "--images", "400")
    assert done.returncode == 0, done.stderr
    assert "At 400 images, dropout2d p=0.3 is worth" in done.stdout
    assert "more images [+" in done.stdout
    told = json.loads(run_dropexp(studied, "learning-curve", "-f", "json").stdout)
    rows = {(row["setting"], row["train_size"]): row for row in told["rows"]}
    for size in (50, 100, 200, 400):
        row = rows["dropout2d p=0.3", size]
        assert row["worth_bounds"] == "both"
        assert row["worth_low"] < size / 3 < row["worth_high"]
        assert row["worth_high"] - row["worth_low"] < size / 3
    assert told["laws"]["none"]["c"]["low"] < 0.75 < told["laws"]["none"]["c"]["high"]
    assert rows["none", 400]["worth"] is None


def test_nothing_is_said_beyond_the_sizes_of_the_baseline(studied: Path) -> None:
    done = run_dropexp(studied, "learning-curve", "--images", "700")
    assert "worth at least 0 more images. There is no upper end: with 700" in done.stdout
    assert "933" not in done.stdout, "the law would put it there"
    (row,) = [
        row
        for row in csv.DictReader(
            run_dropexp(studied, "learning-curve", "-f", "csv").stdout.splitlines()
        )
        if row["train_size"] == "700" and row["baseline"]
    ]
    assert (row["worth"], row["worth_high"], row["worth_bounds"]) == ("", "", "lower")


def test_a_worse_setting_is_worth_less_than_nothing() -> None:
    sizes = np.array(SIZES, dtype=np.float64)
    tables = []
    for place, curve in enumerate((power_law, lambda n: power_law(n * 3 / 4))):
        values = np.array(list(make_losses(curve, place, 8).values())).T
        tables.append(SizeTable(sizes, values, np.ones(len(sizes))))
    at_100, at_50 = measure_worths(tables[1], tables[0], [100, 50], 0.95)
    assert at_100.low < -25 < at_100.high < 0
    assert (at_50.bounds, at_50.bound) == ("upper", 0)


def test_an_equal_setting_is_worth_no_image() -> None:
    sizes = np.array(SIZES, dtype=np.float64)
    values = np.array(list(make_losses(power_law, 0, 8).values())).T
    table = SizeTable(sizes, values, np.ones(len(sizes)))
    for worth in measure_worths(table, table, SIZES, 0.95):
        assert (worth.low, worth.value, worth.high) == pytest.approx((0, 0, 0), abs=1e-6)


def test_accuracies_are_errors_and_documents_show_percent(studied: Path) -> None:
    done = run_dropexp(studied, "learning-curve", "--metric", "test_acc", "-f", "md")
    assert "test error (%)" in done.stdout
    assert "20.0" in done.stdout, "every run has an accuracy of 0.8"


def test_a_law_that_does_not_fit_gives_no_answer(tmp_path: Path) -> None:
    def has_a_step(n: float) -> float:
        return 0.9 if n < 300 else 0.4

    def shifted(n: float) -> float:
        return has_a_step(n) - 0.05

    write_curves(
        tmp_path / "runs",
        {PLAIN: make_losses(has_a_step, 0), DROPOUT: make_losses(shifted, 1)},
    )
    done = run_dropexp(tmp_path, "learning-curve")
    assert "The power law does not fit none: at " in done.stdout
    assert "Leave the sizes out" in done.stdout
    assert "is worth" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data.train_size=50,100,200"], ["at least 4 values of data.train_size", "50, 100, 200"]),
        (["--images", "300"], ["--images 300", "50, 100, 200, 400, 700"]),
        (["--metric", "loss_gap"], ["--metric loss_gap has no learning curve", "test_acc"]),
        (["--metric", "train_loss"], ["--metric train_loss has no learning curve"]),
        (["--plot", "chart.html"], ["chart.html is no picture"]),
        (["--plot", "chart.gif"], ["chart.gif is no picture. Use .png, .svg, .pdf."]),
        (["-o", "table.xlsx"], ["table.xlsx has no known suffix", ".md"]),
    ],
)
def test_what_cannot_be_answered_is_refused(
    studied: Path, arguments: list[str], words: list[str]
) -> None:
    done = run_dropexp(studied, "learning-curve", *arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


def test_a_setting_is_not_its_own_baseline(studied: Path) -> None:
    done = run_dropexp(studied, "learning-curve", "--baseline", "none data.train_size=50")
    answers = [line for line in done.stdout.splitlines() if line.startswith("At ")]
    assert len(answers) == 1
    assert "dropout2d p=0.3 is worth" in answers[0]


def test_few_seeds_have_curves_and_no_worth(studied: Path) -> None:
    done = run_dropexp(studied, "learning-curve", "seed=0,1,2")
    assert "have 3 seeds with a result at every size in common; a worth needs 6" in done.stdout
    assert "none: 0.3" in done.stdout
    # Whoever leaves seeds out may have chosen them by their results.
    assert "they may be too narrow" in done.stdout
    assert "too narrow" not in run_dropexp(studied, "learning-curve").stdout


def test_the_chart_is_drawn_with_its_law_and_the_worth(studied: Path, tmp_path: Path) -> None:
    file = tmp_path / "chart.svg"
    done = run_dropexp(studied, "learning-curve", "--plot", str(file), "--images", "200")
    assert done.returncode == 0, done.stderr
    drawn = file.read_text(encoding="utf-8")
    for text in ("training images", "test loss (nats)", "none", "dropout2d p=0.3", "700"):
        assert f">{text}<" in drawn
    assert 'stroke-dasharray="2,3"' in drawn, "the line of the worth"
    assert "with its bootstrap band" in drawn


def test_a_chart_of_too_few_seeds_promises_no_band(studied: Path, tmp_path: Path) -> None:
    file = tmp_path / "chart.svg"
    done = run_dropexp(studied, "learning-curve", "seed=0,1,2", "--plot", str(file))
    assert done.returncode == 0, done.stderr
    drawn = file.read_text(encoding="utf-8")
    assert "lines: a + b" in drawn
    assert "band" not in drawn


def test_a_chart_draws_no_interval_of_two_seeds_and_none_rules_the_axis(studied: Path) -> None:
    def draw(seeds: str) -> tuple[Panel, float]:
        curves = analyse_learning_curves([seeds], studied / "runs")
        ((panel,),) = (figure.panels for figure in build_learning_figures(curves))
        assert panel.limits is not None
        return panel, panel.limits[1] - panel.limits[0]

    two, length = draw("seed=0,1")
    points = two.data["learning_curves_points"]
    assert all(point["low"] is None and point["high"] is None for point in points)
    assert all("[" not in point["result"] for point in points)
    assert two.subtitle.startswith("mean of two seeds, too few to draw an interval")
    three, longer = draw("seed=0,1,2")
    assert all(point["low"] is not None for point in three.data["learning_curves_points"])
    assert longer <= 3.3 * length
