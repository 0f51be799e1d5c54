"""Schedules of p over time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.compose import compose_run
from dropexp.config.time_schedules import (
    SWITCHING_SCHEDULES,
    TIME_SCHEDULES,
    TimeSchedule,
    p_factor,
)
from dropexp.errors import ConfigError
from tests.builders import REGULARISERS

NOISY = [name for name in REGULARISERS if name != "none"]


def factors(schedule: TimeSchedule, epochs: int, switch: int = 3) -> list[float]:
    switch_after = switch if schedule in SWITCHING_SCHEDULES else None
    return [p_factor(schedule, epoch, epochs, switch_after) for epoch in range(1, epochs + 1)]


@given(st.sampled_from(TIME_SCHEDULES), st.integers(1, 300), st.integers(1, 300))
def test_factors_are_between_0_and_1_and_monotone(
    schedule: TimeSchedule, epochs: int, switch: int
) -> None:
    values = factors(schedule, epochs, switch)
    assert all(0 <= value <= 1 for value in values)
    assert values in (sorted(values), sorted(values, reverse=True))


def test_schedules_start_and_end_at_their_documented_factors() -> None:
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
        first, *_, last = factors(name, 11)
        assert (first, last) == pytest.approx(expected[name]), name


def test_halfway_a_symmetric_factor_is_half_and_a_curriculum_nearly_complete() -> None:
    for name in ("linear_up", "linear_down", "cosine"):
        assert factors(name, 11)[5] == pytest.approx(0.5)
    assert factors("curriculum", 11)[5] == pytest.approx(1 - math.exp(-5))


def test_early_and_late_are_on_in_complementary_epochs() -> None:
    early, late = factors("early", 10, 4), factors("late", 10, 4)
    assert early == [1.0] * 4 + [0.0] * 6
    assert [a + b for a, b in zip(early, late, strict=True)] == [1.0] * 10


@pytest.mark.parametrize("name", [name for name in NOISY if name != "concrete_dropout"])
def test_every_regulariser_has_time_schedules_which_change_the_run_id(name: str) -> None:
    overrides = [f"regulariser={name}", "p=0.3"]
    plain = compose_run(overrides)
    scheduled = compose_run([*overrides, "regulariser.time_schedule=cosine"])
    assert plain.run_id != scheduled.run_id
    assert [plain.p_factors(epoch) for epoch in (1, 15, 30)] == [{name: 1}] * 3
    assert scheduled.p_factors(30)[name] == pytest.approx(0)


@pytest.mark.parametrize(
    ("overrides", "message"),
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
def test_an_invalid_or_ineffective_schedule_is_refused(overrides: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_run(["regulariser=dropout2d", "p=0.3", *overrides.split()])
    assert message in str(caught.value)


def test_at_p_0_a_schedule_that_is_never_on_is_allowed() -> None:
    overrides = ["regulariser=dropout2d", "p=0", "train.epochs=1"]
    assert compose_run([*overrides, "regulariser.time_schedule=linear_up"]).regulariser.p == 0
