"""What an audit found: plain values, for audit.json and for people."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was measured, the bound it was held to, in words and in numbers."""

    name: str
    passed: bool
    value: float
    bound: float
    meaning: str
    relation: Literal["<=", ">=", "=="] = "<="  # of the value to the bound, if it passed


@dataclass(frozen=True, slots=True)
class AuditReport:
    """All checks of one audit."""

    checks: tuple[Check, ...]
    sites: Mapping[str, float]  # noise module -> its drop probability
    realised: Mapping[str, float]  # noise module -> the share of its units that were dropped

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    def to_json(self) -> dict[str, Any]:
        """Plain values for audit.json; a bound or value that is not a number becomes null."""
        checks = [asdict(check) for check in self.checks]
        for check in checks:
            for key in ("value", "bound"):
                check[key] = check[key] if math.isfinite(check[key]) else None
        return {
            "passed": self.passed,
            "checks": checks,
            "sites": dict(self.sites),
            "realised_drop_rate": dict(self.realised),
        }

    def in_a_line(self) -> str:
        """The audit's outcome for a person."""
        if not self.passed:
            return "; ".join(f"{check.name}: {check.meaning}" for check in self.failures)
        count = len(self.checks)
        if not self.sites:
            return f"{count} checks passed; no regulariser in the model"
        rates = [self.realised[name] for name in self.sites]
        asked = list(self.sites.values())
        return (
            f"{count} checks passed; {len(rates)} site{'s' if len(rates) != 1 else ''}, "
            f"drop rate {_range(rates)} for {_range(asked)}"
        )


def _range(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.3g}" if math.isclose(low, high) else f"{low:.3g}–{high:.3g}"
