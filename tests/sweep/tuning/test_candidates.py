"""Values of intervals: rounded to few digits, within their ends, spread over the space."""

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.overrides import Interval
from dropexp.sweep.tuning.candidates import (
    Candidate,
    Choices,
    Dimension,
    Space,
    round_value,
    spread,
    spread_evenly,
)

P = Interval(0.05, 0.7)
ends = st.floats(1e-4, 100).flatmap(lambda low: st.tuples(st.just(low), st.floats(1.01, 1e4)))


@given(ends=ends, fraction=st.floats(0, 1), is_log=st.booleans())
def test_a_value_stays_within_its_interval_when_it_is_rounded(
    ends: tuple[float, float], fraction: float, is_log: bool
) -> None:
    low, factor = ends
    interval = Interval(low, low * factor, is_log)
    value = spread(interval, fraction)
    rounded = round_value(interval, value)
    assert interval.low <= value <= interval.high * (1 + 1e-12)
    assert interval.low <= rounded <= interval.high
    if is_log:
        assert abs(rounded - value) <= 0.06 * value
    else:
        assert abs(rounded - value) <= 0.06 * (interval.high - interval.low)


@pytest.mark.parametrize(
    ("interval", "value", "text"),
    [
        (P, 0.123456, "0.12"),
        (P, 0.7, "0.7"),
        (Interval(0.053, 0.7), 0.0531, "0.053"),
        (Interval(1e-5, 1e-2, is_log=True), 0.000123456, "0.00012"),
        (Interval(1e-5, 1e-2, is_log=True), 1.04e-5, "1e-05"),
        (Interval(8, 64, is_integer=True), 20.6, "21"),
    ],
)
def test_values_are_short_to_read(interval: Interval, value: float, text: str) -> None:
    assert Dimension("p", interval).format(value) == text


def test_points_cover_every_dimension_evenly_and_differ_between_dimensions() -> None:
    dimensions = [
        Dimension("p", Interval(0, 1)),
        Dimension("lr", Interval(1e-4, 1, is_log=True)),
        Dimension("model", Choices(("a", "b"))),
    ]
    points = spread_evenly(dimensions, 4)
    shares = [point["p"] for point in points]
    assert shares == [0.125, 0.375, 0.625, 0.875]
    exponents = [log10(float(point["lr"])) for point in points]
    assert sorted(exponents) == pytest.approx([-3.5, -2.5, -1.5, -0.5])
    assert exponents != sorted(exponents)
    assert sorted(str(point["model"]) for point in points) == ["a", "a", "b", "b"]


def test_a_candidate_is_overrides_and_a_name() -> None:
    space = Space({"dropout2d": (Dimension("p", P), Dimension("optimiser", Choices(("adam",))))})
    candidate = space.make_candidate("dropout2d", {"p": 0.3001, "optimiser": "adam"})
    assert candidate == Candidate("dropout2d", (("p", "0.3"), ("optimiser", "adam")))
    assert candidate.overrides == ("regulariser=dropout2d", "p=0.3", "optimiser=adam")
    assert candidate.name == "dropout2d p=0.3 optimiser=adam"


def test_the_size_of_a_space() -> None:
    two = Dimension("model.width", Choices(("8", "16")))
    assert Space({"cutout": (), "dropout": (two, two)}).size == 5
    assert Space({"dropout": (Dimension("p", P),)}).size == float("inf")
