"""MLflow as a tracker, by its client: nothing of MLflow's global state is used."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock

from dropexp.config.logger_section import MLflowConfig
from dropexp.loggers.tracker import (
    Ending,
    LoggedEpoch,
    RunDescription,
    RunEnd,
    TrackedRun,
    Tracker,
)

_MOST_METRICS = 1000  # of one request
_MOST_PARAMETERS = 100
_LONGEST_VALUE = 500  # characters; older servers refuse longer values of parameters

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow tries seven times, two minutes each. A run that has ended cannot wait for that."""

_STATUSES = {
    Ending.COMPLETED: "FINISHED",
    Ending.DIVERGED: "FAILED",
    Ending.FAILED: "FAILED",
    Ending.INTERRUPTED: "KILLED",
}
_SQLITE = "sqlite:///"
_SECONDS_FOR_DATABASE = 60


class MLflowTracker(Tracker):
    """An experiment of an MLflow server or database."""

    def __init__(self, config: MLflowConfig) -> None:
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        import mlflow

        self._uri = config.tracking_uri or str(mlflow.get_tracking_uri())
        self._client = _open_client(self._uri)
        self._experiment = (
            config.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "dropexp"
        )
        self._experiment_id = ""

    @property
    def destination(self) -> str:
        """See Tracker."""
        return f"{_name_uri(self._uri)} {self._experiment}"

    def open(self, run: RunDescription, external_id: str | None) -> TrackedRun:
        """See Tracker."""
        if external_id is not None:
            self._client.update_run(external_id, status="RUNNING")
            return _MLflowRun(self._client, external_id)
        created = self._client.create_run(
            self._find_experiment(),
            run_name=run.run_id,
            start_time=_to_milliseconds(run.started_at),
            tags=dict(run.tags),
        )
        opened = _MLflowRun(self._client, str(created.info.run_id))
        opened.log_parameters(run.parameters)
        return opened

    def _find_experiment(self) -> str:
        if not self._experiment_id:
            found = self._client.get_experiment_by_name(self._experiment)
            self._experiment_id = found.experiment_id if found else self._create_experiment()
        return self._experiment_id

    def _create_experiment(self) -> str:
        try:
            return str(self._client.create_experiment(self._experiment))
        except Exception:
            # Two runs of a sweep start at once, and the other one was first.
            found = self._client.get_experiment_by_name(self._experiment)
            if found is None:
                raise
            return str(found.experiment_id)


class _MLflowRun(TrackedRun):
    def __init__(self, client: Any, external_id: str) -> None:
        self._client = client
        self.external_id = external_id

    def log_parameters(self, parameters: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        converted = [Param(key, str(value)[:_LONGEST_VALUE]) for key, value in parameters.items()]
        for start in range(0, len(converted), _MOST_PARAMETERS):
            part = converted[start : start + _MOST_PARAMETERS]
            self._client.log_batch(self.external_id, params=part)

    def log_epochs(self, epochs: Sequence[LoggedEpoch]) -> None:
        from mlflow.entities import Metric

        self._log_metrics(
            [
                Metric(key, value, _to_milliseconds(each.ended_at), each.epoch)
                for each in epochs
                for key, value in each.metrics.items()
            ]
        )

    def close(self, end: RunEnd) -> None:
        from mlflow.entities import Metric

        time = _to_milliseconds(end.ended_at)
        self._log_metrics([Metric(key, value, time, 0) for key, value in end.results.items()])
        self._client.set_tag(self.external_id, "dropexp.status", str(end.ending))
        self._client.set_terminated(self.external_id, _STATUSES[end.ending], time)

    def _log_metrics(self, metrics: Sequence[Any]) -> None:
        for start in range(0, len(metrics), _MOST_METRICS):
            part = metrics[start : start + _MOST_METRICS]
            self._client.log_batch(self.external_id, metrics=part)


def _open_client(uri: str) -> Any:
    """Return a client of MLflow, whose SQLite database is made if it is not there.

    Two runs of a sweep start at once, and MLflow would make the tables of a new file twice; a
    process that is killed meanwhile would leave a database that MLflow never opens again.
    """
    from mlflow import MlflowClient

    path = _find_database(uri)
    if path is None:
        return MlflowClient(tracking_uri=uri)
    with FileLock(f"{path}.lock", timeout=_SECONDS_FOR_DATABASE):
        if not path.exists():
            part = path.with_name(f".{path.name}.part")
            for name in (part.name, f"{part.name}-journal"):  # of a process that was killed
                part.with_name(name).unlink(missing_ok=True)
            MlflowClient(tracking_uri=f"{_SQLITE}{part}")
            part.replace(path)
        return MlflowClient(tracking_uri=uri)


def _find_database(uri: str) -> Path | None:
    """Return the absolute path of the SQLite file that a URI names; None for other URIs."""
    if not uri.startswith(_SQLITE):
        return None
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]).absolute()


def _to_milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _name_uri(uri: str) -> str:
    """Return a URI with the whole path of a file, and without a user's name and password."""
    path = _find_database(uri)
    if path is not None:
        return f"{_SQLITE}{path}"
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
