"""The words of a question on the test: the values of ``--test`` and ``--correction``."""

from enum import StrEnum

MOST_SEEDS = 64
"""Seeds after which an open setting is left open, unless the user names another number."""


class TestChoice(StrEnum):
    """The value of ``--test``."""

    __test__ = False  # pytest would take it for a test

    AUTO = "auto"
    PLANNED = "planned"
    ANYTIME = "anytime"


class Correction(StrEnum):
    """How the planned test is corrected for the number of rows."""

    MAX_T = "max-t"
    HOLM = "holm"
