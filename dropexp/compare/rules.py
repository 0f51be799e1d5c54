"""How rows are decided: the test, its correction, its level and the margin."""

from dataclasses import dataclass
from enum import StrEnum

from dropexp.runs.question_types import Correction

ALPHA = 0.05
"""The level of a test, after the correction for the number of rows."""

CONFIDENCE = 0.95
"""The coverage of each interval."""


class TestKind(StrEnum):
    """Which test speaks."""

    __test__ = False  # pytest would take it for a test

    PLANNED = "planned"
    ANYTIME = "anytime"


@dataclass(frozen=True)
class Rule:
    """How rows are decided.

    Attributes:
        kind: the test.
        correction: of the planned test; the anytime test has Holm's.
        alpha: the level after correction, in (0, 1).
        confidence: the coverage of each interval, in (0, 1).
        margin: differences within ± this many units of the metric are practically equal; None for
            no margin.
    """

    kind: TestKind
    correction: Correction = Correction.MAX_T
    alpha: float = ALPHA
    confidence: float = CONFIDENCE
    margin: float | None = None

    @property
    def correction_name(self) -> str:
        """The correction for the number of rows, as tables name it."""
        is_holm = self.kind is TestKind.ANYTIME or self.correction is Correction.HOLM
        return "Holm" if is_holm else "max-t"


@dataclass(frozen=True)
class TestInForce:
    """The test that speaks, and why.

    Attributes:
        kind: the test.
        reason: why it speaks, as the end of a sentence that names it.
    """

    __test__ = False

    kind: TestKind
    reason: str
