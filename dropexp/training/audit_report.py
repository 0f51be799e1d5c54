"""The result of an audit: plain values, for audit.json and for people."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dropexp.errors import AuditError
from dropexp.terminal.numbers import format_count

_ROUNDING = 1e-6  # a learned p is a float32

USUAL_CAUSES: Mapping[str, str] = {
    "modes": "a train() or eval() method that is overridden",
    "registered": "layers in a plain list instead of nn.ModuleList, or a weight that is neither an "
    "nn.Parameter nor a buffer: it is not trained, saved or moved to a device",
    "initial_weights": "random numbers that the regulariser draws while the network is built",
    "sites_served": "a regulariser that needs other layers than this network has",
    "strength": "p that does not reach the layers, or is given twice",
    "evaluation_equals_none": "noise or scaling that ignores self.training",
    "evaluation_passes": "F.dropout without training=self.training, or random numbers in forward",
    "drop_rate": "a keep probability given as a drop probability, or noise that is switched off",
    "expectation": "kept values that are not divided by 1 − p, or are scaled in eval mode as well",
    "training_passes": "a noise module whose output is not used, or random numbers in forward",
    "p0_equals_none": "noise that stays at p = 0, or the network's own dropout in its forward",
    "measurable": "a mask of another shape than the regulariser's",
}
"""Name of a check → what usually makes it fail."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an audit: a measured value and the bound it must keep.

    Attributes:
        name: an identifier such as ``drop_rate``, for programs.
        value: the measured number; NaN where it could not be measured.
        bound: the number that the value is compared with.
        meaning: what the value is, in words.
        relation: ``value relation bound`` is true where the check passes; ``==`` is up to rounding.
    """

    name: str
    value: float
    bound: float
    meaning: str
    relation: Literal["<=", ">=", "=="] = "<="

    @property
    def passed(self) -> bool:
        """Whether the value keeps the bound; NaN never does."""
        match self.relation:
            case "<=":
                return self.value <= self.bound
            case ">=":
                return self.value >= self.bound
            case "==":
                return math.isclose(self.value, self.bound, rel_tol=_ROUNDING)

    @property
    def usual_cause(self) -> str:
        """What usually makes this check fail; empty if nothing is known."""
        return USUAL_CAUSES.get(self.name, "")

    def to_json(self) -> dict[str, Any]:
        """Return plain values for audit.json; NaN and infinity, which JSON lacks, become null."""
        return {
            "name": self.name,
            "passed": self.passed,
            "value": self.value if math.isfinite(self.value) else None,
            "bound": self.bound if math.isfinite(self.bound) else None,
            "meaning": self.meaning,
            "relation": self.relation,
            "usual_cause": self.usual_cause,
        }

    def explain(self) -> str:
        """Return the check's name, value, bound and usual cause in one line."""
        value = "not measurable" if math.isnan(self.value) else f"{self.value:.3g}"
        allowed = "" if math.isnan(self.bound) else f", allowed {self.relation} {self.bound:.3g}"
        cause = f"; usual cause: {self.usual_cause}" if self.usual_cause else ""
        return f"{self.name} is {value}{allowed} ({self.meaning}){cause}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All checks of one audit.

    Attributes:
        checks: in the order in which they were made.
        sites: noise module → its drop probability.
        drop_rates: noise module → the share of its units that a probe pass dropped.
    """

    checks: tuple[Check, ...]
    sites: Mapping[str, float]
    drop_rates: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for audit.json."""
        return {
            "passed": self.passed,
            "checks": [check.to_json() for check in self.checks],
            "sites": dict(self.sites),
            "realised_drop_rate": dict(self.drop_rates),
        }

    def summarise(self) -> str:
        """Return the outcome in one line: the failed checks, or how many passed."""
        if not self.passed:
            return "; ".join(check.explain() for check in self.failures)
        count = len(self.checks)
        if not self.sites:
            return f"{count} checks passed; no regulariser in the model"
        rates = [self.drop_rates[name] for name in self.sites]
        return (
            f"{count} checks passed; {format_count(len(rates), 'site')}, "
            f"drop rate {_format_range(rates)} for {_format_range(list(self.sites.values()))}"
        )

    def raise_if_wrong(self) -> None:
        """Raise an error if a check failed.

        Raises:
            AuditError: names each failed check, its value, its bound and its usual cause.
        """
        if not self.passed:
            raise AuditError(f"the audit failed: {self.summarise()}.")


def _format_range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3g}" if math.isclose(low, high) else f"{low:.3g}–{high:.3g}"
