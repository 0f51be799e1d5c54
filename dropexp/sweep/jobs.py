"""What a sweep sends to the processes of its runs, and what they send back."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.errors import StoreError
from dropexp.runs.attempts import Attempt, has_ended_since, read_attempt
from dropexp.runs.read import FolderStatus
from dropexp.runs.write import RunFolder

STOP_FILE = "stop"
"""In a sweep's folder: its runs save their state and end, and no further run starts."""

TOKEN_FILE = "token"
"""In a sweep's folder: a process that reads the sweep's token here shares its file system."""


class Work(StrEnum):
    """What the process of a job has done."""

    NOTHING = "nothing"  # another process has done it
    TRAINED = "trained"
    MEASURED = "measured"  # a finished run, with mc_dropout


class Ending(StrEnum):
    """How a job ended."""

    FINISHED = "finished"  # the run's summary says whether it diverged
    FAILED = "failed"
    BUSY = "busy"  # another process is training this run
    STOPPED = "stopped"  # on request; the run can be resumed
    KILLED = "killed"  # the run's process died
    NO_DISK = "no disk"  # full, read-only or defective; the run can be resumed


@dataclass(frozen=True)
class Job:
    """One run to train, and the folders to train it in.

    Attributes:
        config: of the run.
        runs_dir: the folder of run folders; absolute.
        sweep_dir: the folder of the sweep's stop and token files; absolute.
        token: of the sweep; the content of its TOKEN_FILE.
        stale: the attempt of an earlier sweep, whose end does not count; None: every end counts.
    """

    config: RunConfig
    runs_dir: Path
    sweep_dir: Path
    token: str
    stale: Attempt | None = None

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.config.run_id

    @property
    def is_stopped(self) -> bool:
        """Whether the sweep has asked its runs to end."""
        return (self.sweep_dir / STOP_FILE).exists()

    def find_outcome(self, *, is_stopped: bool = False) -> "Outcome | None":
        """Return the outcome of a job that needs no process; None where there is work to do.

        The sweep is to stop, or another process trains the run or has ended it meanwhile.
        """
        if is_stopped or self.is_stopped:
            return Outcome(self.run_id, Ending.STOPPED)
        folder = RunFolder(self.runs_dir, self.run_id)
        status = folder.status
        if status is not FolderStatus.FINISHED and folder.is_held:
            return Outcome(self.run_id, Ending.BUSY)
        if not has_ended_since(folder, self.stale):
            return None
        if status is FolderStatus.FAILED:
            return Outcome(self.run_id, Ending.FAILED, folder.read_error())
        return Outcome(self.run_id, Ending.FINISHED) if self._is_done(folder) else None

    def must_replace(self, folder: RunFolder) -> bool:
        """Return whether to train again in spite of what the folder holds, as ``force`` asks.

        Once a new attempt has begun, a run that is launched again resumes it.
        """
        forced = self.stale if self.config.force else None
        return forced is not None and read_attempt(folder).token in ("", forced.token)

    def _is_done(self, folder: RunFolder) -> bool:
        """Return whether the finished run in the folder is this one, and lacks no measurement."""
        try:
            summary = folder.read_summary()
        except StoreError:
            return False
        is_same = summary.config_hash == self.config.config_hash
        is_whole = not folder.find_damage(summary, whole=False)
        return is_same and is_whole and not summary.lacks_mc_dropout(self.config.mc_dropout)


@dataclass(frozen=True)
class Outcome:
    """How the job of a run ended.

    Attributes:
        run_id: of the run.
        ending: how it ended.
        message: why, where it has failed or was killed; what is wrong with the disk.
        work: what the job has done for that.
        files: the whole run folder, where the process could not write to the sweep's store.
    """

    run_id: str
    ending: Ending
    message: str = ""
    work: Work = Work.NOTHING
    files: dict[str, bytes] | None = field(default=None, repr=False)
