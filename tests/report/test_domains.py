"""Axes are chosen by the settings that learn; what is out of view is named."""

import math
from typing import Any

import pytest

from dropexp.report.charts.curves import choose_curve_domain
from dropexp.report.charts.domains import choose_domain, describe_outside, find_curve_extents
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.made_up import make_comparison

LOSS, ACC = METRIC_REGISTRY["test_loss"], METRIC_REGISTRY["test_acc"]


@pytest.mark.parametrize(
    ("extents", "outside"),
    [
        ({"a": (0.5, 1.2), "b": (0.4, 1.0), "c": (63.0, 134.0)}, {"c"}),
        ({"a": (0.5, 1.2), "b": (63.0, 134.0)}, {"b"}),
        ({"a": (0.5, 1.2), "b": (50.0, 60.0), "c": (20.0, 25.0), "d": (0.4, 1.0)}, {"b", "c"}),
        ({"a": (0.5, 1.2), "b": (0.4, 1.0), "c": (2.3, 2.3)}, set()),
        ({"a": (1.0, 1.0), "b": (1.01, 1.01), "c": (1.3, 1.3)}, set()),
    ],
)
def test_a_setting_that_does_not_learn_does_not_set_the_axis(
    extents: dict[str, tuple[float, float]], outside: set[str]
) -> None:
    for each in (extents, dict(reversed(extents.items()))):
        domain = choose_domain(each, LOSS, limits=LOSS.limits)
        assert domain.outside.keys() == outside
        low, high = domain.limits
        for name, (lowest, highest) in each.items():
            assert (low <= lowest and highest <= high) is (name not in outside)
        assert low >= 0
        assert high <= 1.2 * max(high for name, (_, high) in each.items() if name not in outside)


def test_a_low_accuracy_is_out_of_view_only_far_from_all_others() -> None:
    near = choose_domain({"a": (0.95, 0.97), "b": (0.96, 0.98), "c": (0.7, 0.9)}, ACC)
    far = choose_domain({"a": (0.98, 0.99), "b": (0.97, 0.99), "c": (0.1, 0.1)}, ACC)
    assert not near.outside
    assert far.outside.keys() == {"c"}


def test_the_baseline_stays_in_view_unless_it_is_far_worse() -> None:
    gaps = {"a": (0.0, 0.1), "b": (0.0, 0.12), "none": (0.0, 0.9)}
    metric = METRIC_REGISTRY["loss_gap"]
    assert choose_domain(gaps, metric).outside.keys() == {"none"}
    assert not choose_domain(gaps, metric, keep={"none"}).outside
    gaps["none"] = (0.0, 90.0)
    assert choose_domain(gaps, metric, keep={"none"}).outside.keys() == {"none"}


def test_a_gap_far_below_0_is_no_good_one() -> None:
    gaps = {"a": (0.0, 0.1), "b": (0.0, 0.12), "c": (-1e20, 0.0), "d": (-1e18, 0.1)}
    assert choose_domain(gaps, METRIC_REGISTRY["loss_gap"]).outside.keys() == {"c", "d"}
    best = {"a": (-1.0, -0.9), "b": (-0.01, 0.01), "c": (-0.02, 0.02)}
    assert not choose_domain(best, LOSS, zero=True, ideal=0.0).outside, "a difference may be"


def test_intervals_extend_an_axis_at_most_by_its_length() -> None:
    ends = [("a", -math.inf), ("a", 2.5), ("b", 900.0), ("c", 800.0), ("b", None)]
    extents = {"a": (1.0, 2.0), "b": (1.0, 2.0), "c": (700.0, 700.0)}
    low, high = choose_domain(extents, LOSS, intervals=ends).limits
    assert 0.8 < low < 1
    assert 3 < high < 3.2


def test_the_first_epochs_do_not_set_the_axis() -> None:
    def curve(name: str, *losses: float | None) -> list[dict[str, Any]]:
        return [
            {"setting": name, "epoch": epoch, "mean": loss}
            for epoch, loss in enumerate(losses, start=1)
        ]

    values = [
        *curve("steep", 12.0, 2.0, 1.5, 1.2, 1.6),
        *curve("calm", 2.0, 1.7, 1.4),
        *curve("rising", 0.1, 0.5, None, 1.5),
        *curve("short", 9.0),
    ]
    extents, early = find_curve_extents(values, 1)
    assert extents == {
        "steep": (1.2, 2.0),
        "calm": (1.4, 2.0),
        "rising": (0.1, 1.5),
        "short": (9.0, 9.0),
    }
    assert early == {"steep": 12.0}
    note = describe_outside({"gone": (5.0, 134.2)}, early, LOSS)
    assert note == "out of view: gone (up to 134); the first epochs (up to 12) are above the axis"


def test_first_epochs_that_the_other_panels_axis_has_room_for_are_not_called_out_of_view() -> None:
    training = [{"setting": "one", "epoch": e, "mean": m} for e, m in enumerate((1.7, 1.0, 0.1), 1)]
    validation = [
        {"setting": "one", "epoch": epoch, "mean": mean, "low": mean, "high": mean}
        for epoch, mean in enumerate((1.6, 0.5, 0.45, 0.45), start=1)
    ]
    wide = [{**each, "low": each["mean"], "high": each["mean"]} for each in training]
    comparison = make_comparison()
    alone, beside = (
        choose_curve_domain(comparison, panels, LOSS)[-1]
        for panels in ((validation,), (wide, validation))
    )
    assert "the first epochs (up to 1.6) are above the axis" in alone.note
    assert beside.note == ""
    assert beside.limits[1] > 1.6
