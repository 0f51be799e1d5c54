"""Findings of an earlier measurement, shown where the studies that measure them anew are missing.

They are of 2026-11-21: ResNet-20 with p = 0.1, 0.4 and 0.7 for stochastic depth and for dropout, so
at unequal mean drop rates. Stochastic depth's nine branches have p · l/9, a mean of p · 5/9.
"""

from collections.abc import Sequence

from claims.finding import ClaimVerdict, Finding

_STUDY = (
    "Measured on 2026-11-21: 700 digits, a fifth of the labels wrong; ResNet-20, 25 epochs, "
    "p = 0.1, 0.4, 0.7, 6 seeds. Each regulariser at its p of the lowest validation loss; losses "
    "in nats; paired test at the 5 % level."
)
_AGAIN = "`--studies` measures it anew at equal mean drop rates."
_AT_BEST = (
    "each at its best p (0.4 and 0.4): +0.093 [+0.056, +0.130], better in 0 of 6 pairs; test "
    "accuracy -0.050 [-0.070, -0.030], better in 0 of 6 pairs"
)

EARLIER_CASE = (
    "at p = 0.7 of both (mean drop rates 0.39 and 0.7) a mean test loss of 0.381 for "
    "stochastic_depth and of 0.631 for dropout (6 seeds, 2026-11-21)"
)
"""The case that claim 16 needs."""

RECORDED = {
    16: Finding(
        16,
        f"test loss of stochastic_depth and of dropout, means of 6 seeds, at p = 0.1: 0.441, "
        f"0.356; at 0.4: 0.371, 0.278; at 0.7: 0.381, 0.631. stochastic_depth − dropout, "
        f"{_AT_BEST}",
        ClaimVerdict.HOLDS,
        f"{_STUDY} The claim says that a case exists. Holds if the mean loss is lower at one p: "
        f"at p = 0.7 it is. With the best p of each it is not. {_AGAIN}",
    ),
    17: Finding(
        17,
        "mean test losses of stochastic_depth at mean drop rates 0.06, 0.22, 0.39: 0.441, 0.371, "
        "0.381, a range of 0.070 nats; of dropout at 0.1, 0.4: 0.356, 0.278, a range of 0.078; at "
        "0.7, which no stochastic depth here reaches, 0.631",
        ClaimVerdict.DEPENDS,
        f"{_STUDY} The mean drop rate is that over the nine branches; p is that of the last one. "
        f"At rates that both have, the ranges are alike. Holds if stochastic depth's is clearly "
        f"larger; else it depends: three strengths cannot refute that something may be hard. "
        f"{_AGAIN}",
    ),
    21: Finding(
        21,
        f"test loss of stochastic_depth − none: -0.107 [-0.153, -0.061], better in 6 of 6 pairs; "
        f"− dropout, which leaves the depth as it is, {_AT_BEST}",
        ClaimVerdict.DEPENDS,
        f"{_STUDY} Holds if the loss is clearly lower than without a regulariser and than with "
        f"dropout, does not if it is not lower than without; else it depends, as noise without a "
        f"change of depth does as much. {_AGAIN}",
    ),
}


def fill_in(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with the earlier measurement of each claim that lacks its studies."""
    return [
        RECORDED.get(finding.claim, finding)
        if finding.verdict is ClaimVerdict.NEEDS_STUDIES
        else finding
        for finding in findings
    ]
