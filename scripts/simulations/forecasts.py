"""Part "forecasts": whether "k more seeds" is right."""

import math
from enum import IntEnum

import numpy as np

from dropexp.statistics import forecast_seeds, step_down_max_t, symmetry_e_process
from dropexp.statistics.forecast import MOST_MORE_SEEDS
from simulations.laws import Array
from simulations.replay import ALPHA
from simulations.text import format_share, format_table
from simulations.work import Work

SEEDS = 8
ROWS = (1, 4)
EFFECTS = (0.5, 0.75, 1.0, 1.25, 1.5)
WIDEST = 3.0
"""The largest effect of the flat prior, in standard deviations; larger ones are not open."""

ANY = "any"
_WINDOW = 0.10
_DRAWS = 400
Cell = tuple[int, float | str]

INTRODUCTION = f"""\
Rows that the planned test leaves open after {SEEDS} seeds, with normal noise: the forecast of
"low–high more seeds", and whether the anytime test has decided the row by then. Low and high are
medians over the rows with a forecast, other numbers percent. Where a forecast names no high ("12 or
more"), high is its horizon of {MOST_MORE_SEEDS}. *Promised* is the mean of the probabilities to
be still open after high that the forecasts state. They are meant over all effects that the data
leave plausible, so the line to compare with is *any*: true effects from 0 to {WIDEST:g} SD,
each as likely."""
QUARTILES = """\
The range itself promises 80 %: after low if the true effect is large (the upper quartile of what
the data leave plausible), after high if it is small (the lower quartile). Decided were, of the rows
of any effect whose true one is near that quartile"""


class Column(IntEnum):
    """The columns of the results; NaN from LOW on where there is no forecast."""

    IS_OPEN = 0
    LOW = 1
    HIGH = 2
    IS_BOUNDED = 3
    PROMISED = 4
    AFTER_LOW = 5
    AFTER_HIGH = 6
    QUANTILE = 7


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    fixed: list[Cell] = [(rows, effect) for rows in ROWS for effect in EFFECTS]
    flat: list[Cell] = [(rows, ANY) for rows in ROWS]
    # Few of any effect are open.
    results = {**work.simulate(simulate_cell, fixed), **work.simulate(simulate_flat, flat, 5.0)}
    head = ["rows, true effect", "open", "of them with a forecast", "low", "high"]
    head += ["decided after low", "decided after high", "still open after high", "promised"]
    cells = sorted(results, key=lambda cell: cell[0])
    body = [[_name(cell), *_summarise(results[cell])] for cell in cells]
    texts = [_describe_quartiles(rows, results[rows, ANY]) for rows in ROWS]
    return [INTRODUCTION, "", *format_table(head, body), "", f"{QUARTILES}: {'; '.join(texts)}."]


def _name(cell: Cell) -> str:
    rows, effect = cell
    return f"{rows}, {effect}" if isinstance(effect, str) else f"{rows}, {effect:g} SD"


def _summarise(results: Array) -> list[str]:
    is_open = results[:, Column.IS_OPEN] == 1
    has_forecast = ~np.isnan(results[is_open, Column.LOW])
    known = results[is_open][has_forecast]
    if not len(known):
        return [format_share(results[:, Column.IS_OPEN]), *["–"] * 7]
    return [
        format_share(results[:, Column.IS_OPEN]),
        format_share(has_forecast.astype(float)),
        *(f"{np.median(known[:, column]):.0f}" for column in (Column.LOW, Column.HIGH)),
        format_share(known[:, Column.AFTER_LOW]),
        format_share(known[:, Column.AFTER_HIGH]),
        format_share(1 - known[:, Column.AFTER_HIGH]),
        f"{100 * known[:, Column.PROMISED].mean():.1f}",
    ]


def _describe_quartiles(rows: int, results: Array) -> str:
    known = results[~np.isnan(results[:, Column.LOW])]
    upper = np.abs(known[:, Column.QUANTILE] - 0.75) < _WINDOW
    lower = np.abs(known[:, Column.QUANTILE] - 0.25) < _WINDOW
    lower &= known[:, Column.IS_BOUNDED] == 1
    return (
        f"with {rows} row{'s' if rows > 1 else ''} "
        f"{format_share(known[upper, Column.AFTER_LOW])} % after low, and "
        f"{format_share(known[lower, Column.AFTER_HIGH])} % after high where one is named"
    )


def simulate_flat(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return results as simulate_cell does, of effects that are all as likely."""
    effects = generator.uniform(0, WIDEST, tables)
    return np.stack([_follow(cell[0], effect, generator) for effect in effects.tolist()])


def simulate_cell(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return forecasts and what became of them, shape (tables, columns)."""
    return np.stack([_follow(cell[0], float(cell[1]), generator) for _ in range(tables)])


def _follow(rows: int, effect: float, generator: np.random.Generator) -> Array:
    """Return the results of one row, beside others that differ in nothing."""
    result = np.full(len(Column), math.nan)
    values = generator.standard_normal((1 + rows, SEEDS + MOST_MORE_SEEDS)) / math.sqrt(2)
    table = values[1:] - values[0]
    table[0] += effect
    differences, seen = table[0], table[0, :SEEDS]
    result[Column.IS_OPEN] = step_down_max_t(table[:, :SEEDS])[0] > ALPHA
    forecast = forecast_seeds(seen, rows, ALPHA) if result[Column.IS_OPEN] else None
    if forecast is None:
        return result
    high = MOST_MORE_SEEDS if forecast.high is None else forecast.high
    decided = np.maximum.accumulate(symmetry_e_process(differences)) >= rows / ALPHA
    result[Column.LOW], result[Column.HIGH] = forecast.low, high
    result[Column.IS_BOUNDED] = forecast.high is not None
    result[Column.PROMISED] = forecast.still_open
    result[Column.AFTER_LOW] = decided[SEEDS + forecast.low - 1]
    result[Column.AFTER_HIGH] = decided[SEEDS + high - 1]
    result[Column.QUANTILE] = _find_quantile(effect, seen, generator)
    return result


def _find_quantile(effect: float, seen: Array, generator: np.random.Generator) -> float:
    """Return the place of the true effect's size among the plausible ones; see forecast_seeds."""
    n = len(seen)
    deviations = seen.std(ddof=1) * np.sqrt((n - 1) / generator.chisquare(n, _DRAWS))
    effects = seen.mean() / deviations + generator.standard_normal(_DRAWS) / math.sqrt(n)
    return float((np.abs(effects) < abs(effect)).mean())
