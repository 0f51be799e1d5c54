"""The commands as functions, for notebooks and scripts: options come in, objects go out.

Options have the names of the commands' options. Frames, charts and HTML are made when asked for.
"""

from dropexp.api.comparing import ComparisonResult, compare
from dropexp.api.loading import load_runs
from dropexp.api.training import SweptStudy, TrainedRun, sweep, train
from dropexp.runs.recorded_run import Recording
from dropexp.runs.recording import record

__all__ = [
    "ComparisonResult",
    "Recording",
    "SweptStudy",
    "TrainedRun",
    "compare",
    "load_runs",
    "record",
    "sweep",
    "train",
]
