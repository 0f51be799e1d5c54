"""The charts of a search: what was tried, and the confirmation as a growing interval."""

import math
import re
from dataclasses import replace

import pytest

from dropexp.report.charts import Panel
from dropexp.report.charts.search import build_search_figures, describe_search
from dropexp.runs.searches import ConfirmedPair, ConfirmedSetting, SearchRecord, TriedSetting


def make_tried(regulariser: str, p: str, *differences: float | None) -> TriedSetting:
    return TriedSetting(
        f"{regulariser} p={p}",
        regulariser,
        {"p": p},
        dict(enumerate(differences)),
        len(differences) > 2,
    )


PAIRS = (
    ConfirmedPair(1000, -0.02, -0.02, -math.inf, math.inf),
    ConfirmedPair(1001, math.nan, -0.02, -math.inf, math.inf),
    ConfirmedPair(1002, -0.04, -0.03, -0.1, 0.04),
)
RECORD = SearchRecord(
    "mine",
    ("regulariser=dropout2d,dropconnect", "p=interval(0.05,0.7)"),
    0,
    "150 runs",
    "best",
    tried=(
        make_tried("dropout2d", "0.2", -0.01, -0.02, -0.03),
        make_tried("dropconnect", "0.3", 0.01, 0.5),
        make_tried("dropconnect", "0.7", 0.02, None),
    ),
    confirmed=(
        ConfirmedSetting("dropout2d p=0.2", "dropout2d", {"p": "0.2"}, "better", 0.03, PAIRS),
    ),
)


def build_panels(record: SearchRecord) -> dict[str, Panel]:
    return {panel.title: panel for f in build_search_figures(record) for panel in f.panels}


def test_every_chart_is_valid_vega_lite() -> None:
    for panel in build_panels(RECORD).values():
        spec = panel.chart.to_dict(validate=True)
        named = set(re.findall(r"'data': \{'name': '(\w+)'\}", str(spec)))
        assert named == panel.data.keys()


def test_each_regulariser_has_a_chart_of_its_settings_and_seeds() -> None:
    panels = build_panels(RECORD)
    assert list(panels) == [
        "Tried: dropout2d",
        "Tried: dropconnect",
        "Confirmed: dropout2d p=0.2, better",
    ]
    assert panels["Tried: dropconnect"].subtitle.endswith("; at the upper end: up to +0.5")
    assert "upper end" not in panels["Tried: dropout2d"].subtitle
    seeds = panels["Tried: dropconnect"].data["tried_1_seeds"]
    assert [(each["x"], each["seed"], each["difference"]) for each in seeds] == [
        (0.3, 0, 0.01),
        (0.3, 1, 0.5),
        (0.7, 0, 0.02),
    ]
    means = panels["Tried: dropconnect"].data["tried_1_means"]
    assert [each["difference"] for each in means] == [0.255]  # p=0.7 has diverged


def test_the_confirmation_is_an_interval_that_grows_with_the_pairs() -> None:
    data = build_panels(RECORD)["Confirmed: dropout2d p=0.2, better"].data
    assert [each["pairs"] for each in data["confirmed_0_pairs"]] == [1, 2, 3]
    assert [each["difference"] for each in data["confirmed_0_pairs"]] == [-0.02, None, -0.04]
    assert [(each["low"], each["high"]) for each in data["confirmed_0_intervals"]] == [(-0.1, 0.04)]


@pytest.mark.parametrize("values", [{}, {"optimiser": "adam"}])
def test_a_search_without_numbers_has_no_chart_of_what_was_tried(values: dict[str, str]) -> None:
    tried = (replace(RECORD.tried[0], values=values),)
    assert list(build_panels(replace(RECORD, tried=tried))) == [
        "Confirmed: dropout2d p=0.2, better"
    ]


def test_the_search_is_described_with_its_budget_and_size() -> None:
    text = describe_search(RECORD)
    assert "budget of 150 runs" in text
    assert "tried 3 settings" in text
    assert "(3 pairs of runs)" in text
