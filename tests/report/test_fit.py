"""The chart of a metric and its training counterpart against the size of a network."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare.results import Comparison, Row
from dropexp.errors import UserError
from dropexp.report.charts.choices import build_chosen
from dropexp.report.charts.panels import Panel
from dropexp.report.plot import PlotOptions, plot
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate
from tests.made_up import make_comparison
from tests.report.panels import build_panels

WIDTHS = (16, 61, 300)


def make_study(metric: str = "test_acc") -> Comparison:
    """Return a study of widths in which plain networks fit their labels from 61 units on."""
    study = make_comparison(
        ("none", "dropout"),
        metric=METRIC_REGISTRY[metric],
        model_hidden=[[width, width] for width in WIDTHS],
        seeds=3,
        epochs=2,
    )
    return replace(study, rows=tuple(map(fit_labels, study.rows)))


def fit_labels(row: Row) -> Row:
    fits = row.setting.is_plain and row.setting.fields["model.hidden"][0] >= 61
    accuracy = 1.0 if fits else 0.7
    estimate = Estimate(accuracy, accuracy - 0.1, accuracy, 3)
    return replace(row, estimates={**row.estimates, "train_acc": estimate})


@pytest.fixture(scope="module")
def panel() -> Panel:
    (figure,) = build_chosen(make_study(), ["axis"], "model.hidden")
    return figure.panels[0]


def test_test_and_training_error_are_lines_against_the_width(panel: Panel) -> None:
    points = panel.data["fit_model_hidden_lines"]
    assert {point["setting"] for point in points} == {
        "none",
        "none, training",
        "dropout p=0.3",
        "dropout p=0.3, training",
    }
    assert {point["value"] for point in points} == set(WIDTHS)
    assert panel.title == "Test and training error against units of each hidden layer"


def test_an_accuracy_is_drawn_as_an_error_with_its_interval(panel: Panel) -> None:
    points = panel.data["fit_model_hidden_lines"]
    (narrow,) = [p for p in points if p["setting"] == "none, training" and p["value"] == 16]
    assert (narrow["mean"], narrow["low"], narrow["high"]) == pytest.approx((0.3, 0.3, 0.4))


def test_the_width_from_which_on_labels_are_fitted_is_marked(panel: Panel) -> None:
    assert panel.data["fit_model_hidden_marks"] == [{"setting": "none", "x": 61.0}]
    assert "vertical: training error of at most 1% from 61 (none) on" in panel.subtitle


def test_widths_that_grow_much_stand_on_a_logarithmic_axis(panel: Panel) -> None:
    spec = panel.chart.to_dict(validate=True)
    x = next(each["encoding"]["x"] for each in spec["layer"] if each["mark"]["type"] == "line")
    assert x["scale"]["type"] == "log"
    assert x["axis"]["values"] == list(WIDTHS)


def test_the_training_error_is_in_view_however_low(panel: Panel) -> None:
    assert panel.limits is not None
    assert panel.limits[0] < 0.0, "no dot at 0 is cut in half"


def test_losses_stay_losses() -> None:
    (figure,) = build_chosen(make_study("test_loss"), ["axis"], "model.hidden")
    assert figure.panels[0].title.startswith("Test and training loss against")


def test_a_report_has_the_chart_where_networks_differ_in_size() -> None:
    assert "fit_model_hidden" in build_panels(make_study())


def test_a_field_without_numbers_is_refused_by_name(tmp_path: Path) -> None:
    study = make_study()
    options = PlotOptions(charts=("axis",), x="data.train_size")
    with pytest.raises(UserError, match=r"--x data\.train_size .* These are: model\.hidden"):
        plot(study, tmp_path / "chart.svg", options)
    with pytest.raises(UserError, match=r"--x model\.hidden .* There is no such field\."):
        build_chosen(make_comparison(("none", "dropout")), ["axis"], "model.hidden")


def test_lists_of_widths_are_in_the_order_of_their_numbers() -> None:
    rows = [row for row in make_study().rows if row.setting.is_plain]
    assert [row.setting.fields["model.hidden"][0] for row in rows] == list(WIDTHS)


def test_a_heat_map_has_a_column_for_each_list_of_widths() -> None:
    study = make_comparison(
        ("none", "dropout", "dropout2d"), model_hidden=[[16, 16], [300, 300]], seeds=2, epochs=2
    )
    cells = build_panels(study)["map_model_hidden"].data["map_model_hidden_cells"]
    assert [cell["x"] for cell in cells] == [16, 16, 300, 300]
