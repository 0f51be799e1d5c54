"""The result of an audit: plain values, for audit.json and for people."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_ROUNDING = 1e-6  # a learned p is a float32


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

    def to_json(self) -> dict[str, Any]:
        """Return plain values for audit.json; NaN and infinity, which JSON lacks, become null."""
        return {
            "name": self.name,
            "passed": self.passed,
            "value": self.value if math.isfinite(self.value) else None,
            "bound": self.bound if math.isfinite(self.bound) else None,
            "meaning": self.meaning,
            "relation": self.relation,
        }


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
            return "; ".join(f"{check.name}: {check.meaning}" for check in self.failures)
        count = len(self.checks)
        if not self.sites:
            return f"{count} checks passed; no regulariser in the model"
        rates = [self.drop_rates[name] for name in self.sites]
        return (
            f"{count} checks passed; {len(rates)} site{'s' if len(rates) != 1 else ''}, "
            f"drop rate {_format_range(rates)} for {_format_range(list(self.sites.values()))}"
        )


def _format_range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3g}" if math.isclose(low, high) else f"{low:.3g}–{high:.3g}"
