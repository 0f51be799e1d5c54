"""A small stand-in for MLflow: its client appends what it is asked to a file of JSON lines."""

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4


def get_tracking_uri() -> str:
    return os.environ["MLFLOW_TRACKING_URI"]


class MlflowClient:
    def __init__(self, tracking_uri: str | None = None) -> None:
        self._file = Path((tracking_uri or get_tracking_uri()).removeprefix("sqlite:///"))
        self._file.touch()
        print("MLflow prints to standard output")

    def get_experiment_by_name(self, name: str) -> Any:
        if (self._file.parent / "mlflow-hangs").exists():
            time.sleep(600)
        if (self._file.parent / "mlflow-fails").exists():
            raise ConnectionError("Connection refused.\nAnd much more.")
        return SimpleNamespace(experiment_id=f"experiment {name}")

    def create_run(self, experiment: str, **options: Any) -> Any:
        external_id = uuid4().hex
        self._write("create", external_id, experiment=experiment, **options)
        return SimpleNamespace(info=SimpleNamespace(run_id=external_id))

    def update_run(self, external_id: str, status: str) -> None:
        self._write("update", external_id, status=status)

    def log_batch(self, external_id: str, metrics: Any = (), params: Any = ()) -> None:
        self._write(
            "log",
            external_id,
            metrics=[asdict(each) for each in metrics],
            params={each.key: each.value for each in params},
        )

    def set_tag(self, external_id: str, key: str, value: str) -> None:
        self._write("tag", external_id, **{key: value})

    def set_terminated(self, external_id: str, status: str, end_time: int) -> None:
        self._write("end", external_id, status=status, end_time=end_time)

    def _write(self, call: str, external_id: str, **content: Any) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps({"call": call, "id": external_id, **content}) + "\n")
