"""The type of a measured claim, and the text of the article's claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from dropexp.statistics import Estimate

CLAIMS = {
    1: "dropout2d zeroes whole channels, each with probability p.",
    2: "The output is the input times a mask of zeros and ones.",
    3: "The input must be (N, C, H, W).",
    4: "inplace=True saves memory.",
    5: "Only the functional form supports inplace.",
    6: "The functional form is used only in training and is off in evaluation.",
    7: "The module lets one set p separately for training and inference.",
    8: "The module uses slightly more memory than the functional form.",
    9: "The module keeps the shape of its input.",
    10: "DropConnect scales all inputs and outputs of each unit; its coefficients can be learned.",
    11: "DropConnect gives smoother activation maps than dropout, against vanishing gradients.",
    12: "DropConnect costs more compute than dropout.",
    13: "Spatial dropout drops positions, not channels.",
    14: "Spatial dropout keeps local features.",
    15: "Spatial dropout is less parameter-efficient.",
    16: "Stochastic depth can beat dropout.",
    17: "Stochastic depth may be hard to tune.",
    18: "dropout2d prevents overfitting and improves generalisation.",
    19: "The functional form is functionally the same as the module.",
    20: "Such a regulariser is simple to implement.",
    21: "Stochastic depth prevents overfitting by varying depth.",
}


class ClaimVerdict(StrEnum):
    """The result of measuring a claim."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    DEPENDS = "depends"
    NEEDS_STUDIES = "needs --studies"


@dataclass(frozen=True)
class Finding:
    """A claim with its measurement.

    Attributes:
        claim: the number of the claim, a key of CLAIMS.
        measured: the measured numbers with their units.
        verdict: follows from the numbers by the rule that ``evidence`` states.
        evidence: the method, and the rule for the verdict. Code is between backticks.
    """

    claim: int
    measured: str
    verdict: ClaimVerdict
    evidence: str

    @property
    def text(self) -> str:
        """The text of the claim, as the article says it."""
        return CLAIMS[self.claim]


def decide_either_way(holds: bool, contradicted: bool) -> ClaimVerdict:
    """Return the verdict of a rule with two opposite conditions; DEPENDS if neither holds."""
    if holds == contradicted:
        return ClaimVerdict.DEPENDS
    return ClaimVerdict.HOLDS if holds else ClaimVerdict.DOES_NOT_HOLD


def decide(holds: bool) -> ClaimVerdict:
    """Return HOLDS or DOES_NOT_HOLD, the verdict of a rule with one condition."""
    return ClaimVerdict.HOLDS if holds else ClaimVerdict.DOES_NOT_HOLD


def format_difference(estimate: Estimate) -> str:
    """Format a difference with its interval: ``-0.120 [-0.200, -0.040]``."""
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def format_mib(count: float) -> str:
    """Format bytes as MiB."""
    return f"{count / 2**20:.1f} MiB"


def format_numbers(values: Sequence[float], digits: int) -> str:
    """Format numbers, separated by commas."""
    return ", ".join(f"{value:.{digits}f}" for value in values)
