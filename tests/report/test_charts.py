import math
import re
from dataclasses import replace

import pytest

from dropexp.compare.compared_runs import ComparedRuns, Curves
from dropexp.compare.highlights import select_featured_rows, select_rows_in_context
from dropexp.compare.results import Row
from dropexp.report.charts import assign_looks, assign_looks_of
from dropexp.report.charts.labels import space_labels
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.question_types import TestChoice
from dropexp.statistics import Estimate, mean_interval
from tests.made_up import STUDIES, make_comparison
from tests.report.panels import build_panels, build_panels_of


@pytest.mark.parametrize("name", STUDIES)
def test_every_chart_is_valid_vega_lite(name: str) -> None:
    panels = build_panels_of(name)
    assert panels
    for panel in panels.values():
        for chart in filter(None, (panel.chart, panel.live)):
            spec = chart.to_dict(validate=True)
            named = set(re.findall(r"'data': \{'name': '(\w+)'\}", str(spec)))
            assert named == panel.data.keys(), "a chart names a data set that does not exist"


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
    assert build_panels_of(study).keys() == always | expected


def test_a_metric_of_accuracy_draws_accuracies() -> None:
    assert {"train_acc", "val_acc", "acc_gap"} <= build_panels_of("accuracy").keys()


def test_without_a_baseline_there_are_no_differences() -> None:
    assert build_panels_of("no baseline").keys() == {"train_loss", "val_loss", "loss_gap"}


def test_the_differences_say_whose_interval_they_show() -> None:
    captions = {
        name: build_panels_of(name)["differences"].subtitle
        for name in ("settings", "anytime", "no interval", "margin")
    }
    assert "mean with 95% t interval; left of 0" in captions["settings"]
    assert "mean with 95% anytime interval; left of 0" in captions["anytime"]
    assert "95% anytime interval, which needs four seeds;" in captions["no interval"]
    assert captions["margin"].endswith("; grey is within ±0.050 nats")


def test_an_infinite_interval_is_not_drawn() -> None:
    drawn = build_panels_of("no interval")["differences"].data["differences_means"]
    assert all(value["mean"] is not None for value in drawn)
    assert all(value["low"] is None and value["high"] is None for value in drawn)


def test_curves_show_the_means_and_intervals_of_the_runs() -> None:
    study = STUDIES["settings"]()
    row = study.rows[1]
    drawn = next(
        value
        for value in build_panels_of("settings")["val_loss"].data["val_loss_curves"]
        if value["setting"] == row.setting.name and value["epoch"] == 7
    )
    wanted = mean_interval([member.curves["val_loss"][6] for member in row.setting.completed])
    assert [drawn["mean"], drawn["low"], drawn["high"]] == pytest.approx(
        [wanted.value, wanted.low, wanted.high], rel=1e-3
    )
    assert drawn["n"] == 6


def test_options_of_a_regulariser_are_lines_of_their_own() -> None:
    study = make_comparison(
        ("none", "dropconnect"),
        (0.1, 0.3),
        data_train_size=(50, 400),
        regulariser_mask=("example", "batch"),
    )
    drawn = build_panels(study)
    kinds = {"dropconnect mask=example", "dropconnect mask=batch"}
    assert {value["setting"] for value in drawn["p"].data["p_lines"]} == kinds
    points = [(value["setting"], value["value"]) for value in drawn["p"].data["p_lines"]]
    assert len(set(points)) == len(points) == 4
    cells = drawn["map_regulariser_p"].data["map_regulariser_p_cells"]
    assert {value["line"] for value in cells} == kinds
    look = assign_looks([row.setting for row in select_featured_rows(study)])
    assert len({(each.colour, each.dash) for each in look.values()}) == len(look)


def test_a_chart_of_one_axis_says_where_the_others_are_held() -> None:
    study = make_comparison(
        strengths=(0.1, 0.3), data_train_size=(50, 400), data_label_noise=(0.0, 0.2)
    )
    for name, panel in build_panels(study).items():
        if name != "differences":  # which has all settings, by their full names
            held = {"training images": "train_size", "noisy labels": "label_noise"}
            for text, key in held.items():
                assert (text in panel.subtitle) != (key in name), (name, panel.subtitle)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.0, 10.0], [0.0, 10.0]),
        ([5.0, 5.0], [4.5, 5.5]),
        ([5.0, 4.9, 9.0], [5.45, 4.45, 9.0]),
        ([0.0, 0.1], [0.0, 1.0]),
        ([9.9, 10.0, 3.0], [9.0, 10.0, 3.0]),
    ],
)
def test_labels_keep_their_distance_and_stay_near(
    places: list[float], expected: list[float]
) -> None:
    assert space_labels(places, 1.0, limits=(0.0, 10.0)) == pytest.approx(expected)


