"""The tests of ``dropexp.compare`` on arrays, after every seed: the same p-values, only faster.

``check_against_compare`` makes runs of such arrays and asserts that compare() says the same.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics import symmetry_e_process
from dropexp.statistics.max_t import ALL_FLIPS_UP_TO
from simulations.laws import Array

ALPHA = 0.05
_FLIPS = 19_999
_AT_A_TIME = 1024
_TIE = 2e-6  # in single precision


def score_planned(values: Array) -> Array:
    """Return the scores of a table, shape (rows, seeds); see PairedComparison.scores."""
    differences, winner = _subtract(values)
    largest = np.nan_to_num(np.abs(differences)).max(axis=1, keepdims=True)
    lost = np.where(largest > 0, largest, 1.0)
    return np.where(np.isnan(differences), winner * lost, differences)


def score_in_order(values: Array) -> Array:
    """Return the same for the anytime test; see PairedComparison.scores_in_order."""
    differences, winner = _subtract(values)
    sizes = np.nan_to_num(np.abs(differences))
    before = np.maximum.accumulate(np.hstack((np.zeros((len(sizes), 1)), sizes[:, :-1])), axis=1)
    return np.where(np.isnan(differences), winner * before, differences)


def _subtract(values: Array) -> tuple[Array, Array]:
    """Return setting − baseline, and who wins a pair without a difference: 1, −1 or 0."""
    differences = values[1:] - values[:1]
    winner = np.isnan(values[1:]).astype(float) - np.isnan(values[:1])
    return differences, winner


def planned_p_value(scores: Array, stop_above: float = 1.0) -> float:
    """Return the smallest adjusted p-value of a table; see step_down_max_t.

    Args:
        scores: shape (rows, seeds).
        stop_above: any number above it may be returned as soon as p is known to be above it.
    """
    seeds = scores.shape[1]
    if seeds < 2:
        return 1.0
    is_exact = seeds <= ALL_FLIPS_UP_TO
    norms = np.maximum(np.sqrt((scores**2).sum(axis=1, keepdims=True)), np.finfo(float).tiny)
    units = (scores / norms).astype(np.float32)
    observed = np.abs(units.sum(axis=1)).max() - _TIE
    signs = _list_signs(seeds)
    patterns = signs.shape[1]
    total, extra = (patterns, 0) if is_exact else (_FLIPS + 1, 1)
    reached = extra
    for start in range(0, patterns, _AT_A_TIME):
        flipped = np.abs(units @ signs[:, start : start + _AT_A_TIME].astype(np.float32))
        reached += int((flipped.max(axis=0) >= observed).sum())
        if reached > stop_above * total:
            break
    return reached / total


def find_planned_alarms(values: Array) -> NDArray[np.bool_]:
    """Return for 0, 1, … seeds whether the planned test then claims something in the table."""
    scores = score_planned(values)
    has_losses = bool(np.isnan(values).any())
    alarms = np.zeros(values.shape[1] + 1, dtype=bool)
    for seeds in range(6, values.shape[1] + 1):  # with five, p is at least 0.0625
        seen = score_planned(values[:, :seeds]) if has_losses else scores[:, :seeds]
        alarms[seeds] = planned_p_value(seen, stop_above=ALPHA) <= ALPHA
    return alarms


def find_evidence(values: Array) -> Array:
    """Return the largest evidence of each row so far, shape (rows, seeds + 1)."""
    scores = score_in_order(values)
    paths = np.stack([np.maximum.accumulate(symmetry_e_process(row)) for row in scores])
    return np.hstack((np.zeros((len(paths), 1)), paths))


def find_anytime_alarms(values: Array) -> NDArray[np.bool_]:
    """Return for 0, 1, … seeds whether the anytime test then claims something in the table."""
    evidence = find_evidence(values)
    alarms: NDArray[np.bool_] = evidence.max(axis=0) >= len(evidence) / ALPHA
    return alarms


@cache
def _list_signs(seeds: int) -> NDArray[np.int8]:
    """Return the patterns of signs that step_down_max_t tries, shape (seeds, patterns)."""
    if seeds > ALL_FLIPS_UP_TO:
        drawn = np.random.default_rng(0).choice(np.array([-1.0, 1.0]), size=(_FLIPS, seeds))
        return np.ascontiguousarray(drawn.T.astype(np.int8))
    bits = (np.arange(1 << (seeds - 1))[:, None] >> np.arange(seeds - 1)) & 1
    return np.vstack((np.ones(len(bits)), 1 - 2 * bits.T)).astype(np.int8)


def smallest_p(p_values: Sequence[float | None]) -> float:
    """Return the smallest p-value of some rows; 1 without one."""
    known = [p for p in p_values if p is not None and not math.isnan(p)]
    return min(known, default=1.0)
