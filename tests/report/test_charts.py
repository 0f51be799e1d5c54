import re
import struct
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

from dropexp.compare.highlights import featured_rows, find_headline
from dropexp.compare.mean_curves import mean_curve
from dropexp.compare.results import Comparison
from dropexp.config.groups import list_groups
from dropexp.errors import UserError
from dropexp.report import plot
from dropexp.report.charts import Panel, assign_looks, build_figures
from dropexp.report.charts.labels import space_labels
from dropexp.report.charts.palette import COLOURS, choose_colour
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import mean_interval
from tests.made_up import comparison

STUDIES = {
    "settings": lambda: comparison(("none", "dropout2d", "dropconnect")),
    "strengths": lambda: comparison(strengths=(0.1, 0.3, 0.5, 0.7)),
    "sizes": lambda: comparison(data_train_size=(50, 100, 400)),
    "noises": lambda: comparison(data_label_noise=(0.0, 0.2, 0.4)),
    "accuracy": lambda: comparison(strengths=(0.1, 0.5), metric=METRIC_REGISTRY["test_acc"]),
    "one seed": lambda: comparison(seeds=1),
    "one epoch": lambda: comparison(epochs=1),
    "no baseline": lambda: comparison(("dropout2d", "dropconnect")),
    "diverged": lambda: comparison(diverged=[("dropout2d", 0), ("dropout2d", 1)]),
}


def panels(study: Comparison) -> dict[str, Panel]:
    return {panel.name: panel for figure in build_figures(study) for panel in figure.panels}


def colours_of(spec: Any) -> Iterator[dict[str, str]]:
    """Every mapping of a setting to a colour in a specification."""
    if isinstance(spec, dict):
        scale = spec.get("scale")
        has_colours = isinstance(scale, dict) and "#" in str(scale.get("range"))
        if isinstance(scale, dict) and has_colours and spec.get("field") == "setting":
            yield dict(zip(scale["domain"], scale["range"], strict=True))
        for part in spec.values():
            yield from colours_of(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from colours_of(part)


@pytest.mark.parametrize("name", STUDIES)
def test_every_chart_is_valid_vega_lite(name: str) -> None:
    found = panels(STUDIES[name]())
    assert found
    for panel in found.values():
        for chart in filter(None, (panel.chart, panel.live)):
            spec = chart.to_dict(validate=True)
            alt.LayerChart.from_dict(spec, validate=True)
            called = set(re.findall(r"'data': \{'name': '(\w+)'\}", str(spec)))
            assert called == panel.data.keys(), "a chart calls rows that are not there"


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        ("settings", set()),
        ("strengths", {"p", "map_regulariser_p"}),
        ("sizes", {"data_train_size_test_loss", "map_data_train_size"}),
        (
            "noises",
            {
                "data_label_noise_test_loss",
                "data_label_noise_noisy_label_acc",
                "map_data_label_noise",
            },
        ),
    ],
)
def test_a_study_has_the_charts_of_its_axes(study: str, expected: set[str]) -> None:
    always = {"train_loss", "val_loss", "loss_gap", "differences"}
    assert panels(STUDIES[study]()).keys() == always | expected


def test_a_metric_of_accuracy_draws_accuracies() -> None:
    assert {"train_acc", "val_acc", "acc_gap"} <= panels(STUDIES["accuracy"]()).keys()


def test_without_a_baseline_there_are_no_differences() -> None:
    assert panels(STUDIES["no baseline"]()).keys() == {"train_loss", "val_loss", "loss_gap"}


def test_a_regulariser_has_one_colour_in_every_chart_and_study() -> None:
    found: dict[str, set[str]] = {}
    for study in ("settings", "noises"):  # one strength each, so that no shade is mixed in
        for panel in panels(STUDIES[study]()).values():
            for mapping in colours_of(panel.chart.to_dict(validate=False)):
                for setting, shade in mapping.items():
                    if "label_noise" not in setting:
                        found.setdefault(setting.split()[0], set()).add(shade)
    assert len(found) > 3
    for regulariser, shades in found.items():
        if regulariser in COLOURS:
            assert COLOURS[regulariser] in shades


def test_strengths_share_a_hue_and_differ_in_lightness_and_dash() -> None:
    study = STUDIES["strengths"]()
    found = assign_looks([row.setting for row in study.rows])
    same = [found[name] for name in found if name.startswith("dropout2d")]
    assert len(same) == 4
    assert len({look.colour for look in same}) == len({look.dash for look in same}) == 4
    assert found["dropout2d p=0.7"].colour == COLOURS["dropout2d"], "the strongest is the purest"
    shares = [hue(look.colour) for look in same]
    assert max(shares) - min(shares) < 0.01


def hue(shade: str) -> float:
    from colorsys import rgb_to_hsv

    red, green, blue = (int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return rgb_to_hsv(red, green, blue)[0]


# Machado, Oliveira and Fernandes 2009, severity 1.
BLINDNESS = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_are_told_apart_by_the_colour_blind(kind: str) -> None:
    matrix = np.array(BLINDNESS[kind]).T
    seen = {name: lab(linear(shade) @ matrix) for name, shade in COLOURS.items()}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2))
    assert nearest > 10, "a difference of 2.3 is just noticeable side by side"


