"""An analysis from Python is that of its command, as an object."""

import csv
import io
import math
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest

import dropexp
from dropexp.api import EarlyStoppingResult, EffectsResult, ForgettingResult, LearningCurvesResult
from dropexp.api.table_result import TableResult
from dropexp.compare.results import Row
from dropexp.errors import UserError
from tests.conftest import QUICK, run_dropexp
from tests.run_folders import DROPOUT, NONE, write_finished_run

SIZES, SEEDS = (50, 100, 200, 400), 6


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings at four sizes: a study for effects, learning curves and early stopping."""
    folder = tmp_path_factory.mktemp("analyses")
    for size in SIZES:
        for overrides, factor in ((NONE, 1.0), (DROPOUT, 4 / 3)):
            for seed in range(SEEDS):
                loss = 0.3 + 12 * math.pow(size * factor, -0.75) + 0.02 * seed
                loss += 0.003 * ((7 * seed + size) % 5)
                write_finished_run(
                    folder / "runs",
                    loss,
                    *overrides.split(),
                    f"data.train_size={size}",
                    f"seed={seed}",
                    train_losses=(0.9, 0.2),
                    val_losses=(loss, loss + (0.4 if overrides == NONE else 0.1)),
                )
    return folder


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two trained runs: the page needs the images that runs were trained on."""
    folder = tmp_path_factory.mktemp("tracked")
    for regulariser in ("none", "dropout2d"):
        overrides = [f"regulariser={regulariser}", "track_examples=true", "data.label_noise=0.1"]
        place = ["tensorboard.enabled=false", f"runs_dir={folder / 'runs'}"]
        dropexp.train([*QUICK, *overrides, *place], quiet=True)
    return folder


@pytest.fixture
def forgotten(tracked: Path) -> ForgettingResult:
    return dropexp.forgetting(runs_dir=tracked / "runs")


def assert_as_printed(
    result: EffectsResult | LearningCurvesResult | EarlyStoppingResult | ForgettingResult,
    folder: Path,
    *command: str,
) -> None:
    """Assert that a result is shown as its command prints it, and framed as its CSV."""
    pytest.importorskip("pandas")
    printed = run_dropexp(folder, *command, "-o", "-", "-f", "table").stdout
    assert str(result).split("\n\n")[0].split() == printed.split("\n\n")[0].split()
    assert repr(result) == str(result)
    html = result._repr_html_()
    assert "<table>" in html
    assert all(escape(sentence) in html for sentence in result.sentences)
    names = [row.setting.name if isinstance(row, Row) else row.name for row in result.rows]
    assert all(f">{escape(name)}</td>" in html for name in names)
    text = run_dropexp(folder, *command, "-f", "csv").stdout
    heading, *lines = csv.reader(io.StringIO(text))
    frame = result.to_frame()
    assert list(frame.columns) == heading
    assert frame[heading[0]].tolist() == [line[0] for line in lines]


def test_effects_are_those_of_the_command(studied: Path) -> None:
    options: dict[str, Any] = {"metric": "val_loss", "at": "last", "correction": "max-t"}
    options |= {"test": "planned", "margin": 0.01}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    result: EffectsResult = dropexp.effects(runs_dir=studied / "runs", **options)
    assert_as_printed(result, studied, "effects", *words)
    assert result.rows[0].name == "dropout2d p=0.3"
    assert result.rows[0].verdict == "better"
    assert "planned test, max-t" in result.sentences[-1]
    assert "margin was given after results were seen" in result.effects.notes[0]
    chart = result.chart().to_dict()
    assert any(chart["datasets"].values())
    assert chart["resolve"]["scale"]["color"] == "independent", (
        "levels have not the colours of kinds"
    )


