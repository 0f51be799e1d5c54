"""A stand-in for MLflow, which tests of the seam need and CI does not install."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropexp.loggers import follower

PACKAGES = Path(__file__).parent / "packages"


class Received:
    """What the stand-in has received.

    Args:
        file: the one that its tracking URI names.
    """

    def __init__(self, file: Path) -> None:
        self.uri = f"sqlite:///{file}"
        self._file = file

    @property
    def calls(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        # The last line may be incomplete while a run is being sent.
        lines = self._file.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in lines]

    def find(self, call: str) -> list[dict[str, Any]]:
        return [each for each in self.calls if each["call"] == call]

    def list_steps(self, key: str) -> list[tuple[int, float]]:
        """Return (step, value) of a metric, in the order of their arrival."""
        metrics = [metric for each in self.find("log") for metric in each["metrics"]]
        return [(each["step"], each["value"]) for each in metrics if each["key"] == key]


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    """MLflow's stand-in, for this process and those that it starts."""
    known = [name for name in sys.modules if name.partition(".")[0] == "mlflow"]
    real = {name: sys.modules.pop(name) for name in known}
    monkeypatch.syspath_prepend(str(PACKAGES))
    paths = filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH")))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    # The processes of loggers are nice, and on a busy machine they get little time.
    monkeypatch.setattr(follower, "SECONDS_TO_FINISH", 250.0)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'received'}")
    for name in ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    yield Received(tmp_path / "received")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlflow"]:
        del sys.modules[name]
    sys.modules.update(real)
