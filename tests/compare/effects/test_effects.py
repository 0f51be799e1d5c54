"""What `dropexp effects` finds in runs whose effects and interactions are known."""

import csv
import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dropexp
from dropexp.compare.effects.contrasts import Values, list_contrasts
from dropexp.compare.effects.factors import Factor
from tests.conftest import run_dropexp
from tests.run_folders import mark_diverged, write_finished_run, write_study

SEEDS = 8
REGULARISERS = ("regulariser=none", "regulariser=dropout2d p=0.3")
AUGMENTS = ("data.augment=none", "data.augment=crop")
SIZES = ("data.train_size=100", "data.train_size=400")

Cell = tuple[int, ...]


def law(cell: Cell) -> float:
    """Return the true loss: each field helps, and noise and augmentation do half of each other."""
    noise, augment, size = cell
    return 1.0 - 0.1 * noise - 0.1 * augment - 0.3 * size + 0.1 * noise * augment


def make_losses(true: Callable[[Cell], float] = law) -> dict[str, list[float]]:
    generator = np.random.default_rng(0)
    block = 0.2 * generator.standard_normal(SEEDS)
    losses = {}
    for cell in product((0, 1), repeat=3):
        noise, augment, size = cell
        overrides = f"{REGULARISERS[noise]} {AUGMENTS[augment]} {SIZES[size]}"
        values = true(cell) + block + 0.01 * generator.standard_normal(SEEDS)
        losses[overrides] = values.tolist()
    return losses


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("effects")
    write_study(folder / "runs", make_losses())
    return folder


def read_rows(folder: Path, *arguments: str) -> dict[str, dict[str, str]]:
    done = run_dropexp(folder, "effects", *arguments, "-f", "csv")
    assert done.returncode == 0, done.stderr
    return {row["effect"]: row for row in csv.DictReader(done.stdout.splitlines())}


def test_effects_have_their_size_and_the_right_verdict(studied: Path) -> None:
    rows = read_rows(studied)
    expected = {
        # The mean of the effect without the other field and with it.
        "dropout2d p=0.3": (-0.05, "better"),
        "train_size=400": (-0.3, "better"),
        "augment=crop": (-0.05, "better"),
        "dropout2d p=0.3 × train_size=400": (0.0, "no clear difference"),
        "dropout2d p=0.3 × augment=crop": (0.1, "worse together"),
        "train_size=400 × augment=crop": (0.0, "no clear difference"),
    }
    assert list(rows) == list(expected)
    for name, (size, verdict) in expected.items():
        row = rows[name]
        assert float(row["size"]) == pytest.approx(size, abs=0.02)
        assert row["verdict"] == verdict
        low, high = float(row["size_low"]), float(row["size_high"])
        assert high - low < 0.05, "what a seed has in all its runs cancels"


def test_the_table_says_what_an_effect_is_and_which_test_spoke(studied: Path) -> None:
    done = run_dropexp(studied, "effects")
    assert "Effects on test loss in 2 × 2 × 2 combinations on 8 seeds" in done.stdout
    assert "planned test, max-t over 6 effects" in done.stdout
    assert "0 where the two add up" in done.stdout
    written = run_dropexp(studied, "effects", "-f", "md").stdout
    assert "| dropout2d p=0.3 × augment=crop |" in written
    told = json.loads(run_dropexp(studied, "effects", "-f", "json").stdout)
    assert told["factors"]["data.augment"] == ["none", "crop"]
    assert len(told["cells"]) == 8
    assert len(told["effects"][0]["pairs"]) == SEEDS


def test_too_few_seeds_are_said_with_the_smallest_p_that_they_allow(
    studied: Path, tmp_path: Path
) -> None:
    few = {overrides: losses[:3] for overrides, losses in make_losses().items()}
    write_study(tmp_path / "runs", few)
    for form in ("table", "md", "json"):
        text = run_dropexp(tmp_path, "effects", "-f", form).stdout
        assert "With 3 seeds, no effect can have a p-value below 0.25; a verdict needs" in text
    assert "no effect can have" not in run_dropexp(studied, "effects").stdout


def test_a_filter_on_seeds_lets_the_anytime_test_speak(studied: Path) -> None:
    done = run_dropexp(studied, "effects", "seed=0,1,2,3,4,5")
    assert "on 6 seeds" in done.stdout
    assert "anytime test, Holm over 6 effects" in done.stdout


def test_a_filter_on_a_level_leaves_a_smaller_study(studied: Path) -> None:
    rows = read_rows(studied, "data.train_size=400", "--metric", "test_acc")
    assert list(rows) == ["dropout2d p=0.3", "augment=crop", "dropout2d p=0.3 × augment=crop"]


