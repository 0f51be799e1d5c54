"""Measure stochastic depth beside dropout at equal mean drop rates: claims 16, 17 and 21."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from claims.finding import ClaimVerdict, Finding, format_difference
from claims.results import HOW, choose_p, compare_two, format_result, list_losses
from claims.studies import BRANCH_P, DEEP, DEEP_DROPOUT, MEAN_RATES, RESNET20, SETUPS
from dropexp.compare import FoundRun
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, Verdict, mean_interval, paired_difference, step_down_max_t

_ALPHA = 0.05
_STUDIES = f"Studies {DEEP} and {DEEP_DROPOUT} ({SETUPS[DEEP]})."
_RATES = ", ".join(f"{rate:g}" for rate in MEAN_RATES)


def measure_against_dropout(deep: Sequence[FoundRun], resnet20: Sequence[FoundRun]) -> Finding:
    """Measure claim 16.

    Args:
        deep: stochastic depth and dropout at equal mean drop rates, and none.
        resnet20: both at one p, in a deeper network.
    """
    differences = measure_differences(deep)
    row = compare_two(deep, "stochastic_depth", "dropout")
    accuracy = compare_two(deep, "stochastic_depth", "dropout", METRIC_REGISTRY["test_acc"])
    plain = compare_two(deep, "stochastic_depth", "none")
    deeper = compare_two(resnet20, "stochastic_depth", "dropout")
    means = [
        np.mean(list_losses(resnet20, name, deeper.setting.p))
        for name in ("stochastic_depth", "dropout")
    ]
    at_rates = ", ".join(format_difference(mean_interval(each)) for each in differences)
    return Finding(
        16,
        f"test loss of stochastic_depth − dropout at mean drop rates {_RATES}: {at_rates}; each "
        f"at its best p (stochastic_depth {row.setting.p:g}, dropout "
        f"{choose_p(deep, 'dropout'):g}): {format_result(row)}; test accuracy: "
        f"{format_result(accuracy)}; loss − none: {format_result(plain)}. In ResNet-20 at p = "
        f"{deeper.setting.p:g} of both: {format_result(deeper)}; mean losses {means[0]:.3f} and "
        f"{means[1]:.3f}",
        judge_against_dropout(differences, (row.verdict, deeper.verdict)),
        f"{_STUDIES} {HOW} Study {RESNET20} ({SETUPS[RESNET20]}); other seeds had shown this case. "
        f"The claim says that a case exists. Holds if the loss is clearly lower at one mean drop "
        f"rate (joint sign flips over the {len(MEAN_RATES)} rates, 5 % level), at the best p of "
        f"each, or in {RESNET20}; else it depends.",
    )


def measure_differences(deep: Sequence[FoundRun]) -> NDArray[np.float64]:
    """Return stochastic depth's test loss − dropout's, nats, of shape (mean rates, seeds)."""
    pairs = zip(BRANCH_P, MEAN_RATES, strict=True)
    return np.array(
        [
            np.subtract(
                list_losses(deep, "stochastic_depth", p), list_losses(deep, "dropout", rate)
            )
            for p, rate in pairs
        ]
    )


def judge_against_dropout(
    differences: NDArray[np.float64], others: Sequence[Verdict | None]
) -> ClaimVerdict:
    """Apply claim 16's rule.

    Args:
        differences: of losses at equal mean drop rates, in nats, of shape (mean rates, seeds).
        others: verdicts on the loss in the other cases that were tested.
    """
    is_lower = np.nanmean(differences, axis=1) < 0
    is_clear = step_down_max_t(differences) <= _ALPHA
    if Verdict.BETTER in others or bool((is_lower & is_clear).any()):
        return ClaimVerdict.HOLDS
    return ClaimVerdict.DEPENDS


def measure_tuning(deep: Sequence[FoundRun]) -> Finding:
    """Measure claim 17."""
    losses = {
        "stochastic_depth": [list_losses(deep, "stochastic_depth", p) for p in BRANCH_P],
        "dropout": [list_losses(deep, "dropout", rate) for rate in MEAN_RATES],
    }
    ranges = {name: measure_ranges(each) for name, each in losses.items()}
    difference = paired_difference(ranges["stochastic_depth"], ranges["dropout"])
    means = {name: sum(values) / len(values) for name, values in ranges.items()}
    curves = "; ".join(
        f"{name} {', '.join(f'{sum(row) / len(row):.3f}' for row in each)}"
        for name, each in losses.items()
    )
    return Finding(
        17,
        f"range of the test loss over mean drop rates {_RATES}: stochastic_depth "
        f"{means['stochastic_depth']:.3f} nats, dropout {means['dropout']:.3f}; difference "
        f"{format_difference(difference)}",
        judge_tuning(difference),
        f"{_STUDIES} Largest − smallest over the rates, seed by seed, with a 95 % t interval for "
        f"the difference. A mean rate is the average over the blocks: stochastic depth's p, that "
        f"of the last branch, is one and a half times as large. Mean test losses: {curves}. Holds "
        f"if the difference is clearly above 0; else it depends: {len(MEAN_RATES)} strengths in "
        f"one network cannot refute that something may be hard.",
    )


def measure_ranges(losses: Sequence[Sequence[float]]) -> list[float]:
    """Return the largest − the smallest loss over strengths for each seed, in nats.

    Args:
        losses: (strengths, seeds); NaN where a run diverged before it had a best epoch, which
            makes the seed's range NaN.
    """
    by_seed = zip(*losses, strict=True)
    return [math.nan if any(map(math.isnan, each)) else max(each) - min(each) for each in by_seed]


def judge_tuning(difference: Estimate) -> ClaimVerdict:
    """Apply claim 17's rule, on stochastic depth's range − dropout's."""
    return ClaimVerdict.HOLDS if difference.low > 0 else ClaimVerdict.DEPENDS


