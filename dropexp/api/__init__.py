"""The commands as functions, for notebooks and scripts: options come in, objects go out.

Options have the names of the commands' options. Frames, charts and HTML are made when asked for.
"""

from dropexp.api.analysing import early_stopping, effects, forgetting, learning_curve
from dropexp.api.analysis_results import (
    EarlyStoppingResult,
    EffectsResult,
    ForgettingResult,
    LearningCurvesResult,
)
from dropexp.api.comparing import ComparisonResult, compare
from dropexp.api.deciding import DecidedStudy, TunedStudy, sweep_until_decided, tune
from dropexp.api.loading import load_runs
from dropexp.api.training import SweptStudy, TrainedRun, sweep, train
from dropexp.runs.recorded_run import Recording
from dropexp.runs.recording import record

__all__ = [
    "ComparisonResult",
    "DecidedStudy",
    "EarlyStoppingResult",
    "EffectsResult",
    "ForgettingResult",
    "LearningCurvesResult",
    "Recording",
    "SweptStudy",
    "TrainedRun",
    "TunedStudy",
    "compare",
    "early_stopping",
    "effects",
    "forgetting",
    "learning_curve",
    "load_runs",
    "record",
    "sweep",
    "sweep_until_decided",
    "train",
    "tune",
]
