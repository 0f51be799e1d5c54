"""Finished runs come in; a comparison goes out: settings, paired seed by seed, with verdicts.

It also has the registry of columns, and formats a comparison as a terminal table, CSV, JSON,
Markdown and LaTeX. It imports neither torch nor scipy, so that a table opens at once.
"""

import sys

from dropexp import CallablePackage
from dropexp.compare.engine import compare
from dropexp.compare.found_runs import FoundRun, FoundRuns
from dropexp.compare.question import Question
from dropexp.compare.reading import find_runs

__all__ = ["FoundRun", "FoundRuns", "Question", "compare", "find_runs"]

sys.modules[__name__].__class__ = CallablePackage
