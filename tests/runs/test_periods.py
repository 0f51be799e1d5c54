"""Dates in filters mean days, minutes or seconds, and nothing else is taken for a date."""

from datetime import datetime, timedelta

import pytest

from dropexp.runs.periods import Period, parse_period

NOON = datetime(2026, 3, 10, 12, 0)


def moment(*parts: int) -> float:
    return datetime(*parts).timestamp()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03-09", moment(2026, 3, 9), moment(2026, 3, 10)),
        ("yesterday", moment(2026, 3, 9), moment(2026, 3, 10)),
        ("Today", moment(2026, 3, 10), moment(2026, 3, 11)),
        ("2026-03-09T18:30", moment(2026, 3, 9, 18, 30), moment(2026, 3, 9, 18, 31)),
        ("2026-03-09 18:30:05", moment(2026, 3, 9, 18, 30, 5), moment(2026, 3, 9, 18, 30, 6)),
    ],
)
def test_a_text_is_a_period_in_local_time(text: str, start: float, end: float) -> None:
    assert parse_period(text, NOON) == Period(start, end)


def test_a_time_zone_counts() -> None:
    assert parse_period("2026-03-09T18:30Z").start == parse_period("2026-03-09T20:30+02:00").start
    assert parse_period("1970-01-01T00:01Z").start == 60


@pytest.mark.parametrize(
    "text",
    ["gestern", "", "2", "2d", "2026", "2026-3-9", "2026-02-31", "0000-01-01", "31.01.2026",
     "2026-03-09T", "2026-03-09T25:00", "2026-03-09T18:30+99:00", "٢٠٢٦-٠٣-٠٩T"],
)  # fmt: skip
def test_nothing_else_is_a_date(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_period(text)


def test_relations_are_to_the_whole_period() -> None:
    day = parse_period("2026-03-09")
    before, within, after = (NOON.timestamp() - days * 86400 for days in (2, 1, 0))
    for relation, expected in {
        "<": (True, False, False),
        "<=": (True, True, False),
        "=": (False, True, False),
        "!=": (True, False, True),
        ">=": (False, True, True),
        ">": (False, False, True),
    }.items():
        found = tuple(day.compare(each, relation) for each in (before, within, after))
        assert found == expected, relation
    assert day.end - day.start == timedelta(days=1).total_seconds()
