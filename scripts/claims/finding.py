"""The type of a measured claim, and the text of the article's claims."""

from dataclasses import dataclass
from enum import StrEnum

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
    11: "DropConnect gives smoother activation maps than dropout.",
    12: "DropConnect costs more compute.",
    13: "Spatial dropout drops positions, not channels.",
    14: "Spatial dropout keeps local features.",
    15: "Spatial dropout is less parameter-efficient.",
    16: "Stochastic depth can beat dropout.",
    17: "Stochastic depth is hard to tune.",
    18: "dropout2d prevents overfitting and improves generalisation.",
}


class Verdict(StrEnum):
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
    verdict: Verdict
    evidence: str

    @property
    def says(self) -> str:
        """The text of the claim."""
        return CLAIMS[self.claim]


def either_way(holds: bool, contradicted: bool) -> Verdict:
    """Return the verdict of a rule with two opposite conditions; DEPENDS if neither holds."""
    if holds == contradicted:
        return Verdict.DEPENDS
    return Verdict.HOLDS if holds else Verdict.DOES_NOT_HOLD


def true_or_false(holds: bool) -> Verdict:
    """Return the verdict of a rule with one condition."""
    return Verdict.HOLDS if holds else Verdict.DOES_NOT_HOLD


def mebibytes(count: float) -> str:
    """Format bytes as MiB."""
    return f"{count / 2**20:.1f} MiB"


def listed(values: "list[float] | tuple[float, ...]", digits: int) -> str:
    """Format numbers, separated by commas."""
    return ", ".join(f"{value:.{digits}f}" for value in values)
