"""Shares with their standard errors, and Markdown tables."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05


def format_share(hits: NDArray[np.float64]) -> str:
    """Return the mean of zeros and ones with its standard error, in percent; NaN are left out."""
    known = hits[~np.isnan(hits)]
    if not len(known):
        return "–"
    return f"{100 * known.mean():.1f} ± {100 * find_error(float(known.mean()), len(known)):.1f}"


def find_error(share: float, count: int) -> float:
    """Return the standard error of a share; of 0 and of 1 that of half a hit."""
    inside = min(max(share, 0.5 / count), 1 - 0.5 / count)
    return math.sqrt(inside * (1 - inside) / count)


def format_alarms(hits: NDArray[np.float64], *, speaks: bool) -> str:
    """Return a share of false alarms; bold where ``--test auto`` lets the test speak."""
    text = format_share(hits)
    if not speaks:
        return text
    return f"**{text}**" + (" !" if is_over(hits) else "")


def is_over(hits: NDArray[np.float64]) -> bool:
    """Return whether a share is more than two standard errors above the level of 5 %."""
    return bool(hits.mean() > LEVEL + 2 * find_error(LEVEL, len(hits)))


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