def linear(shade: str) -> np.ndarray[Any, Any]:
    values = np.array([int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_regulariser_has_a_colour() -> None:
    assert set(list_groups()["regulariser"]) <= set(COLOURS)


def test_an_unknown_regulariser_has_a_colour_of_its_own() -> None:
    assert choose_colour("mine") == choose_colour("mine")
    assert choose_colour("mine") not in COLOURS.values()


def test_curves_show_the_means_and_intervals_of_the_runs() -> None:
    study = STUDIES["settings"]()
    row = study.rows[1]
    drawn = next(
        value
        for value in panels(study)["val_loss"].data["val_loss_curves"]
        if value["setting"] == row.setting.name and value["epoch"] == 7
    )
    wanted = mean_interval([member.curves["val_loss"][6] for member in row.setting.completed])
    assert [drawn["mean"], drawn["low"], drawn["high"]] == pytest.approx(
        [wanted.value, wanted.low, wanted.high], rel=1e-3
    )
    assert drawn["n"] == 6


def test_a_long_training_is_thinned_with_both_ends_kept() -> None:
    study = comparison(("none",), epochs=500, seeds=2)
    curve = mean_curve(study.rows[0].setting, "val_loss").thin(100)
    assert len(curve) == 100
    assert min(curve) == 1
    assert max(curve) == 500


def test_few_settings_are_all_drawn_and_of_many_the_best_of_each_regulariser() -> None:
    few, many = STUDIES["settings"](), STUDIES["strengths"]()
    assert featured_rows(few) == list(few.rows)
    assert [row.setting.regulariser for row in featured_rows(many)] == [
        "none",
        "dropout2d",
        "spatial_dropout",
    ]
    best = min(
        (row for row in many.rows if row.setting.regulariser == "dropout2d"),
        key=lambda row: row.estimates["test_loss"].value,
    )
    assert best in featured_rows(many)


def test_a_diverged_run_counts_in_who_is_the_headline() -> None:
    """Where nothing is clear, and dropout2d gains most in the one seed that came to its end."""
    lost = [("dropout2d", seed) for seed in range(3)]
    study = comparison(("none", "dropout2d", "spatial_dropout"), seeds=4, diverged=lost)
    gains = {r.setting.regulariser: r.difference.value for r in study.rows if r.difference}
    assert gains["dropout2d"] < gains["spatial_dropout"] < 0
    row = find_headline(study)
    assert row is not None
    assert row.setting.regulariser == "spatial_dropout"


def test_options_of_a_regulariser_are_lines_of_their_own() -> None:
    study = comparison(
        ("none", "dropconnect"),
        (0.1, 0.3),
        data_train_size=(50, 400),
        regulariser_mask=("example", "batch"),
    )
    drawn = panels(study)
    kinds = {"dropconnect mask=example", "dropconnect mask=batch"}
    assert {value["setting"] for value in drawn["p"].data["p_lines"]} == kinds
    points = [(value["setting"], value["value"]) for value in drawn["p"].data["p_lines"]]
    assert len(set(points)) == len(points) == 4
    cells = drawn["map_regulariser_p"].data["map_regulariser_p_cells"]
    assert {value["line"] for value in cells} == kinds
    look = assign_looks([row.setting for row in featured_rows(study)])
    assert len({(each.colour, each.dash) for each in look.values()}) == len(look)


def test_a_chart_of_one_axis_says_where_the_others_are_held() -> None:
    study = comparison(strengths=(0.1, 0.3), data_train_size=(50, 400), data_label_noise=(0.0, 0.2))
    for name, panel in panels(study).items():
        if name != "differences":  # which has all settings, by their full names
            held = {"training images": "train_size", "noisy labels": "label_noise"}
            for words, key in held.items():
                assert (words in panel.subtitle) != (key in name), (name, panel.subtitle)


def test_the_headline_is_what_gains_most_over_its_own_baseline() -> None:
    row = find_headline(STUDIES["noises"]())
    assert row is not None
    assert row.setting.regulariser == "dropout2d"
    assert find_headline(STUDIES["no baseline"]()) is None


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.0, 10.0], [0.0, 10.0]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([5.0, 4.9, 9.0], [5.45, 4.45, 9.0]),
        ([0.0, 0.1], [0.0, 1.0]),
    ],
)
def test_labels_keep_their_distance_and_stay_near(
    places: list[float], expected: list[float]
) -> None:
    assert space_labels(places, 1.0, lowest=0.0) == pytest.approx(expected)


def test_a_png_is_a_png_at_least_twice_as_wide_as_the_chart(tmp_path: Path) -> None:
    path = tmp_path / "chart.PNG"
    plot(STUDIES["settings"](), path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert 1500 < width < 2600
    assert height > 1000


def test_an_svg_is_an_svg_with_the_settings_names(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    plot(STUDIES["settings"](), path)
    text = path.read_text()
    assert text.startswith("<svg")
    assert "dropconnect p=0.3" in text
    axis = re.search(
        r'aria-label="X-axis titled .epoch.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    places = [float(x) for x in re.findall(r"translate\(([\d.]+),", axis[1])]
    assert places == sorted(places)
    assert places[-1] > 150, "the curves have no room beside the labels"
    assert "The generalisation gap over epochs" in text


def test_accuracies_near_each_other_have_ticks_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    near = comparison(("none", "dropout2d"), (0.02, 0.04), metric=METRIC_REGISTRY["test_acc"])
    plot(near, path)
    text = path.read_text()
    axis = re.search(
        r'aria-label="Y-axis titled .test accuracy.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    ticks = re.findall(r">([^<]+)</text>", axis[1])
    assert len(set(ticks)) == len(ticks) > 1


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"chart\.pdf has an unknown suffix\. Use \.png, \.svg or \.html"
    ):
        plot(STUDIES["settings"](), tmp_path / "chart.pdf")


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file"):
        plot(STUDIES["one epoch"](), tmp_path / "no" / "chart.svg")
