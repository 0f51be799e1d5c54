"""Schedules over time: the factor that p is multiplied by at an epoch.

A factor is in [0, 1]. Epochs are counted from 1; t in [0, 1] is the progress of training: 0 at
the first epoch, 1 at the last.
"""

import math
from typing import Literal, get_args

TimeSchedule = Literal[
    "constant", "linear_up", "linear_down", "cosine", "curriculum", "early", "late"
]
TIME_SCHEDULES: tuple[TimeSchedule, ...] = get_args(TimeSchedule)
SWITCHING_SCHEDULES: tuple[TimeSchedule, ...] = ("early", "late")
"""The schedules that are either on or off and need ``switch_after``."""

_CURRICULUM_RATE = 10.0  # γT in Morerio et al. 2017, section 3


def p_factor(
    schedule: TimeSchedule, epoch: int, epochs: int, switch_after: int | None = None
) -> float:
    """Return the factor that a schedule multiplies p by at an epoch.

    ===========  ============================================================================
    constant     1
    linear_up    t
    linear_down  1 − t
    cosine       (1 + cos πt) / 2: falling from 1 to 0
    early        1 in the first ``switch_after`` epochs, then 0 (Liu et al. 2023, "Dropout
                 reduces underfitting": early dropout)
    late         0 in the first ``switch_after`` epochs, then 1 (the same: late dropout)
    curriculum   1 − exp(−10 t) (Morerio et al. 2017, "Curriculum dropout", eq. 3 with γ = 10/T,
                 by epochs instead of steps)
    ===========  ============================================================================

    Args:
        schedule: one of TIME_SCHEDULES.
        epoch: from 1.
        epochs: the number of epochs of the training, at least 1.
        switch_after: the number of epochs before the switch; for ``early`` and ``late`` only.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: the schedule is ``early`` or ``late``, and switch_after is None.
    """
    if schedule in SWITCHING_SCHEDULES:
        if switch_after is None:
            raise ValueError(f"the schedule {schedule} needs switch_after")
        return float((epoch <= switch_after) == (schedule == "early"))
    t = (epoch - 1) / max(epochs - 1, 1)
    match schedule:
        case "linear_up":
            return t
        case "linear_down":
            return 1 - t
        case "cosine":
            return (1 + math.cos(math.pi * t)) / 2
        case "curriculum":
            return -math.expm1(-_CURRICULUM_RATE * t)
    return 1.0
