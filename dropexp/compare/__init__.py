"""Finished runs come in; a comparison goes out: settings, paired seed by seed, with verdicts.

Also the registry of columns, and a comparison as a terminal table, CSV, JSON, Markdown and LaTeX.
Imports neither torch nor scipy: a table opens at once.
"""

from dropexp.compare.engine import compare
from dropexp.compare.question import Question
from dropexp.compare.reading import FoundRun, find_runs

__all__ = ["FoundRun", "Question", "compare", "find_runs"]
