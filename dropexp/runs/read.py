"""Reading a run folder: what is in it, and whether somebody is writing to it.

Imports no torch, so that looking at runs is quick.
"""

import csv
import json
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from dropexp.config.fast_yaml import parse_flat_yaml, parse_yaml
from dropexp.errors import StoreError
from dropexp.runs.records import EpochRecord, RunSummary

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
AUDIT = "audit.json"
METRICS = "metrics.csv"
SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "model.safetensors"
LOG = "run.log"
ERROR = "error.txt"
LOCK = ".lock"
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_MOST_AT_ONCE = 1 << 16  # bytes
_AGAIN = "force=true trains this run again"


class FolderStatus(StrEnum):
    """What a run folder holds."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    FINISHED = "finished"


class StoredRun:
    """``<runs_dir>/<run id>/``, to read.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: the run's id, which names its folder.
    """

    def __init__(self, runs_dir: Path, run_id: str) -> None:
        self.run_id = run_id
        self.path = runs_dir / run_id

    @property
    def is_held(self) -> bool:
        """Whether another process holds the folder, which is to say trains the run.

        The lock is taken for a moment to find out; a folder without one is left as it is.
        """
        if not self._has(LOCK):
            return False
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            return False  # not ours to write: nobody that we can wait for is training it
        lock.release()
        return False

    @property
    def status(self) -> FolderStatus:
        """What the folder holds, judged by its files alone."""
        if self._has(SUMMARY):
            return FolderStatus.FINISHED
        if self._has(ERROR):
            return FolderStatus.FAILED
        if self._has(CONFIG):
            return FolderStatus.INTERRUPTED
        return FolderStatus.NEW

    def read_config(self) -> dict[str, Any]:
        """The plain values of config.yaml, unchecked.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        plain = self._parsed_config(parse_yaml)
        if not isinstance(plain.get("regulariser"), dict):
            raise StoreError(f"{self.path / CONFIG} is not the configuration of a run.")
        return plain

    def read_flat_config(self) -> dict[str, Any]:
        """The same with dotted keys: ``{"model.width": 64, …}``; quicker than flattening it.

        Raises:
            StoreError: there is none, or it is damaged.
        """
        plain = self._parsed_config(parse_flat_yaml)
        if "regulariser.name" not in plain:
            raise StoreError(f"{self.path / CONFIG} is not the configuration of a run.")
        return plain

    def read_summary(self) -> RunSummary:
        """The finished run's summary.

        Raises:
            StoreError: there is none, or it is damaged or of another format.
        """
        path = self._file(SUMMARY)
        try:
            return RunSummary.from_json(json.loads(_text(path)))
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path} is damaged or of another version of dropexp ({error}); {_AGAIN}."
            ) from None

    def read_metrics(self) -> str:
        """The text of metrics.csv, as far as its last whole line.

        Raises:
            StoreError: the file is not there, or is no text.
        """
        path = self._file(METRICS)
        try:
            text = _text(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_AGAIN}.") from None
        except ValueError as error:
            raise StoreError(f"{path} is damaged ({error!r}); {_AGAIN}.") from None
        return text[: text.rfind("\n") + 1]

    def read_records(self) -> list[EpochRecord]:
        """The epochs in metrics.csv; a last line that was cut off is left out.

        Raises:
            StoreError: the file is not there, or a line before the last is damaged.
        """
        lines = self.read_metrics().splitlines()
        try:
            return [EpochRecord.from_row(row) for row in csv.DictReader(lines)]
        except (KeyError, TypeError, ValueError) as error:
            path = self._file(METRICS)
            raise StoreError(f"{path} is damaged ({error!r}); {_AGAIN}.") from None

    def read_checkpoint(self) -> bytes | None:
        """The bytes of the checkpoint, None where there is none."""
        try:
            return (self.path / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            path = self.path / CHECKPOINT
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_AGAIN}.") from None

    def read_environment(self) -> dict[str, Any]:
        """What the process that wrote to this folder last noted of its machine; may be empty."""
        try:
            noted = json.loads((self.path / ENVIRONMENT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def read_error(self) -> str:
        """The last line of a failed run's traceback, empty where there is none."""
        try:
            lines = (self.path / ERROR).read_text(encoding="utf-8").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @property
    def ended_at(self) -> float | None:
        """When the run finished or failed, in seconds since 1970; None where it has not."""
        if self.status is FolderStatus.FINISHED:
            return self.changed_at(SUMMARY)
        return self.changed_at(ERROR) if self.status is FolderStatus.FAILED else None

    def changed_at(self, name: str) -> float:
        """Seconds since the epoch at which a file was last written; 0 where there is none."""
        try:
            return os.stat(self._file(name)).st_mtime  # noqa: PTH116 (see _file)
        except OSError:
            return 0.0

    def size_of(self, name: str) -> int:
        """A file's size in bytes; 0 where there is none."""
        try:
            return os.stat(self._file(name)).st_size  # noqa: PTH116 (see _file)
        except OSError:
            return 0

    def read_files(self) -> dict[str, bytes]:
        """Everything in the folder but the lock, by name."""
        if not self.path.is_dir():
            return {}
        paths = [path for path in self.path.iterdir() if path.is_file() and path.name != LOCK]
        return {path.name: path.read_bytes() for path in paths}

    def _file(self, name: str) -> str:
        # Joining paths as objects takes as long as reading a small file.
        return f"{self.path}{os.sep}{name}"

    def _has(self, name: str) -> bool:
        return os.path.exists(self._file(name))  # noqa: PTH110

    def _parsed_config(self, parser: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        path = self._file(CONFIG)
        try:
            return parser(_text(path))
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, ValueError):
            raise StoreError(f"{path} is damaged: it is not YAML.") from None


def _text(path: str) -> str:
    """A file's text; quicker for a small file than through the layers of a text file."""
    descriptor = os.open(path, os.O_RDONLY | _BINARY)
    try:
        raw = os.read(descriptor, _MOST_AT_ONCE)
        while more := os.read(descriptor, _MOST_AT_ONCE):
            raw += more
    finally:
        os.close(descriptor)
    return raw.decode()
