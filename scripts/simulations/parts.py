"""The parts of scripts/simulate, and the page that they are written into."""

import datetime
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from simulations import (
    alarms,
    cost,
    coverage,
    factorial,
    fishing,
    forecasts,
    found,
    headline,
    worth,
)
from simulations.work import Work

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "verdicts.md"

PARTS: dict[str, tuple[str, Callable[[Work], list[str]]]] = {
    "alarms": ("False alarms", alarms.simulate),
    "coverage": ("Intervals", coverage.simulate),
    "found": ("True differences found", found.simulate),
    "fishing": ("Looking for the best filter", fishing.simulate),
    "headline": ("The setting that is named", headline.simulate),
    "forecasts": ("How many more seeds", forecasts.simulate),
    "cost": ("Runs until a verdict", cost.simulate),
    "effects": ("Effects and interactions", factorial.simulate),
    "worth": ("What a regulariser is worth in images", worth.simulate),
}
"""Name → title and function, in the order of the page."""

_MARK = "<!-- simulate -->"
_BEGIN, _END = "<!-- simulate: written by scripts/simulate -->", "<!-- end of simulate -->"


def simulate(names: Sequence[str], repetitions: int, jobs: int) -> str:
    """Simulate some parts, print each as soon as it is known, and return all as Markdown."""
    today = datetime.date.today().isoformat()
    blocks = [
        f"Simulated by `scripts/simulate` on {today}, with {repetitions:,} tables a cell and fewer "
        f"where a table is costly."
    ]
    _print(blocks[0])
    with ProcessPoolExecutor(jobs) as executor:
        work = Work(repetitions, executor)
        for name in names:
            title, function = PARTS[name]
            start = time.perf_counter()
            blocks.append("\n".join([f"### {title}", "", *function(work)]))
            _print(f"\n{blocks[-1]}")
            sys.stderr.write(f"{name}: {time.perf_counter() - start:.0f} s\n")
    return "\n\n".join(blocks)


def write_page(text: str, page: Path = PAGE) -> None:
    """Write the tables between the page's marks.

    Raises:
        ValueError: the page has no marks.
    """
    before, mark, after = page.read_text(encoding="utf-8").partition(_MARK)
    if not mark:
        before, mark, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if not (mark and end):
            raise ValueError(f"{page} has neither {_MARK} nor {_BEGIN} … {_END}")
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
