"""Launch runs, again where they are lost, until each has ended."""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dropexp.config.compose import to_yaml
from dropexp.config.run_config import RunConfig
from dropexp.errors import (
    BusyError,
    DiskError,
    DropexpError,
    RunError,
    RunsDirError,
    StoreError,
)
from dropexp.runs.attempts import (
    Attempt,
    has_ended_since,
    make_attempt,
    read_attempt,
    record_attempt,
)
from dropexp.runs.durable import find_store_problem, make_disk_error, make_store_error, write_file
from dropexp.runs.files import CONFIG, ERROR
from dropexp.runs.write import RunFolder
from dropexp.sweep.jobs import STOP_FILE, TOKEN_FILE, Ending, Job, Outcome, Work
from dropexp.sweep.launchers import Launcher
from dropexp.sweep.sweep_dirs import BREAKDOWN_FILE

_MOST_ATTEMPTS = 3
"""Times that a run is launched whose process is killed each time."""

_MOST_BREAKDOWNS = 3
"""Times in a row that a launcher may break down before any run has ended."""

_SECONDS_BETWEEN_ROUNDS = 0.2
_PATIENCE = 5.0
"""Seconds to wait for the lock of a run's folder."""

_MOST_SECONDS_TO_CLOSE = 10.0
"""A cluster may take longer to answer that it has cancelled its jobs."""


