"""Budgets as people write them."""

import pytest

from dropexp.errors import ConfigError
from dropexp.sweep.budget import Budget, parse_budget


@pytest.mark.parametrize(
    ("text", "budget", "shown"),
    [
        ("30min", Budget(seconds=1800), "30 min"),
        ("2h", Budget(seconds=7200), "2 h"),
        ("90s", Budget(seconds=90), "90 s"),
        ("1.5h", Budget(seconds=5400), "90 min"),
        (" 10 Min ", Budget(seconds=600), "10 min"),
        ("200runs", Budget(runs=200), "200 runs"),
        ("200 runs", Budget(runs=200), "200 runs"),
        ("1run", Budget(runs=1), "1 run"),
    ],
)
def test_a_budget_is_a_time_or_a_number_of_runs(text: str, budget: Budget, shown: str) -> None:
    assert parse_budget(text) == budget
    assert str(budget) == shown


@pytest.mark.parametrize(
    "text", ["", "30", "min", "0min", "-5min", "0runs", "1.5runs", "2 days", "1e3s", "30min20s"]
)
def test_what_is_no_budget_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"90s, 30min, 2h.*200runs"):
        parse_budget(text)


def test_no_budget_is_no_limit() -> None:
    assert str(Budget()) == "no limit"


@pytest.mark.parametrize(
    ("text", "doubled"), [("70runs", "140 runs"), ("30min", "1 h"), ("90s", "3 min")]
)
def test_a_budget_can_be_doubled(text: str, doubled: str) -> None:
    assert str(parse_budget(text).double()) == doubled
