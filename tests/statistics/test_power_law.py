"""Power laws against scipy's general solver, and what they can be."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from dropexp.statistics import FEWEST_SIZES, PowerLaws, fit_power_laws

SIZES = np.array([50.0, 100, 200, 400, 700, 1000])


@given(
    limit=st.floats(0.05, 1),
    height=st.floats(2, 20),
    exponent=st.floats(0.3, 1.5),
    noise=st.lists(st.floats(-0.01, 0.01), min_size=6, max_size=6),
    spread=st.floats(0.2, 5),
)
def test_the_law_is_at_least_as_near_as_scipys(
    limit: float, height: float, exponent: float, noise: list[float], spread: float
) -> None:
    def law(n: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        powers: np.ndarray = a + b * n**-c
        return powers

    curve = law(SIZES, limit, height, exponent) + np.array(noise)
    errors = np.geomspace(1, spread, len(SIZES))
    fitted = fit_power_laws(SIZES, [curve], 1 / errors**2)
    best, _ = curve_fit(
        law,
        SIZES,
        curve,
        (limit, height, exponent),
        errors,
        bounds=((0, 0, 0.02), (np.inf, np.inf, 4)),
        max_nfev=100_000,  # some flat curves take SciPy far more than its default
    )

    def loss(values: np.ndarray) -> float:
        return float((((curve - values) / errors) ** 2).sum())

    assert loss(fitted.evaluate(SIZES)[0]) <= loss(law(SIZES, *best)) * 1.0001 + 1e-12


def test_a_curve_that_is_a_law_is_found_exactly() -> None:
    true = PowerLaws(np.array([0.3, 0.0]), np.array([6.0, 2.0]), np.array([0.6, 0.4]))
    fitted = fit_power_laws(SIZES, true.evaluate(SIZES), np.ones(len(SIZES)))
    assert fitted.a == pytest.approx(true.a, abs=1e-4)
    assert fitted.c == pytest.approx(true.c, rel=1e-3)
    assert fitted[1].b == pytest.approx([2.0], rel=1e-3)


def test_inverting_a_law_leads_back_to_the_size() -> None:
    laws = PowerLaws(np.array([0.3] * 3), np.array([6.0, 6.0, 0.0]), np.array([0.6, 0.6, 1.0]))
    sizes = laws.invert([laws.evaluate([123.0])[0, 0], 0.3, 0.4])
    assert sizes[0] == pytest.approx(123)
    assert sizes[1] == math.inf, "no size reaches the limit"
    assert sizes[2] == 0, "a constant law is below at every size"


def test_a_curve_that_rises_gets_a_constant_law() -> None:
    rising = np.linspace(0.1, 0.6, len(SIZES))
    law = fit_power_laws(SIZES, [rising], np.ones(len(SIZES)))
    assert law.evaluate(SIZES)[0] == pytest.approx([rising.mean()] * len(SIZES))


@pytest.mark.parametrize(
    ("sizes", "curves", "weights"),
    [
        ([1, 2, 3], [[3, 2, 1]], [1, 1, 1]),
        ([1, 2, 3, 3], [[3, 2, 1, 1]], [1, 1, 1, 1]),
        ([0, 1, 2, 3], [[4, 3, 2, 1]], [1, 1, 1, 1]),
        ([1, 2, 3, 4], [[4, 3, 2, 1]], [1, 1, 1, 0]),
        ([1, 2, 3, 4], [4, 3, 2, 1], [1, 1, 1, 1]),
    ],
)
def test_what_decides_no_law_is_refused(
    sizes: list[float], curves: list[list[float]], weights: list[float]
) -> None:
    assert FEWEST_SIZES == 4
    with pytest.raises(ValueError, match=r"allowed|must be"):
        fit_power_laws(sizes, curves, weights)
