"""The sentence on both epochs, for every combination of verdicts."""

import re
from dataclasses import replace
from itertools import product

import pytest

from dropexp.compare.results import Comparison, Half, Row
from dropexp.report.answer import answer
from dropexp.report.halves import describe_both_halves
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, Verdict
from tests.made_up import make_comparison

_TESTED = [verdict for verdict in Verdict if verdict is not Verdict.EXPLORATION]
_SIZES = {
    Verdict.BETTER: Estimate(-0.2, -0.3, -0.1, 8),
    Verdict.WORSE: Estimate(0.15, 0.1, 0.2, 8),
    Verdict.PRACTICALLY_EQUAL: Estimate(0.001, -0.004, 0.006, 8),
    Verdict.NO_CLEAR_DIFFERENCE: Estimate(-0.03, -0.1, 0.04, 8),
    Verdict.TOO_FEW_SEEDS: Estimate(-0.05, -0.2, 0.1, 3),
}
_LAST = {
    Verdict.BETTER: "lowers the test loss by 0.200 nats",
    Verdict.WORSE: "raises the test loss by 0.150 nats",
    Verdict.PRACTICALLY_EQUAL: "makes practically no difference to the test loss",
    Verdict.NO_CLEAR_DIFFERENCE: "makes no clear difference to the test loss",
    Verdict.TOO_FEW_SEEDS: "has a mean test loss 0.050 nats lower",
}
_AFTER_EFFECT = {
    Verdict.BETTER: "it lowers the test loss by 0.200 nats [0.100, 0.300]",
    Verdict.WORSE: "it raises the test loss by 0.150 nats [0.100, 0.200]",
    Verdict.PRACTICALLY_EQUAL: "nothing is left of it (within ±0.010 nats)",
    Verdict.NO_CLEAR_DIFFERENCE: "no clear difference is left: 0.030 nats lower [−0.040, 0.100]",
    Verdict.TOO_FEW_SEEDS: "it has a mean test loss 0.050 nats lower",
}
_AFTER_NOTHING = {
    **_AFTER_EFFECT,
    Verdict.PRACTICALLY_EQUAL: "it makes practically no difference (within ±0.010 nats)",
    Verdict.NO_CLEAR_DIFFERENCE: "it makes no clear difference: 0.030 nats lower",
}
Result = tuple[Verdict, Estimate]


@pytest.fixture(scope="module")
def study() -> Comparison:
    made = make_comparison(("none", "dropout2d"), seeds=3)
    return replace(made, rule=replace(made.rule, margin=0.01))


def describe(study: Comparison, at: EpochChoice, last: Result, best: Result) -> str | None:
    own, other = (last, best) if at is EpochChoice.LAST else (best, last)
    other_at = EpochChoice.BEST if at is EpochChoice.LAST else EpochChoice.LAST
    row = replace(
        study.rows[1],
        verdict=own[0],
        difference=own[1],
        other_half=Half(other_at, other[1], other[0]),
    )
    return describe_both_halves(replace(study, at=at), row)


@pytest.mark.parametrize(("last", "best"), list(product(_TESTED, _TESTED)))
def test_every_combination_has_a_sentence_of_its_own(
    study: Comparison, last: Verdict, best: Verdict
) -> None:
    results = (last, _SIZES[last]), (best, replace(_SIZES[best], n=9))
    sentence = describe(study, EpochChoice.LAST, *results)
    assert sentence == describe(study, EpochChoice.BEST, *results), "in whichever order"
    assert sentence is not None
    assert sentence.startswith(f"Without stopping early, dropout2d at p = 0.3 {_LAST[last]}")
    first, second = sentence.split(" with early stopping (each run at its best epoch) ")
    if last is best and last in (Verdict.PRACTICALLY_EQUAL, Verdict.NO_CLEAR_DIFFERENCE):
        assert (first[-5:], second) == (", and", "neither.")
    elif last is best is Verdict.TOO_FEW_SEEDS:
        assert second.endswith("too few seeds for a verdict on either.")
    else:
        had_effect = last in (Verdict.BETTER, Verdict.WORSE)
        assert second.startswith((_AFTER_EFFECT if had_effect else _AFTER_NOTHING)[best])
    assert ("too few seeds" in sentence) == (Verdict.TOO_FEW_SEEDS in (last, best))
    assert "left" not in sentence or last in (Verdict.BETTER, Verdict.WORSE)


def test_a_smaller_effect_of_the_same_kind_remains(study: Comparison) -> None:
    last = Verdict.BETTER, Estimate(-0.2, -0.3, -0.1, 8)
    best = Verdict.BETTER, Estimate(-0.02, -0.03, -0.01, 8)
    sentence = describe(study, EpochChoice.LAST, last, best)
    assert sentence is not None
    assert sentence.endswith(" 0.020 nats [0.010, 0.030] of it remain.")
    swapped = describe(study, EpochChoice.LAST, best, last)
    assert swapped is not None
    assert "remain" not in swapped
    assert swapped.endswith("it lowers the test loss by 0.200 nats [0.100, 0.300].")


@pytest.mark.parametrize(("low", "is_excluded"), [(-0.03, True), (-0.05, False)])
def test_hardly_anything_is_left_only_where_the_interval_excludes_more(
    study: Comparison, low: float, *, is_excluded: bool
) -> None:
    last = Verdict.BETTER, Estimate(-0.2, -0.3, -0.1, 8)
    best = Verdict.NO_CLEAR_DIFFERENCE, Estimate(-0.005, low, 0.02, 8)
    sentence = describe(study, EpochChoice.LAST, last, best)
    assert sentence is not None
    assert ("hardly anything is left of it: any difference is below" in sentence) == is_excluded
    assert ("no clear difference is left" in sentence) != is_excluded


def test_an_infinite_interval_is_not_written(study: Comparison) -> None:
    few = Verdict.TOO_FEW_SEEDS, Estimate(-0.05, -float("inf"), float("inf"), 3)
    for last, best in product([few, (Verdict.BETTER, _SIZES[Verdict.BETTER])], [few]):
        sentence = describe(study, EpochChoice.BEST, last, replace_n(best))
        assert sentence is not None
        assert not re.search("inf|nan|∞", sentence)


def replace_n(result: Result) -> Result:
    return result[0], replace(result[1], n=result[1].n + 1)


def without_half(row: Row) -> Row:
    return replace(row, other_half=None)


def test_nothing_is_said_where_there_is_one_half(study: Comparison) -> None:
    assert describe_both_halves(study, without_half(study.rows[1])) is None
    rise = make_comparison(("none", "dropout2d"), metric=METRIC_REGISTRY["val_loss"], epochs=1)
    assert not any("stopping early" in each for each in answer(rise)), "one epoch is both"
    unknown = Verdict.WORSE, Estimate(float("nan"), float("nan"), float("nan"), 0)
    known = Verdict.BETTER, _SIZES[Verdict.BETTER]
    assert describe(study, EpochChoice.LAST, known, unknown) is None


def test_early_stopping_that_was_on_is_no_full_training() -> None:
    study = make_comparison(
        ("none", "dropout2d"), seeds=8, train_early_stopping=(True,), train_patience=(5,)
    )
    assert study.rows[1].other_half is not None
    assert not any("stopping early" in each for each in answer(study))


def test_the_answer_says_both_halves_of_a_real_comparison() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=8)
    row = study.rows[1]
    assert row.other_half is not None
    assert row.difference is not None
    sentence = answer(study)[1]
    assert f"by {-row.other_half.difference.value:.3f} nats; with early" in sentence
    assert f"{-row.difference.value:.3f} nats" in sentence
