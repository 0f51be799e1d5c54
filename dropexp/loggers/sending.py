"""Send a run folder to a tracker: what it holds and the tracker does not have yet."""

import time
from dataclasses import replace

from dropexp.loggers.contents import describe_run, get_ending, list_epochs, list_results
from dropexp.loggers.sent_runs import SentRun, read_sent_runs, write_sent_run
from dropexp.loggers.tracker import Ending, RunEnd, TrackedRun, Tracker
from dropexp.runs.files import SUMMARY
from dropexp.runs.records import EpochRecord
from dropexp.runs.write import RunFolder


class RunSender:
    """Sends one run to one tracker, in as many steps as the caller likes.

    What was sent is kept in the folder. So a resumed run continues in the tracker, and a run that
    was sent whole is not sent again.

    Args:
        folder: of the run, which may still grow.
        tracker: receives it.
        logger: the name of the tracker's logger.
    """

    def __init__(self, folder: RunFolder, tracker: Tracker, logger: str) -> None:
        self._folder = folder
        self._tracker = tracker
        self._logger = logger
        self._sent = read_sent_runs(folder, logger).get(tracker.destination)
        self._run: TrackedRun | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the tracker has the final results."""
        return self._sent is not None and self._sent.is_finished

    def send_epochs(self) -> None:
        """Send the epochs that are new in metrics.csv; the first call starts the run.

        Raises:
            StoreError: a file of the folder cannot be read or written.
            Exception: whatever the tracker's package raises.
        """
        records = self._folder.read_records()
        run, sent = self._open(records)
        epochs = list_epochs(records, sent.started_at, after=sent.epochs)
        if epochs:
            run.log_epochs(epochs)
            self._keep(replace(sent, epochs=epochs[-1].epoch))

    def finish(self, ending: Ending = Ending.INTERRUPTED) -> None:
        """Send what is left, and close the run in the tracker.

        Args:
            ending: of a run without a summary; a summary says how the run has ended.

        Raises:
            StoreError, Exception: see send_epochs.
        """
        self.send_epochs()
        assert self._run is not None
        assert self._sent is not None
        if not self._folder.is_finished:
            self._run.close(RunEnd(ending, time.time(), {}))
            return
        summary = self._folder.read_summary()
        ended_at = self._folder.changed_at(SUMMARY)
        self._run.close(RunEnd(get_ending(summary), ended_at, list_results(summary)))
        self._keep(replace(self._sent, is_finished=True))

    def _open(self, records: list[EpochRecord]) -> tuple[TrackedRun, SentRun]:
        if self._run is None or self._sent is None:
            seconds = sum(record.seconds for record in records)
            is_over = self._folder.is_finished
            end = self._folder.changed_at(SUMMARY) if is_over else time.time()
            started_at = self._sent.started_at if self._sent else end - seconds
            config = self._folder.read_flat_config()
            description = describe_run(self._folder.run_id, config, started_at)
            known = self._sent.external_id if self._sent else None
            self._run = self._tracker.open(description, known)
            self._keep(self._sent or SentRun(self._run.external_id, started_at))
        assert self._sent is not None
        return self._run, self._sent

    def _keep(self, sent: SentRun) -> None:
        self._sent = sent
        write_sent_run(self._folder, self._logger, self._tracker.destination, sent)