def test_learning_curves_are_those_of_the_command(studied: Path) -> None:
    result: LearningCurvesResult = dropexp.learning_curve(runs_dir=studied / "runs", images=100)
    assert_as_printed(result, studied, "learning-curve", "--images", "100")
    assert [curve.name for curve in result.rows] == ["none", "dropout2d p=0.3"]
    assert result.answer.startswith("At 100 images, dropout2d p=0.3 is worth")
    assert any("n^" in sentence for sentence in result.sentences)
    assert any(result.chart().to_dict()["datasets"].values())


@pytest.mark.parametrize(
    ("name", "start"), [("r.html", '<section id="learning">'), ("r.md", "### Learning curves")]
)
def test_a_report_of_several_sizes_says_what_regularisers_are_worth(
    studied: Path, tmp_path: Path, name: str, start: str
) -> None:
    """Vega's libraries take most of the time of a page."""
    comparison = dropexp.compare(runs_dir=studied / "runs")
    _, section = comparison.report(tmp_path / name).read_text().split(start)
    assert "At 200 images, dropout2d p=0.3 is worth 67 more images" in section
    assert "n^" in section
    few = dropexp.compare("data.train_size<400", runs_dir=studied / "runs")
    assert start not in few.report(tmp_path / name).read_text()


def test_early_stopping_is_that_of_the_command(studied: Path) -> None:
    chosen = ("data.train_size=100", "data.train_size<200")
    result: EarlyStoppingResult = dropexp.early_stopping(
        *chosen, metric="val_loss", correction="holm", runs_dir=studied / "runs"
    )
    options = ("--metric", "val_loss", "--correction", "holm")
    assert_as_printed(result, studied, "early-stopping", *chosen, *options)
    (row,) = result.rows
    assert row.alone.value == pytest.approx(-0.4)
    assert any("Holm" in sentence for sentence in result.sentences)


def test_forgetting_is_that_of_the_command(forgotten: ForgettingResult, tracked: Path) -> None:
    assert_as_printed(forgotten, tracked, "forgetting")
    assert [row.setting.name for row in forgotten.rows] == ["none", "dropout2d p=0.5"]
    assert len(forgotten.to_frame()) == 2 * 60
    images = forgotten.most_forgotten("none", top=3)
    assert len(images) == 3
    assert images[0].rank >= images[-1].rank
    with pytest.raises(UserError, match=r"no tracked setting has the name 'non'. Did you mean"):
        forgotten.most_forgotten("non")
    with pytest.raises(
        UserError, match=r"no tracked setting has the name 3\. Known: dropout2d p=0\.5, none"
    ):
        forgotten.most_forgotten(3)  # type: ignore[arg-type]
    assert any(forgotten.chart().to_dict()["datasets"].values())


def test_the_page_of_forgotten_images_names_the_command_that_writes_it_again(
    forgotten: ForgettingResult, tmp_path: Path
) -> None:
    path = forgotten.page(tmp_path / "images.html", top=2)
    text = path.read_text()
    assert "dropexp forgetting --runs-dir" in text
    assert "--top 2" in text
    assert text.count("<img") == 4
    with pytest.raises(UserError, match=r"--top 0 is not allowed: write 1 to 500"):
        forgotten.page(tmp_path / "none.html", top=0)
    with pytest.raises(UserError, match=r"none\.pdf has no known suffix"):
        forgotten.page(tmp_path / "none.pdf")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "function",
    [dropexp.effects, dropexp.learning_curve, dropexp.early_stopping, dropexp.forgetting],
)
def test_what_the_command_refuses_is_an_error(
    function: Callable[..., TableResult], studied: Path
) -> None:
    with pytest.raises(UserError, match=r"needs runs of dropexp: results\.csv is a file"):
        function("results.csv", runs_dir=studied / "runs")
    with pytest.raises(UserError, match="seed=9"):
        function("seed=9", runs_dir=studied / "runs")


def test_a_choice_that_is_none_is_refused_in_the_words_of_the_command(studied: Path) -> None:
    with pytest.raises(UserError, match=r"--at middle is not known. Allowed: best, last, matched"):
        dropexp.effects(at="middle", runs_dir=studied / "runs")
