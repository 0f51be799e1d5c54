"""dropexp: which regulariser, at which strength, makes this network generalise better.

Importing this package costs nothing: torch is imported by the modules that use it.
"""

__version__ = "0.1.0"

RESULTS_VERSION = 1
"""Raised when a change of the code changes the numbers of runs; part of every run's identity."""
