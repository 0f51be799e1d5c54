"""A search ends at the same place whatever was stopped, and spends seeds on what is promising."""

import pytest

from dropexp.sweep.tuning.candidates import Candidate, Choices, Dimension, Space
from dropexp.sweep.tuning.proposals import WORST, TrialState
from dropexp.sweep.tuning.search import SEEDS, Search, count_first_runs, run_search
from tests.sweep.tuning.made_up import SPACE, MadeUpRuns, get_p, measured_loss, true_loss


def search_with(runs: MadeUpRuns, seed: int = 0) -> Search:
    return run_search(SPACE, seed, runs.evaluate)


def test_the_same_search_asks_for_the_same_runs_in_the_same_batches() -> None:
    first, again = MadeUpRuns(90), MadeUpRuns(90)
    assert search_with(first).trials == search_with(again).trials
    assert first.batches == again.batches
    assert len(set(first.runs)) == len(first.runs) == 90


@pytest.mark.parametrize("budget", [25, 40, 41, 63, 80])
def test_a_search_with_a_smaller_budget_is_a_beginning_of_the_larger_one(budget: int) -> None:
    # A search that was killed is one: it has the results of its first runs, and no more.
    small, large = MadeUpRuns(budget), MadeUpRuns(90)
    search_with(small)
    search_with(large)
    assert small.runs == large.runs[:budget]


def test_runs_have_seeds_from_that_of_the_search_on() -> None:
    runs = MadeUpRuns(90)
    search_with(runs, seed=40)
    assert {seed for _, seed in runs.runs} == set(range(40, 40 + SEEDS))


def test_poor_settings_are_dropped_early_and_the_chosen_one_is_complete() -> None:
    search = search_with(MadeUpRuns(90))
    assert search.is_budget_spent
    assert search.best is not None
    assert len(search.best.differences) == SEEDS
    harmful = [t for t in search.trials if t.candidate.regulariser == "harmful"]
    assert {t.state for t in harmful} == {TrialState.DROPPED}
    assert max(len(t.differences) for t in harmful) < SEEDS
    assert min(t.mean for t in search.trials if t.is_complete) == search.best.mean


def test_a_good_setting_is_found_with_few_runs() -> None:
    grid = [
        SPACE.make_candidate(name, {"p": p / 20}) for name in SPACE.branches for p in range(1, 15)
    ]
    lowest = min(map(true_loss, grid))
    found = [search_with(MadeUpRuns(90), seed).best for seed in range(0, 60, 10)]
    regrets = [true_loss(best.candidate) - lowest for best in found if best is not None]
    assert len(regrets) == 6
    assert sum(regret <= 0.01 for regret in regrets) >= 5


def test_runs_that_diverge_are_the_worst() -> None:
    def loss(candidate: Candidate, seed: int) -> float:
        return WORST if get_p(candidate) < 0.5 else measured_loss(candidate, seed)

    search = run_search(SPACE, 0, MadeUpRuns(90, loss).evaluate)
    assert search.best is not None
    assert get_p(search.best.candidate) >= 0.5


def test_a_small_space_is_searched_to_its_end() -> None:
    space = Space({name: (Dimension("p", Choices(("0.1", "0.3"))),) for name in SPACE.branches})
    search = run_search(space, 0, MadeUpRuns(1000).evaluate)
    assert not search.is_budget_spent
    assert len(search.trials) == 6
    assert TrialState.OPEN not in {trial.state for trial in search.trials}


def test_the_best_of_each_regulariser_has_as_many_seeds_as_there_are() -> None:
    best = search_with(MadeUpRuns(90)).best_of_each
    assert [trial.candidate.regulariser for trial in best] == ["good", "middling", "harmful"]
    assert best[0].is_complete


def test_the_first_runs_are_counted_with_those_of_none() -> None:
    assert count_first_runs(SPACE) == 9 * 2 + 2
