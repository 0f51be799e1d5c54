"""Statistics as pure functions on arrays: intervals, paired tests, corrections, verdicts.

Nothing here imports scipy or torch, so that a table opens at once; tests hold the closed forms
against scipy and statsmodels.
"""

from dropexp.statistics.bounds import bernstein_bound, binomial_tail_bound, normal_variance_bound
from dropexp.statistics.calibration import expected_calibration_error, negative_log_likelihood
from dropexp.statistics.curves import (
    Rise,
    area_between,
    common_target,
    matched_epoch,
    rise_after_best,
)
from dropexp.statistics.intervals import (
    Estimate,
    mean_interval,
    paired_difference,
    probability_of_improvement,
)
from dropexp.statistics.planning import pairs_needed, t_test_power
from dropexp.statistics.sign_flip import EXACT_UP_TO, sign_flip_p_value, smallest_sign_flip_p
from dropexp.statistics.student_t import central_probability, t_quantile
from dropexp.statistics.verdicts import Verdict, holm, smallest_adjusted_p, underfits, verdict

__all__ = [
    "EXACT_UP_TO",
    "Estimate",
    "Rise",
    "Verdict",
    "area_between",
    "bernstein_bound",
    "binomial_tail_bound",
    "central_probability",
    "common_target",
    "expected_calibration_error",
    "holm",
    "matched_epoch",
    "mean_interval",
    "negative_log_likelihood",
    "normal_variance_bound",
    "paired_difference",
    "pairs_needed",
    "probability_of_improvement",
    "rise_after_best",
    "sign_flip_p_value",
    "smallest_adjusted_p",
    "smallest_sign_flip_p",
    "t_quantile",
    "t_test_power",
    "underfits",
    "verdict",
]
