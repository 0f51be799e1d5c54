"""Schedules of p over time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.compose import compose_run
from dropexp.config.groups import list_groups
from dropexp.config.time_schedules import (
    SWITCHING_SCHEDULES,
    TIME_SCHEDULES,
    TimeSchedule,
    p_factor,
)
from dropexp.errors import ConfigError

NOISY = [name for name in list_groups()["regulariser"] if name != "none"]


def factors(schedule: TimeSchedule, epochs: int, switch: int = 3) -> list[float]:
    switch_after = switch if schedule in SWITCHING_SCHEDULES else None
    return [p_factor(schedule, epoch, epochs, switch_after) for epoch in range(1, epochs + 1)]


@given(st.sampled_from(TIME_SCHEDULES), st.integers(1, 300), st.integers(1, 300))
def test_a_share_is_a_share_and_moves_one_way(
    schedule: TimeSchedule, epochs: int, switch: int
) -> None:
    found = factors(schedule, epochs, switch)
    assert all(0 <= share <= 1 for share in found)
    assert found in (sorted(found), sorted(found, reverse=True))


def test_schedules_start_and_end_where_they_say() -> None:
    expected = {
        "constant": (1, 1),
        "linear_up": (0, 1),
        "linear_down": (1, 0),
        "cosine": (1, 0),
        "curriculum": (0, 1 - math.exp(-10)),
        "early": (1, 0),
        "late": (0, 1),
    }
    assert expected.keys() == set(TIME_SCHEDULES)
    for name in TIME_SCHEDULES:
        found = factors(name, 11)
        assert (found[0], found[-1]) == pytest.approx(expected[name]), name


def test_the_middle_is_half_where_it_is_symmetric_and_nearly_all_of_a_curriculum() -> None:
    for name in ("linear_up", "linear_down", "cosine"):
        assert factors(name, 11)[5] == pytest.approx(0.5)
    assert factors("curriculum", 11)[5] == pytest.approx(1 - math.exp(-5))


def test_early_and_late_share_the_epochs_between_them() -> None:
    early, late = factors("early", 10, 4), factors("late", 10, 4)
    assert early == [1.0] * 4 + [0.0] * 6
    assert [a + b for a, b in zip(early, late, strict=True)] == [1.0] * 10


@pytest.mark.parametrize("name", [name for name in NOISY if name != "concrete_dropout"])
def test_every_regulariser_has_schedules_that_change_its_identity(name: str) -> None:
    words = [f"regulariser={name}", "p=0.3"]
    plain = compose_run(words)
    scheduled = compose_run([*words, "regulariser.time_schedule=cosine"])
    assert plain.run_id != scheduled.run_id
    assert [plain.p_factors(epoch) for epoch in (1, 15, 30)] == [{name: 1}] * 3
    assert scheduled.p_factors(30)[name] == pytest.approx(0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("regulariser.time_schedule=early", "switch_after=None"),
        ("regulariser.switch_after=3", "only time_schedule=early and late"),
        ("regulariser.time_schedule=late regulariser.switch_after=30", "never be on"),
        ("regulariser.time_schedule=linear_up train.epochs=1", "never be on"),
        ("regulariser.time_schedule=early regulariser.switch_after=30", "never be off"),
        ("regulariser.time_schedule=sometimes", "'constant', 'linear_up'"),
        (
            "regulariser=stochastic_depth regulariser.scaling=eval "
            "regulariser.time_schedule=linear_up",
            "regulariser.scaling=eval",
        ),
        (
            "regulariser=dropconnect regulariser.inference=gaussian "
            "regulariser.time_schedule=linear_up",
            "regulariser.inference=gaussian",
        ),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(words: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_run(["regulariser=dropout2d", "p=0.3", *words.split()])
    assert said in str(caught.value)


def test_p_of_0_needs_no_schedule_to_be_on() -> None:
    words = ["regulariser=dropout2d", "p=0", "train.epochs=1"]
    assert compose_run([*words, "regulariser.time_schedule=linear_up"]).regulariser.p == 0
