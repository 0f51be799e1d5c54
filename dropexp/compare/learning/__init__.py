"""Learning curves: a comparison over training-set sizes comes in, power laws and worth go out.

A regulariser's worth is how many more training images the baseline needs for the same result.
"""

from dropexp.compare.learning.curves import count_learning_curves, measure_learning_curves
from dropexp.compare.learning.results import LearningCurve, LearningCurves, Worth, WorthBounds

__all__ = [
    "LearningCurve",
    "LearningCurves",
    "Worth",
    "WorthBounds",
    "count_learning_curves",
    "measure_learning_curves",
]
