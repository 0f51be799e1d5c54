"""Factorial studies: runs of every combination come in; main effects and interactions go out."""

from dropexp.compare.effects.engine import find_effects
from dropexp.compare.effects.results import Effect, Effects

__all__ = ["Effect", "Effects", "find_effects"]
