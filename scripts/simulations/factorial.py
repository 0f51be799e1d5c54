"""Part "effects": how often `dropexp effects` claims an effect or an interaction that is none."""

from collections.abc import Callable
from itertools import product

import numpy as np

from dropexp.compare.decisions import decide
from dropexp.compare.effects.contrasts import list_contrasts
from dropexp.compare.effects.factors import Factor
from dropexp.compare.rules import Rule, TestKind
from simulations.laws import Array
from simulations.text import format_share, format_table
from simulations.work import Work

FACTORS = tuple(Factor(name, name, ("off", "on")) for name in "ABCD")
LOOKS = (8, 12, 16, 20, 24)
_CELLS = list(product((0, 1), repeat=len(FACTORS)))
_MAINS = np.array([-1.0, -0.5, 0.5, -2.0])
"""True main effects in standard deviations of a run, where there are some."""
_SHARE = 0.5  # of the repetitions

Draw = Callable[[np.random.Generator, tuple[int, int]], Array]


def _draw_normal(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    return generator.standard_normal(shape)


def _draw_lognormal(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    return np.exp(generator.standard_normal(shape))


def _draw_unequal(generator: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Return normal values, whose spread is three times as large where the first factor is on."""
    values = generator.standard_normal(shape)
    values[[cell[0] == 1 for cell in _CELLS]] *= 3
    return values


CASES: dict[str, tuple[Draw, bool]] = {
    "no effect, normal": (_draw_normal, False),
    "no effect, lognormal": (_draw_lognormal, False),
    "no effect, unequal variances": (_draw_unequal, False),
    "main effects that add up, normal": (_draw_normal, True),
    "main effects that add up, lognormal": (_draw_lognormal, True),
}
"""Name → the noise of a run, and whether there are main effects."""

INTRODUCTION = """\
2 × 2 × 2 × 2 combinations, 4 main effects and 6 interactions: the share, in percent, of tables in
which an effect that is 0 is called other than open (nominal 5). *once* is one look with 8 or 12
seeds; *+4 to 24* is a look at 8 seeds and after every 4 more up to 24, any claim at any look. The
planned test is for one look; where seeds were added, `effects` lets the anytime test speak. Where
main effects add up, only the interactions can be false alarms."""

_HEAD = (
    "case",
    "planned, once, 8 seeds",
    "planned, once, 12 seeds",
    "planned, +4 to 24",
    "anytime, +4 to 24",
)


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    alarms = work.simulate(simulate_cell, list(CASES), _SHARE)
    rows = [[name, *(format_share(column) for column in alarms[name].T)] for name in CASES]
    return [INTRODUCTION, "", *format_table(_HEAD, rows)]


def simulate_cell(name: str, generator: np.random.Generator, tables: int) -> Array:
    """Return false alarms of a case, shape (tables, columns)."""
    return np.array([_simulate_table(name, generator) for _ in range(tables)], dtype=float)


def _simulate_table(name: str, generator: np.random.Generator) -> list[bool]:
    draw, has_mains = CASES[name]
    values = draw(generator, (len(_CELLS), LOOKS[-1]))
    values += 2 * generator.standard_normal(LOOKS[-1])  # what a seed has in all its runs
    if has_mains:
        values += (np.array(_CELLS) @ _MAINS)[:, None]
    planned = [_has_alarm(values, n, TestKind.PLANNED, has_mains=has_mains) for n in LOOKS]
    anytime = [_has_alarm(values, n, TestKind.ANYTIME, has_mains=has_mains) for n in LOOKS]
    return [planned[0], planned[1], any(planned), any(anytime)]


def _has_alarm(values: Array, seeds: int, kind: TestKind, *, has_mains: bool) -> bool:
    by_cell = {
        cell: dict(enumerate(row[:seeds]))
        for cell, row in zip(_CELLS, values.tolist(), strict=True)
    }
    pairs = {
        each.name(FACTORS): each.pair(by_cell, range(seeds), 1) for each in list_contrasts(FACTORS)
    }
    decisions = decide(pairs, Rule(kind), with_p_values=False)
    return any(
        decision.verdict.is_decided
        for name, decision in decisions.items()
        if "×" in name or not has_mains
    )
