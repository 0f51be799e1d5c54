"""Arrays of numbers come in; intervals, p-values, corrections, bounds and verdicts go out.

Pure functions without scipy and torch, so that a table opens at once; tests compare the closed
forms with scipy.
"""

from dropexp.statistics.anytime import (
    anytime_half_width,
    anytime_interval,
    anytime_p_value,
    anytime_share,
    fewest_anytime_pairs,
    smallest_anytime_p,
    symmetry_e_process,
)
from dropexp.statistics.bootstrap import draw_seed_weights, expanded_percentiles
from dropexp.statistics.bounds import bernstein_bound, binomial_tail_bound, normal_variance_bound
from dropexp.statistics.calibration import expected_calibration_error, negative_log_likelihood
from dropexp.statistics.corrections import holm, smallest_adjusted_p
from dropexp.statistics.curves import (
    Rise,
    area_between,
    common_target,
    matched_epoch,
    rise_after_best,
)
from dropexp.statistics.equivalence import anytime_equivalence_p_value
from dropexp.statistics.forecast import MOST_MORE_SEEDS, SeedForecast, forecast_seeds
from dropexp.statistics.forgetting import Forgetting, count_forgetting, precision_at_top
from dropexp.statistics.intervals import (
    Estimate,
    mean_interval,
    mean_intervals,
    paired_difference,
    positive_mean_interval,
    probability_of_improvement,
)
from dropexp.statistics.max_t import step_down_max_t
from dropexp.statistics.power import anytime_power, planned_power
from dropexp.statistics.power_law import FEWEST_SIZES, PowerLaws, fit_power_laws
from dropexp.statistics.ratios import ratio_of_means
from dropexp.statistics.sign_flip import (
    EXACT_UP_TO,
    sign_flip_p_value,
    sign_flip_p_values,
    smallest_flip_p,
)
from dropexp.statistics.student_t import central_probability, t_quantile
from dropexp.statistics.verdicts import Verdict, decide_verdict

__all__ = [
    "EXACT_UP_TO",
    "FEWEST_SIZES",
    "MOST_MORE_SEEDS",
    "Estimate",
    "Forgetting",
    "PowerLaws",
    "Rise",
    "SeedForecast",
    "Verdict",
    "anytime_equivalence_p_value",
    "anytime_half_width",
    "anytime_interval",
    "anytime_p_value",
    "anytime_power",
    "anytime_share",
    "area_between",
    "bernstein_bound",
    "binomial_tail_bound",
    "central_probability",
    "common_target",
    "count_forgetting",
    "decide_verdict",
    "draw_seed_weights",
    "expanded_percentiles",
    "expected_calibration_error",
    "fewest_anytime_pairs",
    "fit_power_laws",
    "forecast_seeds",
    "holm",
    "matched_epoch",
    "mean_interval",
    "mean_intervals",
    "negative_log_likelihood",
    "normal_variance_bound",
    "paired_difference",
    "planned_power",
    "positive_mean_interval",
    "precision_at_top",
    "probability_of_improvement",
    "ratio_of_means",
    "rise_after_best",
    "sign_flip_p_value",
    "sign_flip_p_values",
    "smallest_adjusted_p",
    "smallest_anytime_p",
    "smallest_flip_p",
    "step_down_max_t",
    "symmetry_e_process",
    "t_quantile",
]
