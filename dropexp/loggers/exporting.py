"""Send finished runs to a tracker, each once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dropexp.errors import BusyError, StoreError
from dropexp.loggers.follow import describe_failure
from dropexp.loggers.registry import Destination
from dropexp.loggers.sending import RunSender
from dropexp.runs.write import RunFolder


@dataclass(frozen=True)
class ExportResult:
    """What came of sending runs.

    Attributes:
        destination: where they were sent, such as ``sqlite:////home/me/mlflow.db dropexp``; empty
            if the tracker could not be reached.
        sent: the number of runs that were sent.
        already_there: the number of runs that were not sent again.
        problems: a sentence for each run that could not be read.
        failure: why the tracker took no more runs; empty if it took all.
    """

    destination: str
    sent: int
    already_there: int
    problems: tuple[str, ...]
    failure: str


def export_runs(
    folders: Sequence[RunFolder], destination: Destination, report: Callable[[int], None]
) -> ExportResult:
    """Send finished runs to a tracker; leave out those that it has.

    Args:
        folders: of finished runs.
        destination: where they are sent.
        report: receives the number of runs that are done, before each of them.
    """
    sent = already_there = 0
    problems: list[str] = []
    name, failure = "", ""
    try:
        tracker = destination.make_tracker()
        name = tracker.destination
        for done, folder in enumerate(folders):
            report(done)
            try:
                with folder.lock(patience=0):
                    sender = RunSender(folder, tracker, destination.logger)
                    if sender.is_finished:
                        already_there += 1
                        continue
                    sender.finish()
                    sent += 1
            except (StoreError, BusyError) as error:
                problems.append(str(error))
    except Exception as error:  # a tracker's package may raise anything
        failure = describe_failure(error)
    return ExportResult(name, sent, already_there, tuple(problems), failure)
