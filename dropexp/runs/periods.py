"""Dates and times in filters: ``changed<2026-01-31``, ``changed>=yesterday``.

A text stands for a period: a day, a minute or a second, in the time zone of this machine.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

ALLOWED = "a date (2026-01-31), a date with a time (2026-01-31T18:30), today or yesterday"

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?P<seconds>:\d\d)?(?P<zone>Z|[+-]\d\d:\d\d)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Period:
    """A period of time.

    Attributes:
        start: its first moment, in seconds since 1970.
        end: the first moment after it.
    """

    start: float
    end: float

    def compare(self, moment: float, relation: str) -> bool:
        """Return whether a moment stands in a relation to the period.

        Args:
            moment: in seconds since 1970.
            relation: ``<`` is before it, ``<=`` before its end, ``>`` after it, ``>=`` after its
                start, ``=`` in it, ``!=`` outside of it.
        """
        match relation:
            case "<":
                return moment < self.start
            case "<=":
                return moment < self.end
            case ">":
                return moment >= self.end
            case ">=":
                return moment >= self.start
            case _:
                return (self.start <= moment < self.end) is (relation == "=")


def parse_period(text: str, now: datetime | None = None) -> Period:
    """Return the period that a text stands for.

    Args:
        text: one of ALLOWED.
        now: the time; None: that of the clock.

    Raises:
        ValueError: it is none of them.
    """
    today = (now or datetime.now()).date()
    words = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        if (word := text.strip().lower()) in words:
            return _make_day(words[word])
        if _DATE.fullmatch(text):
            return _make_day(date.fromisoformat(text))
        if match := _TIME.fullmatch(text):
            start = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
            return Period(start, start + (1 if match["seconds"] else 60))
    except (ValueError, OverflowError, OSError):  # the 31st of February, or the year 0001
        pass
    raise ValueError(f"{text!r} is not a date")


def _make_day(day: date) -> Period:
    start, end = (datetime.combine(each, time()) for each in (day, day + timedelta(days=1)))
    return Period(start.timestamp(), end.timestamp())