def measure_depth(deep: Sequence[FoundRun]) -> Finding:
    """Measure claim 21."""
    gap, last = METRIC_REGISTRY["loss_gap"], EpochChoice.LAST
    plain = compare_two(deep, "stochastic_depth", "none", gap, last)
    at_rate = {
        rate: compare_two(_take_rate(deep, p, rate), "stochastic_depth", "dropout", gap, last)
        for p, rate in zip(BRANCH_P, MEAN_RATES, strict=True)
    }
    shown = "; ".join(f"at {rate:g} {format_result(row)}" for rate, row in at_rate.items())
    return Finding(
        21,
        f"loss gap at the last epoch, stochastic_depth (p={plain.setting.p:g}) − none: "
        f"{format_result(plain)}; − dropout of equal mean drop rate: {shown}",
        judge_depth(plain.verdict, [row.verdict for row in at_rate.values()]),
        f"{_STUDIES} Dropout of the same mean rate is noise that leaves the depth as it is. "
        f"Losses in nats; paired tests at the 5 % level. Holds if the gap is clearly smaller than "
        f"without a regulariser and than dropout's at every rate, does not if it is not smaller "
        f"than without a regulariser; else it depends, as noise of the same rate without a change "
        f"of depth does as much somewhere.",
    )


def _take_rate(deep: Sequence[FoundRun], p: float, rate: float) -> list[FoundRun]:
    """Return the runs of stochastic depth and of dropout at one mean drop rate."""
    chosen = {("stochastic_depth", p), ("dropout", rate)}
    return [
        run for run in deep if (run.compared.summary.regulariser, run.compared.summary.p) in chosen
    ]


def judge_depth(plain: Verdict | None, at_equal_rates: Sequence[Verdict | None]) -> ClaimVerdict:
    """Apply claim 21's rule, on the gap's verdicts against none and against dropout."""
    if plain is not Verdict.BETTER:
        return ClaimVerdict.DOES_NOT_HOLD
    is_better = [verdict is Verdict.BETTER for verdict in at_equal_rates]
    return ClaimVerdict.HOLDS if all(is_better) else ClaimVerdict.DEPENDS
