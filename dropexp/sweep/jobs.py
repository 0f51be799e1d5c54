"""What a sweep sends to the processes of its runs, and what they send back."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dropexp.config.run_config import RunConfig

STOP_FILE = "stop"
"""In a sweep's folder: its runs save their state and end, and no further run starts."""

TOKEN_FILE = "token"
"""In a sweep's folder: a process that reads the sweep's token here shares its file system."""


class Ending(StrEnum):
    """How a job ended."""

    FINISHED = "finished"  # the run's summary says whether it diverged
    FAILED = "failed"
    BUSY = "busy"  # another process is training this run
    STOPPED = "stopped"  # on request; the run can be resumed
    KILLED = "killed"  # the run's process died


@dataclass(frozen=True)
class Job:
    """One run to train, and the folders to train it in.

    Attributes:
        config: of the run.
        runs_dir: the folder of run folders; absolute.
        sweep_dir: the folder of the sweep's stop and token files; absolute.
        token: the content of the sweep's TOKEN_FILE.
        began_at: when the sweep began, by the file system's clock, in seconds since 1970.
    """

    config: RunConfig
    runs_dir: Path
    sweep_dir: Path
    token: str
    began_at: float

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.config.run_id

    @property
    def is_stopped(self) -> bool:
        """Whether the sweep has asked its runs to end."""
        return (self.sweep_dir / STOP_FILE).exists()


@dataclass(frozen=True)
class Outcome:
    """How the job of a run ended.

    ``files`` holds the whole run folder where the process could not write to the sweep's store.
    """

    run_id: str
    ending: Ending
    message: str = ""
    files: dict[str, bytes] | None = field(default=None, repr=False)