def test_one_seed_has_no_interval_anywhere() -> None:
    for panel in build_panels_of("one seed").values():
        assert "interval" not in panel.subtitle
        assert "one seed" in panel.subtitle


def test_an_axis_of_powers_of_ten_is_logarithmic_and_names_its_places() -> None:
    study = make_comparison(("none", "dropout2d"), optimiser_lr=(0.001, 0.01, 1.0))
    panel = build_panels(study)["optimiser_lr_test_loss"]
    lines = panel.chart.to_dict()["layer"]
    x = next(one["encoding"]["x"] for one in lines if one["mark"]["type"] == "line")
    assert x["scale"]["type"] == "log"
    assert x["scale"]["domain"][0] < 0.001, "the first points are not on the edge"
    assert x["axis"]["values"] == [0.001, 0.01, 1.0]
    assert x["axis"]["format"] == ",.6~f", "d3 rounds 0.001 to 0 without a number of digits"


def test_lines_that_end_at_one_place_have_labels_below_each_other() -> None:
    study = make_comparison(
        ("none", "dropout2d", "dropblock"), data_train_size=(100, 200, 400), seeds=3
    )
    rows = [
        row
        for row in study.rows
        if row.setting.is_plain or row.setting.fields["data.train_size"] < 400
    ]
    panel = build_panels(replace(study, rows=tuple(rows)))["data_train_size_test_loss"]
    labels = {each["setting"]: each for each in panel.data["data_train_size_test_loss_labels"]}
    assert labels["dropout2d p=0.3"]["at"] == labels["dropblock p=0.3"]["at"]
    assert labels["none"]["at"] > labels["dropblock p=0.3"]["at"]


def test_a_chart_of_an_axis_has_no_more_lines_than_a_reader_can_tell_apart() -> None:
    strengths = (0.1, 0.3, 0.5, 0.7)
    study = make_comparison(
        ("none", "dropout2d", "dropblock"), strengths, data_train_size=(50, 400)
    )
    panel = build_panels(study)["data_train_size_test_loss"]
    drawn = {each["setting"] for each in panel.data["data_train_size_test_loss_lines"]}
    assert len(drawn) == 3
    assert panel.subtitle.endswith("the best setting of each regulariser")


def test_the_context_of_the_headline_has_the_plain_look_of_a_strength() -> None:
    study = make_comparison(strengths=(0.3, 0.5), data_train_size=(50, 400))
    looks = assign_looks_of(study)
    shown = [row.setting for row in select_rows_in_context(study)]
    assert [looks[setting.name].dash for setting in shown if setting.is_plain] == [(1, 0)]
    for setting in shown:
        twins = [name for name, look in looks.items() if look.label == setting.label]
        assert len(twins) == 2
        assert len({looks[name].colour for name in twins}) == 1
        assert len({looks[name].dash for name in twins}) == 2


def test_what_is_out_of_view_is_not_drawn_over_the_names() -> None:
    study = make_comparison(("none", "dropout2d", "dropconnect"), (0.3, 0.9))
    worst = "dropconnect p=0.9"
    rows = [explode(row) if row.setting.name == worst else row for row in study.rows]
    data = build_panels(replace(study, rows=tuple(rows)))["differences"].data
    assert worst not in {each["setting"] for each in data["differences_seeds"]}
    (mean,) = [each for each in data["differences_means"] if each["setting"] == worst]
    assert mean["mean"] > 10
    assert mean["at"] is None


def test_differences_that_are_all_0_have_a_short_axis_around_it() -> None:
    study = make_comparison(metric=METRIC_REGISTRY["test_acc"])
    equal = Estimate(0.0, 0.0, 0.0, 6)
    rows = [
        replace(
            row,
            difference=equal,
            pairs=tuple(pair._replace(value=pair.baseline) for pair in row.pairs),
        )
        if row.difference
        else row
        for row in study.rows
    ]
    panel = build_panels(replace(study, rows=tuple(rows)))["differences"]
    (low, high), *others = find_domains(panel.chart.to_dict(), "difference in test accuracy")
    assert not others
    assert -0.01 < low == -high < -0.001
    assert all(value["at"] == 0 for value in panel.data["differences_means"])


def find_domains(spec: object, title: str) -> list[list[float]]:
    """Return the domains of the scales of all encodings with a title."""
    if isinstance(spec, list):
        return [found for each in spec for found in find_domains(each, title)]
    if not isinstance(spec, dict):
        return []
    own = [spec["scale"]["domain"]] if spec.get("title") == title else []
    return own + find_domains(list(spec.values()), title)


