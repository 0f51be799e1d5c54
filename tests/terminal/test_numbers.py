import pytest

from dropexp.terminal.numbers import (
    format_clock,
    format_count,
    format_decimals,
    format_duration,
    format_number,
    format_size,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (9_960, "10 kB"), (123_456, "123 kB")],
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert format_size(size) == text


def test_numbers_have_three_decimals_or_three_digits() -> None:
    assert format_number(0.12345) == "0.123"
    assert format_number(0.12345, "+") == "+0.123"
    assert format_number(123456.0) == "1.23e+05"


def test_a_huge_number_does_not_get_hundreds_of_digits() -> None:
    assert format_decimals(1234.56, 1) == "1234.6"
    assert format_decimals(1234.56, 2, "+") == "+1234.56"
    assert format_decimals(1e300, 2) == "1e+300"


def test_durations_have_a_unit_that_fits() -> None:
    assert format_duration(12.34) == "12.3 s"
    assert format_duration(125) == "2:05 min"
    assert format_duration(3600) == "1:00:00 h"
    assert format_clock(59.6) == "1:00"


def test_a_count_has_its_plural_and_its_thousands() -> None:
    assert format_count(1, "run") == "1 run"
    assert format_count(0, "run") == "0 runs"
    assert format_count(1000, "run") == "1,000 runs"
