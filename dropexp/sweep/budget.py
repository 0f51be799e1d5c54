"""Parse a budget: how long a command may train, or how many runs it may ask for."""

import re
from dataclasses import dataclass

from dropexp.errors import ConfigError
from dropexp.runs.question_types import MOST_SEEDS as MOST_SEEDS
from dropexp.terminal.numbers import format_count

LIMIT_OF_SEEDS = 10_000
"""Largest number of seeds that a user may name: more than any study needs."""

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_BUDGET = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*", re.IGNORECASE)
_ALLOWED = "write a time (90s, 30min, 2h) or a number of runs (200runs), above 0"


@dataclass(frozen=True)
class Budget:
    """What a command may spend; at most one of the two limits it.

    Attributes:
        seconds: of wall time, above 0; None: no limit.
        runs: how many runs it may ask for, at least 1; None: no limit.
    """

    seconds: float | None = None
    runs: int | None = None

    def double(self) -> "Budget":
        """Return twice the budget."""
        return Budget(
            None if self.seconds is None else 2 * self.seconds,
            None if self.runs is None else 2 * self.runs,
        )

    def __str__(self) -> str:
        """Return the budget as a person writes it: ``30 min``, ``200 runs``."""
        if self.runs is not None:
            return format_count(self.runs, "run")
        if self.seconds is None:
            return "no limit"
        unit = next((u for u in ("h", "min") if self.seconds % _SECONDS[u] == 0), "s")
        return f"{self.seconds / _SECONDS[unit]:g} {unit}"


def parse_budget(text: str) -> Budget:
    """Return the budget that a text such as ``30min``, ``2h``, ``90s`` or ``200runs`` names.

    Raises:
        ConfigError: the text is no budget.
    """
    match = _BUDGET.fullmatch(text)
    amount, unit = (float(match[1]), match[2].lower()) if match else (0.0, "")
    if amount > 0 and unit in _SECONDS:
        return Budget(seconds=amount * _SECONDS[unit])
    if amount >= 1 and amount.is_integer() and unit in ("run", "runs"):
        return Budget(runs=int(amount))
    raise ConfigError(f"--budget {text} is not a budget: {_ALLOWED}.")