class Rounds:
    """Hands runs to a launcher until none is left, in a thread of its own.

    A run is launched again if its process was killed (a bounded number of times), if another
    process was training it, or if the launcher lost it.

    Args:
        launcher: takes the jobs.
        configs: of the runs to launch, the first ones first.
        runs_dir: the folder of run folders; absolute.
        sweep_dir: the folder of the sweep's stop and token files; absolute. Its name is the
            token of the sweep.
        stale: run id → the attempt whose end does not count, as the run is trained again.
    """

    def __init__(
        self,
        launcher: Launcher,
        configs: Sequence[RunConfig],
        runs_dir: Path,
        sweep_dir: Path,
        stale: Mapping[str, Attempt] | None = None,
    ) -> None:
        self._launcher = launcher
        self._left = {config.run_id: config for config in configs}
        self._runs_dir = runs_dir
        self._sweep_dir = sweep_dir
        self._token = sweep_dir.name
        self._stale = dict(stale or {})
        self._attempts: Counter[str] = Counter()
        self._stop_requested = threading.Event()
        self._ended = threading.Event()
        self._error: Exception | None = None
        try:
            write_file(sweep_dir / TOKEN_FILE, self._token.encode(), is_promised=False)
        except OSError as error:
            raise make_store_error(sweep_dir / TOKEN_FILE, error) from None
        self.failures: dict[str, str] = {}
        """Why runs have failed, by id; some failures cannot be written into the folder."""
        self.work: dict[str, Work] = {}
        """What this sweep has done for the runs that have ended, by id."""
        self.disk_problem: DiskError | None = None
        """Why no further run can be written; None while one can."""

    @property
    def is_stopped(self) -> bool:
        """Whether stop() was called."""
        return self._stop_requested.is_set()

    def stop(self) -> None:
        """Launch no more; runs that train save their state and end."""
        self._stop_requested.set()
        self._launcher.stop()
        with suppress(OSError):  # on a full disk, where runs end by themselves
            (self._sweep_dir / STOP_FILE).touch()

    def start(self) -> None:
        """Begin to launch."""
        threading.Thread(target=self._run, name="launcher", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most some seconds, and return whether it has come."""
        # Not by Thread.join(): one that Ctrl-C interrupts marks the thread as ended.
        return self._ended.wait(seconds)

    def close(self) -> None:
        """End the runs that still train, and the thread that waits for them."""
        self._stop_requested.set()  # what is lost now is not launched again
        self._launcher.close()
        # A thread that outlives the sweep collects processes while Python's exit joins them.
        self._ended.wait(_MOST_SECONDS_TO_CLOSE)

    def raise_error(self) -> None:
        """Raise the error that has ended the thread, if there is one."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._launch_until_done()
        except Exception as error:
            if not self.is_stopped:
                self._error = error
        finally:
            self._ended.set()

    def _launch_until_done(self) -> None:
        breakdowns = 0
        while self._left and not self.is_stopped:
            before = len(self._left)
            jobs = [self._build_job(config) for config in self._left.values()]
            try:
                for outcome in self._launcher.launch(jobs):
                    self._refuse_lost_folder()
                    self._record_outcome(self._left[outcome.run_id], outcome)
            except Exception as error:
                # Launchers differ in what they raise when a process of theirs is lost.
                self._refuse_lost_folder()
                self._forget_ended()
                breakdowns = breakdowns + 1 if len(self._left) == before else 0
                if breakdowns >= _MOST_BREAKDOWNS:
                    raise self._explain_breakdown(error) from error
            if self._left:
                time.sleep(_SECONDS_BETWEEN_ROUNDS)

    def _refuse_lost_folder(self) -> None:
        """Raise RunError if somebody has removed the folder of the runs, with that of the sweep."""
        if not self._sweep_dir.is_dir():
            raise RunError(
                f"runs_dir={self._runs_dir} was removed or replaced while the sweep trained "
                f"runs in it; what they had written is gone. The same command trains them anew."
            )

    def _explain_breakdown(self, error: Exception) -> RunError:
        trace = self._runs_dir / BREAKDOWN_FILE
        text = "".join(traceback.format_exception(error))
        with suppress(OSError):
            write_file(trace, text.encode(), is_promised=False)
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        return RunError(
            f"hydra/launcher={self._launcher.name} broke down {_MOST_BREAKDOWNS} times in a row "
            f"({reason}); see {trace}. Finished runs are kept; the same command resumes the sweep."
        )

    def _build_job(self, config: RunConfig) -> Job:
        return Job(
            config=config,
            runs_dir=self._runs_dir,
            sweep_dir=self._sweep_dir,
            token=self._token,
            stale=self._stale.get(config.run_id),
        )

    def _record_outcome(self, config: RunConfig, outcome: Outcome) -> None:
        reason = outcome.message
        if outcome.ending is Ending.NO_DISK:
            self._stop_for_lack_of_disk(reason)
            return
        if outcome.ending is Ending.KILLED:
            self._attempts[outcome.run_id] += 1
            if self._attempts[outcome.run_id] < _MOST_ATTEMPTS:
                return
            reason = f"launched {_MOST_ATTEMPTS} times, and each time {reason}"
            self._write_failure(config, reason)
            self.work[outcome.run_id] = Work.TRAINED
        elif outcome.ending not in (Ending.FINISHED, Ending.FAILED):
            return
        elif outcome.files:
            try:
                self._store_files(config, outcome.files)
            except BusyError:
                return  # it is asked for again
            except DiskError as error:
                self._stop_for_lack_of_disk(error.reason)
                return
            except DropexpError as error:
                reason = str(error)
        self.work.setdefault(outcome.run_id, outcome.work)
        del self._left[outcome.run_id]
        if reason:
            self.failures[outcome.run_id] = reason

    def _store_files(self, config: RunConfig, files: Mapping[str, bytes]) -> None:
        """Write the folder of a run that was trained elsewhere.

        Raises:
            BusyError: another process is training it.
            DiskError: no run can be written.
            DropexpError: this run cannot be written.
        """
        folder = self._folder(config)
        try:
            with folder.lock(patience=_PATIENCE):
                if not has_ended_since(folder, self._stale.get(config.run_id)):
                    folder.replace_files(files)
        except DiskError:
            raise
        except (RunsDirError, StoreError):
            if problem := find_store_problem(self._runs_dir):
                raise make_disk_error(self._runs_dir, problem) from None
            raise

    def _stop_for_lack_of_disk(self, reason: str) -> None:
        """Stop: no further run could be written, and none is to blame."""
        self.disk_problem = make_disk_error(self._runs_dir, reason)
        self.stop()

    def _write_failure(self, config: RunConfig, reason: str) -> None:
        folder = self._folder(config)
        # What cannot be written is still reported at the end of the sweep.
        with suppress(DropexpError), folder.lock(patience=_PATIENCE):
            folder.write(CONFIG, to_yaml(config))
            record_attempt(folder, make_attempt(self._token))
            folder.write(ERROR, f"{reason}\n")

    def _forget_ended(self) -> None:
        """Leave out the runs that have ended although their outcomes were lost."""
        for run_id, config in list(self._left.items()):
            folder = self._folder(config)
            if has_ended_since(folder, self._stale.get(run_id)):
                is_own = read_attempt(folder).sweep == self._token
                self.work[run_id] = Work.TRAINED if is_own else Work.NOTHING
                del self._left[run_id]

    def _folder(self, config: RunConfig) -> RunFolder:
        return RunFolder(self._runs_dir, config.run_id)
