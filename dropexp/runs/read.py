"""Reading a run folder: its files, its status, whether another process holds it.

Imports no torch, which would cost a list of runs more than a second.
"""

import csv
import os
import stat
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml
from filelock import FileLock, Timeout

from dropexp.config.fast_yaml import parse_yaml
from dropexp.config.parsing import get_mapping, parse_json, read_limited
from dropexp.config.seeded_yaml import parse_seeded_config
from dropexp.errors import NewerFormatError, StoreError
from dropexp.runs.damage import find_damage
from dropexp.runs.durable import compute_digest
from dropexp.runs.files import (
    AUDIT,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    ERROR,
    LOCK,
    LOCKS,
    METRICS,
    SUMMARY,
    is_half_written,
)
from dropexp.runs.parsing import (
    MOST_BYTES,
    check_audit,
    check_config,
    check_environment,
    check_summary,
    limit_weights,
)
from dropexp.runs.records import SUMMARY_FORMAT, EpochRecord, RunSummary
from dropexp.runs.values_digest import check_values_digest

Config = TypeVar("Config")

_REMEDY = "the command of this run trains it again"


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
        if not self._has_own_lock():
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

    @property
    def is_finished(self) -> bool:
        """Whether the folder says that the run is finished."""
        return self._has(SUMMARY)

    def read_config(self) -> dict[str, Any]:
        """Return the plain values of config.yaml, unchecked.

        Raises:
            StoreError: config.yaml is missing or damaged.
        """
        self.read_flat_config()
        return self._parse_config(parse_yaml)

    def read_flat_config(self) -> Mapping[str, Any]:
        """Return config.yaml flat: ``{"model.width": 64, …}``; faster than flattening it.

        Raises:
            StoreError: config.yaml is missing or damaged.
        """
        flat = self._parse_config(parse_seeded_config)
        try:
            check_config(flat)
        except ValueError as error:
            path = self._path_of(CONFIG)
            raise StoreError(f"{path} is not the configuration of a run: {error}.") from None
        return flat

    def read_summary(self) -> RunSummary:
        """Return the summary of a finished run.

        Raises:
            NewerFormatError: a later dropexp has written it.
            StoreError: summary.json is missing or damaged.
        """
        raw = self._read(SUMMARY)
        try:
            plain = parse_json(raw)
            self._refuse_newer(plain)
            check_values_digest(check_summary(plain))
            return RunSummary.from_json(plain)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = error if isinstance(error, ValueError) else repr(error)
            raise StoreError(
                f"{self._path_of(SUMMARY)} is damaged ({reason}); {_REMEDY}."
            ) from None

    def _refuse_newer(self, plain: Any) -> None:
        written = get_mapping(plain)["format"]
        if type(written) is int and written > SUMMARY_FORMAT:
            raise NewerFormatError(
                f"{self._path_of(SUMMARY)} was written by a later dropexp (format {written}; this "
                f"one reads up to {SUMMARY_FORMAT}). Update dropexp, or train the run again with "
                f"force=true."
            )

    def find_damage(self, summary: RunSummary | None = None, *, whole: bool) -> str:
        """Return what is not whole in the folder of a finished run, as phrases; "" if all is.

        Args:
            summary: the run's, where it has been read; None reads it.
            whole: whether to read and check every file; if not, only what a table reads.

        Raises:
            NewerFormatError: a later dropexp has written it.
        """
        return find_damage(self, summary, whole=whole)

    def read_metrics(self, digest: str = "") -> str:
        """Return the text of metrics.csv up to its last complete line.

        Args:
            digest: of the file, as the run's summary has it; empty where it is not known.

        Raises:
            StoreError: metrics.csv is missing, not text, or has another digest.
        """
        text = self._read_text(METRICS)
        if digest and compute_digest(text.encode()) != digest:
            raise StoreError(
                f"{self._path_of(METRICS)} is damaged: it does not agree with its checksum in "
                f"summary.json; dropexp runs check --repair sets the run aside, and {_REMEDY}."
            )
        return text[: text.rfind("\n") + 1]

    def read_records(self) -> list[EpochRecord]:
        """Return the epochs in metrics.csv; an incomplete last line is ignored.

        Raises:
            StoreError: metrics.csv is missing, or a line before the last is damaged.
        """
        lines = self.read_metrics().splitlines()
        try:
            return [EpochRecord.from_row(row) for row in csv.DictReader(lines)]
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            path = self._path_of(METRICS)
            raise StoreError(f"{path} is damaged ({error!r}); {_REMEDY}.") from None

    def read_checkpoint(self, numbers: int) -> bytes | None:
        """Return the bytes of the checkpoint of a network of so many numbers; None without one.

        Raises:
            StoreError: checkpoint.pt cannot be read, or is too large for such a network.
        """
        try:
            # The network, the best one, and two averages of the optimiser.
            return read_limited(self.path / CHECKPOINT, limit_weights(4 * numbers))
        except FileNotFoundError:
            return None

    def read_environment(self) -> dict[str, Any]:
        """Return environment.json; empty where it is missing or damaged."""
        try:
            return check_environment(parse_json(self._read(ENVIRONMENT)))
        except (StoreError, ValueError):
            return {}

    def read_audit(self) -> dict[str, Any] | None:
        """Return audit.json; None where there is none.

        Raises:
            StoreError: it is damaged.
        """
        if not self._has(AUDIT):
            return None
        raw = self._read(AUDIT)
        try:
            return check_audit(parse_json(raw))
        except ValueError as error:
            raise StoreError(f"{self._path_of(AUDIT)} is damaged: {error}.") from None

    def read_traceback(self) -> list[str]:
        """Return the lines of a failed run's traceback; none where there is no error.txt."""
        try:
            return self._read(ERROR).decode(errors="replace").rstrip().splitlines()
        except StoreError:
            return []

    def read_error(self) -> str:
        """Return the last line of a failed run's traceback; empty where there is none."""
        lines = self.read_traceback()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    @property
    def has_ended(self) -> bool:
        """Whether the run has finished or failed."""
        return self.status in (FolderStatus.FINISHED, FolderStatus.FAILED)

    def changed_at(self, name: str) -> float:
        """Return when a file was last written, in seconds since 1970, for people; 0 if missing."""
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

    def read_bytes(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: it is missing.
            StoreError: it cannot be read, is no ordinary file, or too large.
        """
        return read_limited(self._path_of(name), MOST_BYTES[name])

    def list_parts(self) -> list[Path]:
        """Return the paths of files that a crash has left half written, by name.

        Only those that dropexp writes: any other file may be somebody's own.
        """
        if not self.path.is_dir():
            return []
        return sorted(path for path in self.path.iterdir() if is_half_written(path))

    def list_leftovers(self) -> list[str]:
        """Return the names of files that a crash has left behind, and that nothing needs."""
        found = [path.name for path in self.list_parts()]
        if not self.is_finished:
            return found
        found += [ERROR] if self._has(ERROR) else []
        return found + ([CHECKPOINT] if self._has(CHECKPOINT) and not self._keeps_state() else [])

    def _keeps_state(self) -> bool:
        """Whether the run was asked to keep its checkpoint; True where that is not known."""
        try:
            return bool(self.read_flat_config().get("keep_checkpoint", True))
        except StoreError:
            return True

    def read_files(self) -> dict[str, bytes]:
        """Return the content of every file but the locks, by name."""
        if not self.path.is_dir():
            return {}
        paths = [path for path in self.path.iterdir() if path.is_file() and path.name not in LOCKS]
        return {path.name: read_limited(path, MOST_BYTES[CHECKPOINT]) for path in paths}

    def _path_of(self, name: str) -> str:
        # Joining Path objects takes as long as reading a small file.
        return f"{self.path}{os.sep}{name}"

    def _has(self, name: str) -> bool:
        return os.path.lexists(self._path_of(name))

    def _has_own_lock(self) -> bool:
        """Whether it has a lock that is a file: a link would lock, or empty, another file."""
        try:
            return stat.S_ISREG(os.lstat(self._path_of(LOCK)).st_mode)
        except OSError:
            return False

    def _parse_config(self, parser: Callable[[str], Config]) -> Config:
        text = self._read_text(CONFIG)
        try:
            return parser(text)
        except yaml.YAMLError:
            raise StoreError(f"{self._path_of(CONFIG)} is damaged: it is not YAML.") from None
        except ValueError as error:
            raise StoreError(f"{self._path_of(CONFIG)} is damaged: {error}.") from None

    def _read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            StoreError: it is missing, no ordinary file, or too large.
        """
        path = self._path_of(name)
        try:
            return read_limited(path, MOST_BYTES[name])
        except FileNotFoundError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_REMEDY}.") from None

    def _read_text(self, name: str) -> str:
        raw = self._read(name)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            path = self._path_of(name)
            raise StoreError(f"{path} is damaged: it is not text in UTF-8; {_REMEDY}.") from None
