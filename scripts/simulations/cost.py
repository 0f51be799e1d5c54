"""Part "cost": runs until a verdict, beside a fixed sweep that answers as often."""

import numpy as np

from simulations import until_decided
from simulations.laws import Array
from simulations.work import CHUNK, Work

MARGINS = (0.75, 1.0, 1.25)
_SHARE = 0.5

INTRODUCTION = f"""\
Four rows share a baseline: two have a true effect of {-until_decided.EFFECTS[0]:g} SD, two have
none. A sweep has answered rightly if both effects are `better` and both others `practically equal`
within the margin. The fixed sweep has the fewest seeds with which the planned test is right as
often."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    repetitions = max(CHUNK, round(_SHARE * work.repetitions))
    cells = [(margin, repetitions) for margin in MARGINS]
    results = work.simulate(simulate_cost, cells, share=1 / work.repetitions)  # each is a cell
    costs = [_read(results[cell]) for cell in cells]
    return [INTRODUCTION, "", *until_decided.format_costs(costs)]


def simulate_cost(cell: tuple[float, int], generator: np.random.Generator, tables: int) -> Array:
    """Return the cost of an answer as numbers, shape (tables, 5); see until_decided.Cost."""
    margin, repetitions = cell
    number = int(generator.integers(2**31))
    cost = until_decided.simulate_cost(margin, repetitions, number=number)
    seeds = np.nan if cost.fixed_seeds is None else cost.fixed_seeds
    return np.array([[cost.margin, cost.runs, cost.right, seeds, cost.fixed_right]] * tables)


def _read(results: Array) -> until_decided.Cost:
    margin, runs, right, seeds, fixed_right = results[0].tolist()
    fixed = None if np.isnan(seeds) else int(seeds)
    return until_decided.Cost(margin, runs, right, fixed, fixed_right)