@pytest.mark.parametrize("metric", ["test_loss", "test_acc"])
def test_charts_draw_no_interval_of_two_seeds(metric: str) -> None:
    study = make_comparison(
        seeds=2, strengths=(0.1, 0.3), metric=METRIC_REGISTRY[metric], test=TestChoice.PLANNED
    )
    panels = build_panels(study)
    for panel in panels.values():
        drawn = [row for rows in panel.data.values() for row in rows if "low" in row]
        assert all(row["low"] is None and row["high"] is None for row in drawn)
    assert "drawn from three seeds on" in panels["differences"].subtitle
    for name in ("val_loss" if metric == "test_loss" else "val_acc", "p"):
        assert panels[name].subtitle.startswith("mean of two seeds, too few to draw an interval")


def test_a_size_at_which_training_explodes_does_not_set_the_axis_of_a_fit() -> None:
    study = make_comparison(("none",), model_width=(8, 16, 32, 64))
    worst = study.rows[-1]
    names = ("test_loss", "train_loss")
    far = {name: Estimate(90.0, 80.0, 100.0, 6) for name in names}
    changed = replace(worst, estimates={**worst.estimates, **far})
    panel = build_panels(replace(study, rows=(*study.rows[:-1], changed)))["fit_model_width"]
    assert "out of view: none model.width=64 (up to 90)" in panel.subtitle
    assert panel.limits is not None
    assert panel.limits[1] < 10


def test_a_heat_map_says_where_no_pair_is() -> None:
    study = STUDIES["strengths"]()
    last = study.rows[-1]
    assert last.difference is not None
    lost = replace(last, difference=replace(last.difference, value=math.nan))
    panel = build_panels(replace(study, rows=(*study.rows[:-1], lost)))["map_regulariser_p"]
    ((*_, cell),) = panel.data.values()
    assert cell["text"] == "–"
    assert "–: no seed in which both runs completed" in panel.subtitle
    assert "–:" not in build_panels_of("strengths")["map_regulariser_p"].subtitle


def test_a_heat_map_has_no_signed_zero() -> None:
    study = STUDIES["strengths"]()
    rows = [
        replace(row, difference=replace(row.difference, value=-0.0004)) if row.difference else row
        for row in study.rows
    ]
    cells = build_panels(replace(study, rows=tuple(rows)))["map_regulariser_p"].data
    (texts,) = ({each["text"].removesuffix(" *") for each in one} for one in cells.values())
    assert texts == {"0.000"}


def test_a_setting_that_only_diverged_is_named_and_not_drawn() -> None:
    study = make_comparison(seeds=4, diverged=[("dropout2d", seed) for seed in range(4)])
    panels = build_panels(study)
    (missing,) = panels["differences"].data["differences_missing"]
    assert missing["setting"] == "dropout2d p=0.3"
    assert "the best setting of each" not in panels["val_loss"].subtitle, "all others are drawn"


def test_one_setting_that_explodes_leaves_room_for_the_others() -> None:
    study = make_comparison(("none", "dropout2d", "dropconnect"), (0.3, 0.9))
    worst = "dropconnect p=0.9"
    calm = study.rows
    rows = [explode(row) if row.setting.name == worst else row for row in calm]
    panels = build_panels(replace(study, rows=tuple(rows)))
    for name in ("differences", "p", "val_loss"):
        assert "out of view: dropconnect p=0.9 (up to" in panels[name].subtitle
    limits = panels["val_loss"].limits
    assert limits is not None
    assert limits[1] < 10
    (arrow,) = panels["differences"].data["differences_outside"]
    assert re.fullmatch(r"\+\d+ →", arrow["text"])
    labels = {each["setting"]: each["label"] for each in panels["val_loss"].data["val_loss_labels"]}
    assert labels[worst] == f"↑ {worst}"
    assert labels["none"] == "none"


def explode(row: Row) -> Row:
    """Return the row as if its losses were a hundred times as high."""
    completed = ComparedRuns.of(
        replace(run, curves=Curves(run.curves.table * 100)) for run in row.setting.completed
    )
    assert row.difference is not None
    pairs = tuple(
        pair._replace(value=None if pair.value is None else 100 * pair.value) for pair in row.pairs
    )
    return replace(
        row,
        setting=replace(row.setting, completed=completed),
        difference=Estimate(130.0, 120.0, 140.0, 6),
        pairs=pairs,
        estimates={**row.estimates, "test_loss": Estimate(131.0, 121.0, 141.0, 6)},
    )
