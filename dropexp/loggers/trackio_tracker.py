"""Trackio as a tracker: its store on this machine, or a Space."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from dropexp.config.logger_section import TrackioConfig
from dropexp.loggers.tracker import LoggedEpoch, RunDescription, RunEnd, TrackedRun, Tracker


class TrackioTracker(Tracker):
    """A project of Trackio."""

    def __init__(self, config: TrackioConfig) -> None:
        self._project = config.project or "dropexp"
        self._space_id = config.space_id or os.environ.get("TRACKIO_SPACE_ID")

    @property
    def destination(self) -> str:
        """See Tracker."""
        server = os.environ.get("TRACKIO_SERVER_URL", "").partition("?")[0]
        place = self._space_id or server or os.environ.get("TRACKIO_DIR") or "local"
        return f"{place} {self._project}"

    def open(self, run: RunDescription, external_id: str | None) -> TrackedRun:
        """See Tracker."""
        with _raise_warnings():
            import trackio

            opened = trackio.init(
                self._project,
                name=run.run_id,
                group=run.study or None,
                space_id=self._space_id,
                config={**run.parameters, **run.tags},
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        if external_id is not None:
            # trackio.init resumes the latest run of a name, which may be another folder's.
            opened.id = external_id
        return _TrackioRun(opened)


class _TrackioRun(TrackedRun):
    def __init__(self, run: Any) -> None:
        self._run = run
        self._last_epoch = 0
        self.external_id = str(run.id)

    def log_epochs(self, epochs: Sequence[LoggedEpoch]) -> None:
        with _raise_warnings():
            for each in epochs:
                self._run.log(dict(each.metrics), step=each.epoch)
                self._last_epoch = each.epoch

    def close(self, end: RunEnd) -> None:
        with _raise_warnings():
            if end.results:  # Trackio has no place for results beside the steps
                self._run.log(dict(end.results), step=self._last_epoch)
            import trackio

            trackio.finish()  # of the run that was opened last, which is this one


@contextmanager
def _raise_warnings() -> Iterator[None]:
    """Raise what Trackio only warns of: that something was not stored. Print nothing.

    Raises:
        RuntimeError: Trackio has warned.
    """
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(StringIO()):
        warnings.simplefilter("always")
        yield
    failures = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    if failures:
        raise RuntimeError(failures[0])
