"""Numbers as text for people: losses, accuracies, durations, sizes, counts."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache


def format_number(value: float, sign: str = "") -> str:
    """Return a loss or an accuracy with three decimals, or three digits from 1,000 on.

    Args:
        value: the number.
        sign: ``+`` writes a sign before positive numbers too.
    """
    return f"{value:{sign}.3g}" if abs(value) >= 1000 else f"{value:{sign}.3f}"


def format_decimals(value: float, decimals: int, sign: str = "") -> str:
    """Return a number with so many decimals, or with three digits from 10⁹ on.

    Args:
        value: the number.
        decimals: digits after the point.
        sign: see format_number.
    """
    return f"{value:{sign}.3g}" if abs(value) >= 1e9 else f"{value:{sign}.{decimals}f}"


def format_clock(seconds: float) -> str:
    """Return seconds as ``m:ss`` or ``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_duration(seconds: float) -> str:
    """Return seconds with their unit: ``12.3 s``, ``2:05 min``, ``1:00:00 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{format_clock(seconds)} {'h' if round(seconds) >= 3600 else 'min'}"


def format_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as local ``YYYY-MM-DD HH:MM``."""
    return _format_minute(int(seconds // 60))


@lru_cache(maxsize=1 << 12)  # runs of a sweep end one after the other
def _format_minute(minutes: int) -> str:
    return datetime.fromtimestamp(60 * minutes).astimezone().strftime("%Y-%m-%d %H:%M")


def format_size(size: int) -> str:
    """Return bytes in the largest unit (of 1000) in which there is at least one."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return (
                f"{amount:.0f} {unit}" if unit == "B" or amount >= 99.5 else f"{amount:.2g} {unit}"
            )
        amount /= 1000
    return f"{amount:.1f} TB"


def format_count(count: int, noun: str) -> str:
    """Return ``1 run``, ``2 runs``, ``1,000 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def list_few(names: Sequence[str], most: int = 3, noun: str = "") -> str:
    """Return the first names and how many more there are: ``a, b, c and 2 more settings``.

    Args:
        names: in their order.
        most: how many are named.
        noun: of what is named, in the singular; empty for ``a, b, c and 2 more``.
    """
    more = len(names) - most
    rest = format_count(more, f"more {noun}") if noun else f"{more:,} more"
    return ", ".join(names[:most]) + (f" and {rest}" if more > 0 else "")
