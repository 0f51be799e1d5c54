"""Forgetting events, counted as Toneva et al. 2019 define them, and what they find."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.statistics import count_forgetting, precision_at_top

HISTORIES = st.integers(1, 6).flatmap(
    lambda epochs: st.lists(
        st.lists(st.booleans(), min_size=epochs, max_size=epochs), min_size=1, max_size=5
    )
)
"""For each example whether it was right after each epoch."""


def test_examples_of_every_kind() -> None:
    right_after = {
        "never learned": [0, 0, 0, 0],
        "unforgettable": [0, 1, 1, 1],
        "forgotten once": [1, 0, 0, 0],
        "forgotten twice": [1, 0, 1, 0],
    }
    found = count_forgetting(np.transpose(list(right_after.values())))
    assert found.events.tolist() == [0, 0, 1, 2]
    assert found.learned_at.tolist() == [0, 2, 1, 1]
    assert found.is_learned.tolist() == [False, True, True, True]
    assert found.is_fitted.tolist() == [False, True, False, False]
    assert np.floor(found.scores).tolist() == [math.inf, 0, 1, 2]


def test_of_equally_often_forgotten_examples_the_later_learned_is_more_forgotten() -> None:
    right_after = {
        "learned first": [1, 1, 1, 1, 1, 1],
        "learned last": [0, 0, 0, 0, 0, 1],
        "forgotten once, learned first": [1, 0, 1, 1, 1, 1],
        "forgotten once, learned later": [0, 1, 0, 0, 0, 0],
        "forgotten twice, learned first": [1, 0, 1, 0, 1, 1],
        "never learned": [0, 0, 0, 0, 0, 0],
    }
    scores = count_forgetting(np.transpose(list(right_after.values()))).scores
    assert (np.diff(scores) > 0).all()


def test_examples_with_one_history_of_events_and_learning_stay_tied() -> None:
    found = count_forgetting(np.transpose([[0, 1, 0, 1, 1], [0, 1, 1, 1, 0]]))
    assert found.scores[0] == found.scores[1]


@given(HISTORIES)
def test_counts_are_those_of_the_definition(by_example: list[list[bool]]) -> None:
    found = count_forgetting(np.transpose(by_example))
    for number, right in enumerate(by_example):
        events = sum(a and not b for a, b in pairwise(right))
        assert found.events[number] == events
        assert found.learned_at[number] == (right.index(True) + 1 if True in right else 0)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 2, 2)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"allowed: \(epochs, N\)"):
        count_forgetting(np.zeros(shape, dtype=bool))


@given(st.data())
def test_precision_is_the_mean_over_all_orders_of_equal_scores(data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([0, 1, 2, math.inf]), min_size=1, max_size=5))
    positive = data.draw(
        st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)).filter(any)
    )
    k = data.draw(st.integers(1, len(scores)))
    of_orders = []
    for order in permutations(range(len(scores))):
        top = sorted(order, key=lambda place: -scores[place])[:k]
        of_orders.append(sum(positive[place] for place in top) / k)
    assert precision_at_top(scores, positive, k) == pytest.approx(np.mean(of_orders))


def test_k_is_the_number_of_positives_unless_it_is_given() -> None:
    assert precision_at_top([3, 2, 1, 0], [True, False, True, False]) == 0.5
    assert precision_at_top([0, 0, 0, 0], [True, False, False, False]) == 0.25
    assert math.isnan(precision_at_top([1, 2], [False, False]))
    with pytest.raises(ValueError, match="allowed: from 1 to 2"):
        precision_at_top([1, 2], [True, False], 3)
    with pytest.raises(ValueError, match=r"must be \(N,\)"):
        precision_at_top([1, 2], [True])
