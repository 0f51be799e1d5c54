"""Part "alarms": how often a table without any difference claims one, by test, look and noise."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dropexp.statistics import forecast_seeds
from simulations import replay
from simulations.checking import check_against_compare
from simulations.laws import LAWS, SKEWED, Array, Law
from simulations.text import format_alarms, format_table, is_over
from simulations.work import Work

FIRST, MOST, STEP = 8, 64, 4
ROWS = (1, 4, 20)
POLICIES = ("once", "+4 to 64", "as told", "every seed")
_COLUMNS = (
    *(f"planned, {policy}" for policy in POLICIES),
    *(f"anytime, {policy}" for policy in POLICIES),
    "auto, +4 to 64",
    "auto, as told",
)
_SPEAKS = (True, False, False, False, True, True, True, True, False, False)
Cell = tuple[str, int]

INTRODUCTION = """\
Tables in which nothing differs, with one baseline for all rows: the share, in percent, in which any
row is called `better` or `worse` at any look, with its standard error. Nominal is 5. A table begins
with 8 seeds and is looked at *once*; after every 4 more up to 64 (*+4 to 64*); after as many more
as the forecast of the row nearest to a verdict names first, until it names none (*as told*); or
after *every seed* up to 64, at least as often as `--until-decided` looks. **Bold** cells are
those in which `--test auto` lets this test speak; the others show what goes wrong without it. `!`
marks a bold cell more than two standard errors above 5 %. *auto* follows one user through: the
planned test at the first look, the anytime test at each later one; any claim at any look counts, so
that both tests have a chance to be wrong. Where only the baseline is skewed, differences are not
symmetric although their mean is 0; that is stated apart, as neither test is made for it."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    cells = [(law.name, rows) for rows in ROWS for law in (*LAWS, SKEWED)]
    alarms = work.simulate(simulate_cell, cells)
    lines = [INTRODUCTION, "", check_against_compare(work)]
    for rows in ROWS:
        lines += ["", f"**{rows} row{'s' if rows > 1 else ''}**", "", *_format(rows, alarms)]
    speaking = [alarms[law.name, rows][:, _SPEAKS] for rows in ROWS for law in LAWS]
    hits = [column for cell in speaking for column in cell.T]
    over = sum(map(is_over, hits))
    return [*lines, "", f"Bold cells above the bar, marked `!`: {over} of {len(hits)}."]


def _format(rows: int, alarms: Mapping[Cell, Array]) -> list[str]:
    head = ("test, looks", *(law.name for law in LAWS), f"apart: {SKEWED.name}")
    body = [
        [
            name,
            *(format_alarms(alarms[law.name, rows][:, k], speaks=_SPEAKS[k]) for law in LAWS),
            format_alarms(alarms[SKEWED.name, rows][:, k], speaks=False),
        ]
        for k, name in enumerate(_COLUMNS)
    ]
    return format_table(head, body)


def simulate_cell(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return false alarms of a cell, shape (tables, columns): 1 where a table claims something."""
    law = find_law(cell[0])
    values = law.draw(generator, (tables, 1 + cell[1], MOST))
    return np.stack([_follow_policies(table) for table in values]).astype(float)


def find_law(name: str) -> Law:
    """Return the law of a name."""
    return next(law for law in (*LAWS, SKEWED) if law.name == name)


def _follow_policies(values: Array) -> NDArray[np.bool_]:
    """Return for each column whether something was claimed at one of its looks."""
    planned = replay.find_planned_alarms(values)
    anytime = replay.find_anytime_alarms(values)
    told = _follow_forecasts(values)
    looks = ([FIRST], range(FIRST, MOST + 1, STEP), told, range(MOST + 1))
    columns = [alarms[list(each)].any() for alarms in (planned, anytime) for each in looks]
    # Who follows auto sees the planned test once, before any seed was added.
    columns += [planned[FIRST] or anytime[list(each)[1:]].any() for each in looks[1:3]]
    return np.array(columns)


def _follow_forecasts(values: Array) -> list[int]:
    """Return with how many seeds a table is looked at if the tool's forecast is followed."""
    looks, scores = [FIRST], replay.score_in_order(values)
    while looks[-1] < MOST:
        seen = scores[:, : looks[-1]]
        shift, spread = np.abs(seen.mean(axis=1)), seen.std(axis=1)
        nearest = int(np.argmax(shift / np.where(spread > 0, spread, np.inf)))
        forecast = forecast_seeds(seen[nearest], len(scores), replay.ALPHA)
        if forecast is None:
            break
        looks.append(min(looks[-1] + forecast.low, MOST))
    return looks
