"""Finished runs -> settings -> rows: which setting generalises better, paired seed by seed.

Imports neither torch nor scipy: a table opens at once.
"""

from dropexp.compare.engine import Question, compare
from dropexp.compare.reading import Found, find_runs

__all__ = ["Found", "Question", "compare", "find_runs"]
