"""Search a space: try settings in generations, and drop the poor ones seed by seed.

A generation is proposed from all earlier ones, and its runs depend on results alone, never on the
order in which runs end. So runs train in parallel, and a search that was killed ends as it would
have. Seeds are saved, not epochs: a strong p learns slowly, so that poor beginnings of curves would
speak against regularisers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dropexp.sweep.tuning.candidates import Candidate, Space
from dropexp.sweep.tuning.proposals import Trial, is_worse, propose

SEEDS = 8
"""Seeds on which a setting is tried that is not dropped."""

_FIRST_SEEDS = 2
"""Seeds on which every setting is tried: with one more, two poor ones may be chance."""

_FIRST_EACH = 3
"""Settings of each regulariser in the first generation, spread evenly."""

_LATER = 4
"""Settings in each later generation."""

Attempt = tuple[Candidate, int]
"""A setting on a seed."""

Evaluate = Callable[[Sequence[Attempt]], Mapping[Attempt, float] | None]
"""Trains runs, and returns their differences from none in nats; None where the budget has ended."""


@dataclass
class Search:
    """A search as far as it is.

    Attributes:
        trials: in the order in which they were proposed.
        generation: the number of the generation, from 1.
        is_budget_spent: whether the budget ended it, and not the space.
    """

    trials: list[Trial] = field(default_factory=list)
    generation: int = 0
    is_budget_spent: bool = False

    @property
    def best(self) -> Trial | None:
        """The complete trial of the lowest mean; of equal ones the first."""
        complete = [trial for trial in self.trials if trial.is_complete]
        return min(complete, key=lambda trial: trial.mean, default=None)

    @property
    def best_of_each(self) -> list[Trial]:
        """The best trial of each regulariser, the lowest mean first.

        Where a regulariser has no complete trial, its best one so far on the most seeds.
        """
        found: dict[str, Trial] = {}
        for trial in sorted(self.trials, key=_by_seeds_and_mean):
            found.setdefault(trial.candidate.regulariser, trial)
        return sorted(found.values(), key=lambda trial: trial.mean)


def _by_seeds_and_mean(trial: Trial) -> tuple[int, float]:
    return -len(trial.differences), trial.mean


def run_search(
    space: Space,
    seed: int,
    evaluate: Evaluate,
    report: Callable[[Search], None] = lambda _: None,
) -> Search:
    """Search a space until the budget ends or nothing is left to try.

    Args:
        space: what can be chosen.
        seed: of the search; its runs have the seeds ``seed``, ``seed + 1`` …
        evaluate: trains runs.
        report: is shown the search after each batch of runs.
    """
    search = Search()
    first = _FIRST_EACH * len(space.branches)
    while not search.is_budget_spent:
        proposed = propose(space, seed, search.trials, _LATER, first)
        if not proposed:
            break
        search.generation += 1
        _try_all(search, proposed, list(range(seed, seed + SEEDS)), evaluate, report)
    return search


def _try_all(
    search: Search,
    proposed: Sequence[Candidate],
    seeds: Sequence[int],
    evaluate: Evaluate,
    report: Callable[[Search], None],
) -> None:
    """Try the settings of a generation seed by seed, and drop those worse than the best one."""
    place = len(search.trials)
    batch = [(each, seed) for each in proposed for seed in seeds[:_FIRST_SEEDS]]
    results = evaluate(batch)
    if results is None:
        search.is_budget_spent = True
        return
    search.trials += [
        Trial(each, {seed: results[each, seed] for seed in seeds[:_FIRST_SEEDS]}, False)
        for each in proposed
    ]
    report(search)
    going_on = list(range(place, len(search.trials)))
    while going_on:
        if search.best is None:
            leader = min(going_on, key=lambda number: search.trials[number].mean)
            chosen = [leader]
            left = {leader: seeds[_FIRST_SEEDS:]}
        else:
            going_on = [n for n in going_on if not is_worse(search.trials[n], search.best)]
            left = {n: [seeds[len(search.trials[n].differences)]] for n in going_on}
            chosen = list(going_on)
        batch = [(search.trials[n].candidate, seed) for n in chosen for seed in left[n]]
        results = evaluate(batch) if batch else {}
        if results is None:
            search.is_budget_spent = True
            return
        for number in chosen:
            search.trials[number] = _add(search.trials[number], results, len(seeds))
        report(search)
        going_on = [n for n in going_on if not search.trials[n].is_complete]


def _add(trial: Trial, results: Mapping[Attempt, float], seeds: int) -> Trial:
    fresh = {seed: value for (candidate, seed), value in results.items() if candidate == trial.candidate}
    differences = {**trial.differences, **fresh}
    return Trial(trial.candidate, differences, len(differences) == seeds)
