"""The verdict of a paired comparison: what its p-value allows one to claim."""

from enum import StrEnum

from dropexp.statistics.arguments import check_open_fraction


class Verdict(StrEnum):
    """What may be claimed of a setting against its baseline."""

    BETTER = "better"
    WORSE = "worse"
    PRACTICALLY_EQUAL = "practically equal"  # any difference is within the margin
    NO_CLEAR_DIFFERENCE = "no clear difference"
    TOO_FEW_SEEDS = "too few seeds"
    EXPLORATION = "exploration"  # tried by a search because of earlier results; not tested

    @property
    def is_decided(self) -> bool:
        """Whether it answers the question, so that further seeds are not needed."""
        return self in (Verdict.BETTER, Verdict.WORSE, Verdict.PRACTICALLY_EQUAL)


def decide_verdict(
    adjusted_p: float, difference: float, smallest_p: float, alpha: float = 0.05
) -> Verdict:
    """Return the verdict that a p-value allows.

    Args:
        adjusted_p: the row's p-value after correction, in [0, 1]; NaN where there was no test.
        difference: the row's mean paired difference; below 0 is better, as of a loss.
        smallest_p: the smallest adjusted p-value that the row can have whatever the data; see
            smallest_adjusted_p. NaN where there was no test.
        alpha: the level, in (0, 1).

    Returns:
        ``better`` or ``worse`` where the adjusted p-value is at most alpha, ``too few seeds``
        where no data could bring it there, and ``no clear difference`` otherwise.

    Raises:
        ValueError: alpha is outside (0, 1).
    """
    check_open_fraction(alpha, "alpha")
    can_reject = smallest_p <= alpha  # False for NaN
    if not can_reject:
        return Verdict.TOO_FEW_SEEDS
    if adjusted_p <= alpha and difference != 0:
        return Verdict.BETTER if difference < 0 else Verdict.WORSE
    return Verdict.NO_CLEAR_DIFFERENCE
