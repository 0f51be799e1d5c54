"""Measure what channel and spatial dropout do to trained networks: claims 15 and 18."""

from collections.abc import Mapping, Sequence

from claims.finding import ClaimVerdict, Finding, decide_either_way, format_difference
from claims.results import HOW, choose_p, compare_two, format_result, list_losses
from claims.spatial import count_added_parameters
from claims.studies import CONFIRMATION, DIGITS, FASHION, SETUPS
from dropexp.compare import FoundRun
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, Verdict, paired_difference, planned_power

# --- 15: parameter efficiency -------------------------------------------------------------------


def measure_parameter_efficiency(
    digits: Sequence[FoundRun], fashion: Sequence[FoundRun]
) -> Finding:
    """Measure claim 15."""
    verdicts, sentences = [], []
    for name, found in (("digits", digits), ("Fashion-MNIST", fashion)):
        rows = {
            other: compare_two(found, "spatial_dropout", other)
            for other in ("dropout2d", "dropout", "none")
        }
        verdicts += [rows["dropout2d"].verdict, rows["dropout"].verdict]
        shown = "; ".join(f"− {other}: {format_result(row)}" for other, row in rows.items())
        sentences.append(f"{name} (p={choose_p(found, 'spatial_dropout'):g}) {shown}")
    added = count_added_parameters()
    return Finding(
        15,
        f"{format_parameters(added)}; at equal parameters, test loss of spatial_dropout on "
        f"{'. On '.join(sentences)}",
        judge_parameter_efficiency(added, verdicts),
        f"Studies {DIGITS} ({SETUPS[DIGITS]}) and {FASHION} ({SETUPS[FASHION]}). {HOW} Holds if "
        f"parameters are added, or if the result at equal parameters is worse than dropout2d's "
        f"and element-wise dropout's on both data sets; does not if it is worse in no case, and "
        f"better in at least one.",
    )


def format_parameters(added: Mapping[str, int]) -> str:
    """Format how many parameters each regulariser adds."""
    return f"parameters added: {', '.join(f'{name} {count}' for name, count in added.items())}"


def judge_parameter_efficiency(
    added: Mapping[str, int], compared: Sequence[Verdict | None]
) -> ClaimVerdict:
    """Apply claim 15's rule, on the verdicts against dropout2d and dropout on each data set."""
    if added["spatial_dropout"] > 0:
        return ClaimVerdict.HOLDS
    worse = [verdict is Verdict.WORSE for verdict in compared]
    better = any(verdict is Verdict.BETTER for verdict in compared)
    return decide_either_way(all(worse), better and not any(worse))


# --- 18: generalisation -------------------------------------------------------------------------


def measure_generalisation(
    digits: Sequence[FoundRun], more: Sequence[FoundRun], fashion: Sequence[FoundRun]
) -> Finding:
    """Measure claim 18."""
    verdicts, sentences = [], []
    for name, found in (("digits", digits), ("Fashion-MNIST", fashion)):
        gap = compare_two(found, "dropout2d", "none", METRIC_REGISTRY["loss_gap"], EpochChoice.LAST)
        end = compare_two(
            found, "dropout2d", "none", METRIC_REGISTRY["test_loss"], EpochChoice.LAST
        )
        best = compare_two(found, "dropout2d", "none")
        accuracy = compare_two(found, "dropout2d", "none", METRIC_REGISTRY["test_acc"])
        verdicts += [gap.verdict, end.verdict, best.verdict]
        sentences.append(
            f"{name} (p={best.setting.p:g}): at the last epoch loss gap {format_result(gap)}, "
            f"test loss {format_result(end)}; at the best epoch test loss {format_result(best)}, "
            f"test accuracy {format_result(accuracy)}"
        )
    return Finding(
        18,
        f"dropout2d − none. {'. '.join(sentences)}. {describe_power(digits, more)}",
        judge_generalisation(verdicts),
        f"Studies {DIGITS} ({SETUPS[DIGITS]}), {CONFIRMATION} ({SETUPS[CONFIRMATION]}) and "
        f"{FASHION} ({SETUPS[FASHION]}). {HOW} Holds if the gap and both test losses are clearly "
        f"better on both data sets, does not if none is; the best epoch is that of the lowest "
        f"validation loss, as if training had stopped there. Power: the probability that the "
        f"planned test of one row finds a true difference as large as that of the 16 fresh seeds.",
    )


def describe_power(digits: Sequence[FoundRun], more: Sequence[FoundRun]) -> str:
    """Return the sentences on the best-epoch difference on digits with 16 more seeds."""
    first, fresh = _find_differences(digits), _find_differences(more)
    effect, power = measure_power(fresh, len(first))
    return (
        f"Digits, best epoch, 16 more seeds: {format_difference(_estimate(fresh))}; all "
        f"{len(first) + len(fresh)} seeds: {format_difference(_estimate([*first, *fresh]))}. "
        f"The fresh difference is {effect:.2f} standard deviations, which {len(first)} seeds find "
        f"with a power of {power:.0%}, and {len(fresh)} seeds of "
        f"{measure_power(fresh, len(fresh))[1]:.0%}"
    )


def _find_differences(found: Sequence[FoundRun]) -> list[float]:
    """Return dropout2d − none in test loss at the best epoch, at p = 0.3, seed by seed."""
    noisy, plain = list_losses(found, "dropout2d", 0.3), list_losses(found, "none", 0)
    return [a - b for a, b in zip(noisy, plain, strict=True)]


def _estimate(differences: Sequence[float]) -> Estimate:
    return paired_difference(differences, [0.0] * len(differences))


def measure_power(differences: Sequence[float], seeds: int) -> tuple[float, float]:
    """Return |mean| ÷ standard deviation of differences, and the power of so many seeds for it."""
    mean = sum(differences) / len(differences)
    square = sum((each - mean) ** 2 for each in differences) / (len(differences) - 1)
    effect = abs(mean) / square**0.5 if square > 0 else 0.0
    return effect, planned_power(round(effect, 2), seeds, rows=1)


def judge_generalisation(compared: Sequence[Verdict | None]) -> ClaimVerdict:
    """Apply claim 18's rule, on the gaps' and the test losses' verdicts."""
    better = [verdict is Verdict.BETTER for verdict in compared]
    return decide_either_way(all(better), not any(better))
