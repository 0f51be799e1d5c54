"""Proposals are a pure function of the seed, the space and the results so far."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.config.overrides import Interval
from dropexp.sweep.tuning.candidates import Candidate, Choices, Dimension, Space
from dropexp.sweep.tuning.proposals import WORST, Trial, TrialState, is_worse, propose
from tests.sweep.tuning.made_up import SPACE, get_p, measured_loss

FIRST = 9


def try_out(candidates: list[Candidate], seeds: int = 4) -> list[Trial]:
    return [
        Trial(each, {s: measured_loss(each, s) for s in range(seeds)}, TrialState.COMPLETE)
        for each in candidates
    ]


def test_the_first_proposals_cover_every_regulariser_evenly() -> None:
    first = propose(SPACE, 0, [], 4, FIRST)
    assert len(first) == FIRST
    for name in SPACE.branches:
        strengths = sorted(get_p(each) for each in first if each.regulariser == name)
        assert strengths == [0.16, 0.37, 0.59]


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), count=st.integers(1, 5))
def test_the_same_results_give_the_same_proposals(seed: int, count: int) -> None:
    trials = try_out(propose(SPACE, seed, [], count, FIRST))
    proposed = propose(SPACE, seed, trials, count, FIRST)
    assert proposed == propose(SPACE, seed, trials, count, FIRST)
    assert len(set(proposed)) == len(proposed) == count
    assert not {trial.candidate for trial in trials} & set(proposed)


def test_proposals_follow_the_results_and_the_seed() -> None:
    trials = try_out(propose(SPACE, 0, [], 4, FIRST))
    reversed_results = [
        Trial(trial.candidate, {0: -trial.mean}, TrialState.COMPLETE) for trial in trials
    ]
    proposed = propose(SPACE, 0, trials, 4, FIRST)
    assert proposed != propose(SPACE, 1, trials, 4, FIRST)
    assert proposed != propose(SPACE, 0, reversed_results, 4, FIRST)


def test_later_proposals_prefer_what_was_good() -> None:
    trials: list[Trial] = []
    for _ in range(8):
        trials += try_out(propose(SPACE, 0, trials, 4, FIRST))
    later = [trial.candidate.regulariser for trial in trials[FIRST:]]
    assert later.count("good") > len(later) / 2


def test_a_finite_space_is_tried_once_and_then_nothing_is_left() -> None:
    width = Dimension("model.width", Choices(("8", "16", "32")))
    depth = Dimension("model.depth", Interval(1, 2, is_integer=True))
    space = Space({"dropout": (width, depth), "cutout": (width,)})
    trials: list[Trial] = []
    while proposed := propose(space, 3, trials, 2, 4):
        trials += [Trial(each, {0: 0.0}, TrialState.COMPLETE) for each in proposed]
    assert len({trial.candidate for trial in trials}) == len(trials) == 9


def make_trial(*differences: float) -> Trial:
    return Trial(Candidate("good", ()), dict(enumerate(differences)), TrialState.OPEN)


def test_a_trial_is_dropped_once_the_test_finds_it_worse_seed_by_seed() -> None:
    best = make_trial(-0.05, -0.04, -0.06, -0.05, -0.03, -0.05)
    assert not is_worse(make_trial(0.1), best)  # one seed may be chance
    assert is_worse(make_trial(0.01, 0.02), best)
    assert not is_worse(make_trial(-0.06, 0.02), best)
    assert not is_worse(make_trial(-0.051, -0.041, -0.059), best)
    assert is_worse(make_trial(-0.05, WORST), best) is False  # one loss of two; the mean decides
    assert is_worse(make_trial(WORST, WORST), best)
