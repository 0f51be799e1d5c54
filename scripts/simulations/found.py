"""Part "found": how often a true difference is found, and how often the tool says it would be."""

import numpy as np

from dropexp.statistics import anytime_p_value, holm, step_down_max_t
from dropexp.statistics.power import anytime_power, planned_power
from simulations.laws import Array, draw_normal_tables
from simulations.replay import ALPHA, score_planned
from simulations.text import format_share, format_table
from simulations.work import Work

ROWS = (1, 4, 20)
EFFECTS = (1.0, 1.5, 2.0)
PLANNED, ANYTIME = (6, 8, 10), (8, 16, 32, 64)
Cell = tuple[int, float]

INTRODUCTION = """\
How often, in percent, a row is found whose true difference is 1, 1.5 or 2 standard deviations of
the paired differences, with normal noise; the other rows of the table differ in nothing. In
brackets is what `sweep --dry-run` promises."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    cells = [(rows, effect) for rows in ROWS for effect in EFFECTS]
    found = work.simulate(simulate_cell, cells)
    head = (
        "rows, difference",
        *(f"planned, {seeds} seeds" for seeds in PLANNED),
        *(f"anytime, within {seeds}" for seeds in ANYTIME),
    )
    body = []
    for rows, effect in cells:
        promised = [planned_power(effect, seeds, rows) for seeds in PLANNED]
        promised += [anytime_power(effect, seeds, rows) for seeds in ANYTIME]
        columns = zip(found[rows, effect].T, promised, strict=True)
        shares = [f"{format_share(hits)} ({100 * power:.0f})" for hits, power in columns]
        body.append([f"{rows}, {effect:g} SD", *shares])
    return [INTRODUCTION, "", *format_table(head, body)]


def simulate_cell(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return whether the first row is found, shape (tables, columns)."""
    rows, effect = cell
    effects = [-effect] + [0.0] * (rows - 1)
    values = draw_normal_tables(generator, tables, effects, max(ANYTIME))
    return np.array([_find(score_planned(table)) for table in values], dtype=float)


def _find(scores: Array) -> list[bool]:
    planned = [_is_found(step_down_max_t(scores[:, :n])[0], scores[0, :n]) for n in PLANNED]
    anytime = [
        _is_found(holm([anytime_p_value(row) for row in scores[:, :n]])[0], scores[0, :n])
        for n in ANYTIME
    ]
    return planned + anytime


def _is_found(p_value: float, scores: Array) -> bool:
    return bool(p_value <= ALPHA and scores.mean() < 0)
