"""Search a space: try settings in generations, and drop the poor ones seed by seed.

A generation is proposed from all earlier ones, and its runs depend on results alone, never on the
order in which runs end. So runs train in parallel, and a search that was killed ends as it would
have. Seeds are saved, not epochs: a strong p learns slowly, so that poor beginnings of curves would
speak against regularisers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from dropexp.sweep.tuning.candidates import Candidate, SeededCandidate, Space
from dropexp.sweep.tuning.proposals import Trial, TrialState, is_worse, propose

SEEDS = 8
"""Seeds on which a setting is tried that is not dropped."""

_FIRST_SEEDS = 2
"""Seeds on which every setting is tried: with one more, two poor ones may be chance."""

_FIRST_EACH = 3
"""Settings of each regulariser in the first generation, spread evenly."""

_LATER = 4
"""Settings in each later generation."""

Evaluate = Callable[[Sequence[SeededCandidate]], Mapping[SeededCandidate, float]]
"""Trains runs, and returns their differences from none in nats: for the first ones of the list, as
far as the budget goes."""


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


def count_first_runs(space: Space) -> int:
    """Return how many runs the first generation takes at least, with those of none."""
    return _FIRST_SEEDS * (len(propose(space, 0, [], 0, _count_first(space))) + 1)


def _count_first(space: Space) -> int:
    return _FIRST_EACH * len(space.branches)


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
    first = _count_first(space)
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
    _try_batch(search, batch, seeds, evaluate)
    report(search)
    while not search.is_budget_spent:
        if search.best is not None:
            _drop_worse(search, search.best, place)
        open_trials = sorted(
            (t for t in search.trials[place:] if t.state is TrialState.OPEN),
            key=lambda trial: trial.mean,
        )
        if not open_trials:
            break
        if search.best is None:
            # Others are dropped by comparison with a complete trial.
            leader = open_trials[0]
            left = [(leader.candidate, s) for s in seeds if s not in leader.differences]
        else:
            left = [(t.candidate, seeds[len(t.differences)]) for t in open_trials]
        _try_batch(search, left, seeds, evaluate)
        report(search)


def _try_batch(
    search: Search, batch: Sequence[SeededCandidate], seeds: Sequence[int], evaluate: Evaluate
) -> None:
    """Train a batch, and add its results to the trials; settings that are new become trials."""
    results = evaluate(batch)
    search.is_budget_spent = len(results) < len(batch)
    places = {trial.candidate: number for number, trial in enumerate(search.trials)}
    for candidate in dict.fromkeys(each for each, _ in results):
        fresh = {seed: value for (each, seed), value in results.items() if each == candidate}
        if candidate not in places:
            search.trials.append(Trial(candidate, fresh, TrialState.OPEN))
            continue
        trial = search.trials[places[candidate]]
        differences = {**trial.differences, **fresh}
        is_complete = len(differences) == len(seeds)
        state = TrialState.COMPLETE if is_complete else TrialState.OPEN
        search.trials[places[candidate]] = replace(trial, differences=differences, state=state)


def _drop_worse(search: Search, best: Trial, place: int) -> None:
    for number, trial in enumerate(search.trials):
        if number >= place and trial.state is TrialState.OPEN and is_worse(trial, best):
            search.trials[number] = replace(trial, state=TrialState.DROPPED)
