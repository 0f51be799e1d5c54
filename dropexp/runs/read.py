"""Reading a run folder: its files, its status, whether another process holds it.

Imports no torch, which would cost a list of runs more than a second.
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
from dropexp.runs.files import CHECKPOINT, CONFIG, ENVIRONMENT, ERROR, LOCK, METRICS, SUMMARY
from dropexp.runs.records import EpochRecord, RunSummary

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_MOST_AT_ONCE = 1 << 16  # bytes
_REMEDY = "force=true trains this run again"


class FolderStatus(StrEnum):
    """The status of a run folder by its files alone."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    FINISHED = "finished"


class StoredRun:
    """A run folder, ``<runs_dir>/<run id>/``, to read.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: the run's id, which names its folder.
    """

    def __init__(self, runs_dir: Path, run_id: str) -> None:
        self.run_id = run_id
        self.path = runs_dir / run_id

    @property
    def is_held(self) -> bool:
        """Whether another process holds the folder, that is, trains the run.

        Testing takes the lock for a moment; a folder without a lock stays without.
        """
        if not self._has(LOCK):
            return False
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:
            return False  # a folder of another user: there is no process to wait for
        lock.release()
        return False

    @property
    def status(self) -> FolderStatus:
        """The status of the run by the files of the folder."""
        if self._has(SUMMARY):
            return FolderStatus.FINISHED
        if self._has(ERROR):
            return FolderStatus.FAILED
        if self._has(CONFIG):
            return FolderStatus.INTERRUPTED
        return FolderStatus.NEW

    def read_config(self) -> dict[str, Any]:
        """Return the plain values of config.yaml, unchecked.

        Raises:
            StoreError: config.yaml is missing or damaged.
        """
        plain = self._parse_config(parse_yaml)
        if not isinstance(plain.get("regulariser"), dict):
            raise StoreError(f"{self.path / CONFIG} is not the configuration of a run.")
        return plain

    def read_flat_config(self) -> dict[str, Any]:
        """Return config.yaml flat: ``{"model.width": 64, …}``; faster than flattening it.

        Raises:
            StoreError: config.yaml is missing or damaged.
        """
        plain = self._parse_config(parse_flat_yaml)
        if "regulariser.name" not in plain:
            raise StoreError(f"{self.path / CONFIG} is not the configuration of a run.")
        return plain

    def read_summary(self) -> RunSummary:
        """Return the summary of a finished run.

        Raises:
            StoreError: summary.json is missing, damaged or of an unknown format.
        """
        path = self._path_of(SUMMARY)
        try:
            return RunSummary.from_json(json.loads(_read_text(path)))
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path} is damaged or of another version of dropexp ({error}); {_REMEDY}."
            ) from None

    def read_metrics(self) -> str:
        """Return the text of metrics.csv up to its last complete line.

        Raises:
            StoreError: metrics.csv is missing, or not text.
        """
        path = self._path_of(METRICS)
        try:
            text = _read_text(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_REMEDY}.") from None
        except ValueError as error:
            raise StoreError(f"{path} is damaged ({error!r}); {_REMEDY}.") from None
        return text[: text.rfind("\n") + 1]

    def read_records(self) -> list[EpochRecord]:
        """Return the epochs in metrics.csv; an incomplete last line is ignored.

        Raises:
            StoreError: metrics.csv is missing, or a line before the last is damaged.
        """
        lines = self.read_metrics().splitlines()
        try:
            return [EpochRecord.from_row(row) for row in csv.DictReader(lines)]
        except (KeyError, TypeError, ValueError) as error:
            path = self._path_of(METRICS)
            raise StoreError(f"{path} is damaged ({error!r}); {_REMEDY}.") from None

    def read_checkpoint(self) -> bytes | None:
        """Return the bytes of the checkpoint; None where there is none.

        Raises:
            StoreError: checkpoint.pt cannot be read.
        """
        try:
            return (self.path / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            path = self.path / CHECKPOINT
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_REMEDY}.") from None

    def read_environment(self) -> dict[str, Any]:
        """Return environment.json; empty where it is missing or damaged."""
        try:
            environment = json.loads((self.path / ENVIRONMENT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return environment if isinstance(environment, dict) else {}

    def read_error(self) -> str:
        """Return the last line of a failed run's traceback; empty where there is none."""
        try:
            lines = (self.path / ERROR).read_text(encoding="utf-8").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @property
    def ended_at(self) -> float | None:
        """When the run finished or failed, in seconds since 1970; None while it has not."""
        if self.status is FolderStatus.FINISHED:
            return self.changed_at(SUMMARY)
        return self.changed_at(ERROR) if self.status is FolderStatus.FAILED else None

    def changed_at(self, name: str) -> float:
        """Return when a file was last written, in seconds since 1970; 0 where it is missing."""
        try:
            return os.stat(self._path_of(name)).st_mtime  # noqa: PTH116 (see _path_of)
        except OSError:
            return 0.0

    def size_of(self, name: str) -> int:
        """Return a file's size in bytes; 0 where it is missing."""
        try:
            return os.stat(self._path_of(name)).st_size  # noqa: PTH116 (see _path_of)
        except OSError:
            return 0

    def read_files(self) -> dict[str, bytes]:
        """Return the content of every file but the lock, by name."""
        if not self.path.is_dir():
            return {}
        paths = [path for path in self.path.iterdir() if path.is_file() and path.name != LOCK]
        return {path.name: path.read_bytes() for path in paths}

    def _path_of(self, name: str) -> str:
        # Joining Path objects takes as long as reading a small file.
        return f"{self.path}{os.sep}{name}"

    def _has(self, name: str) -> bool:
        return os.path.exists(self._path_of(name))  # noqa: PTH110

    def _parse_config(self, parser: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        path = self._path_of(CONFIG)
        try:
            return parser(_read_text(path))
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (yaml.YAMLError, ValueError):
            raise StoreError(f"{path} is damaged: it is not YAML.") from None


def _read_text(path: str) -> str:
    """Return a file's text; for a small file faster than ``Path.read_text``."""
    descriptor = os.open(path, os.O_RDONLY | _BINARY)
    try:
        raw = os.read(descriptor, _MOST_AT_ONCE)
        while more := os.read(descriptor, _MOST_AT_ONCE):
            raw += more
    finally:
        os.close(descriptor)
    return raw.decode()
