"""What is to be done with a run of a sweep."""

from enum import StrEnum


class PlanStatus(StrEnum):
    """What is to be done with a run."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    FINISHED = "finished"
    ELSEWHERE = "elsewhere"  # another process is training it
    DAMAGED = "damaged"  # it says that it is finished, and is not whole: it is trained again
    UNMEASURED = "unmeasured"  # finished, without the mc_dropout passes that the config asks for
