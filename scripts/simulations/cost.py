"""Part "cost": runs until an answer, of sweeps until decided and of searches."""

from statistics import fmean

import numpy as np

from simulations import tuning, until_decided
from simulations.laws import Array
from simulations.text import format_share, format_table
from simulations.work import CHUNK, Work

MARGINS = (0.75, 1.0, 1.25)
_SWEEPS = 2  # of the repetitions: the fixed sweep is found by how often both are right
_SEARCHES = 0.1
BUDGET = 150

UNTIL_DECIDED = f"""\
`--until-decided`: four rows share a baseline, two have a true effect of
{-until_decided.EFFECTS[0]:g} SD, two have none. A sweep has answered rightly if both effects are
`better` and both others `practically equal` within the margin. The fixed sweep has the fewest
seeds with which the planned test is right as often."""
TUNE = f"""\
`dropexp tune`: {len(tuning.REGULARISERS)} regularisers with losses and spreads about as on digits;
how often the setting that is chosen is truly within {tuning.CLOSE:g} nats of the grid's best, and
by how much it is worse than that. The full grid is {len(tuning.GRID)} settings and `none`, with
{tuning.GRID_SEEDS} seeds. The budget includes the runs of the confirmation."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    return [UNTIL_DECIDED, "", *_simulate_sweeps(work), "", TUNE, "", *_simulate_searches(work)]


def _simulate_sweeps(work: Work) -> list[str]:
    repetitions = max(CHUNK, round(_SWEEPS * work.repetitions))
    cells = [(margin, repetitions) for margin in MARGINS]
    results = work.simulate(simulate_cost, cells, share=1 / work.repetitions)  # one for each cell
    return list(until_decided.format_costs([_read(results[cell]) for cell in cells]))


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


def _simulate_searches(work: Work) -> list[str]:
    above = work.simulate(simulate_search, [BUDGET], _SEARCHES)[BUDGET]
    ways = (("full grid", tuning.GRID_RUNS), ("`dropexp tune`", BUDGET))
    body = [
        (
            name,
            f"{runs} ({runs / tuning.GRID_RUNS:.2f})",
            format_share((column <= tuning.CLOSE).astype(float)),
            f"{column.mean():.4f}",
        )
        for (name, runs), column in zip(ways, above.T, strict=True)
    ]
    close = f"within {tuning.CLOSE:g} nats, %"
    head = ("chosen by", "runs (share of the grid's)", close, "mean nats above the best")
    return format_table(head, body)


def simulate_search(budget: int, generator: np.random.Generator, tables: int) -> Array:
    """Return the true losses of what the grid and a search choose, above the best, in nats."""
    best = min(map(tuning.true_loss, tuning.GRID))
    results = []
    for number in generator.integers(2**20, size=tables).tolist():
        losses, seeds = tuning.MadeUpLosses(number), range(tuning.GRID_SEEDS)
        means = {each: fmean(losses(each, seed) for seed in seeds) for each in tuning.GRID}
        chosen = (min(means, key=means.__getitem__), tuning.choose_made_up(number, budget))
        results.append([tuning.true_loss(each) - best for each in chosen])
    return np.array(results)