def test_a_filter_on_a_level_is_said_to_make_the_test_easier(studied: Path) -> None:
    part = run_dropexp(studied, "effects", "data.train_size=400", "-f", "md").stdout
    assert "A filter leaves out 4 settings of this study, and the correction counts" in part
    assert "A filter leaves out" not in run_dropexp(studied, "effects", "-f", "md").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["data.train_size=400", "data.augment=crop"],
            ["differ in regulariser", "dropexp compare"],
        ),
        (["seed=9"], ["no run in the folder runs has seed=9"]),
        (["--metric", "mc_test_loss"], ["was not measured", "mc_dropout=50"]),
        (["--plot", "chart.html"], ["chart.html is no picture"]),
        (["--plot", "chart.gif"], ["chart.gif is no picture. Use .png, .svg, .pdf."]),
        (["results.csv"], ["effects needs runs of dropexp: results.csv is a file"]),
    ],
)
def test_what_is_no_factorial_study_is_refused(
    studied: Path, arguments: list[str], words: list[str]
) -> None:
    done = run_dropexp(studied, "effects", *arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


def test_missing_combinations_are_named_and_diverged_runs_lose(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    cells = [f"{noise} {augment}" for noise in REGULARISERS for augment in AUGMENTS]
    for cell in cells[:3]:
        for seed in range(6):
            write_finished_run(runs, 1.0 - 0.01 * seed, *cell.split(), f"seed={seed}")
    done = run_dropexp(tmp_path, "effects")
    assert done.returncode == 2
    assert "1 combination of 4: dropout2d p=0.3, augment=crop. Train them" in done.stderr
    for seed in range(6):
        change = mark_diverged if seed < 2 else None
        write_finished_run(runs, 0.5, *cells[3].split(), f"seed={seed}", change=change)
    done = run_dropexp(tmp_path, "effects")
    assert "Runs diverged in dropout2d p=0.3 augmentation=crop: their side loses" in done.stdout
    rows = read_rows(tmp_path)
    assert rows["dropout2d p=0.3"]["pairs_better"] == "4"
    assert rows["dropout2d p=0.3"]["seeds"] == "6"


def test_three_levels_have_an_effect_each_against_the_first() -> None:
    factors = (Factor("a", "a", ("0", "1", "2")), Factor("b", "b", ("off", "on")))
    values: Values = {
        (a, b): {0: [1.0, 0.9, 0.5][a] + [0.0, -0.2][b] + (0.3 if (a, b) == (2, 1) else 0.0)}
        for a in range(3)
        for b in range(2)
    }
    sizes = {
        each.name(factors): each.pair(values, [0], 1).differences[0]
        for each in list_contrasts(factors)
    }
    assert sizes == pytest.approx(
        {
            "a=1": -0.1,
            "a=2": -0.35,
            "b=on": -0.1,
            "a=1 × b=on": 0.0,
            "a=2 × b=on": 0.3,
        }
    )


def test_the_chart_shows_effects_and_every_two_fields(studied: Path, tmp_path: Path) -> None:
    file = tmp_path / "effects.svg"
    done = run_dropexp(studied, "effects", "--plot", str(file))
    assert done.returncode == 0, done.stderr
    drawn = file.read_text(encoding="utf-8")
    titles = ("regulariser × augment", "regulariser × train_size", "train_size × augment")
    for text in ("Effects and interactions", *titles, "augment=crop", "crop"):
        assert f">{text}<" in drawn


def test_a_report_of_a_factorial_study_has_its_effects(studied: Path) -> None:
    done = run_dropexp(studied, "report", "-o", "page.html")
    assert done.returncode == 0, done.stderr
    page = (studied / "page.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="effects">') : page.index('<section id="audit">')]
    for effect, row in read_rows(studied).items():
        assert f'<th scope="row">{effect}</th>' in section
        assert f">{row['verdict']}</span>" in section
    assert "in 2 × 2 × 2 combinations" in section
    assert 'id="chart-interaction_0_1"' in section
    assert '"name": "interaction_0_1"' in page

    assert run_dropexp(studied, "report", "-o", "page.md").returncode == 0
    of_command = run_dropexp(studied, "effects", "-f", "md").stdout
    text = (studied / "page.md").read_text(encoding="utf-8")
    assert of_command.strip() in text[text.index("### Effects and interactions") :]


def test_a_report_of_another_study_has_no_effects(studied: Path) -> None:
    done = run_dropexp(studied, "report", "data.train_size=100", "data.augment=none", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert 'id="effects"' not in done.stdout
    assert "#effects" not in done.stdout


def test_names_have_room_in_a_font_wider_than_the_one_they_were_measured_in(
    studied: Path,
) -> None:
    chart = dropexp.effects(studied / "runs").chart().to_dict()
    longest = "dropout2d p=0.3 × train_size=400"
    room = next(iter(find_all(chart, "minExtent")))
    assert room >= 6.5 * len(longest), "DejaVu Sans takes about 6.5 pixels a letter"


def find_all(spec: Any, key: str) -> Iterator[Any]:
    """Yield every value of a key at any depth."""
    if isinstance(spec, dict):
        if key in spec:
            yield spec[key]
        spec = list(spec.values())
    if isinstance(spec, list):
        for each in spec:
            yield from find_all(each, key)
