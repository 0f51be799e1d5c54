"""One folder per run: lock, atomic writes, the finished mark last, reading back.

Imports no torch, so that looking at runs is quick.
"""

import csv
import errno
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dropexp.errors import RunsDirError, StoreError
from dropexp.records import METRICS_COLUMNS, EpochRecord, RunSummary

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
AUDIT = "audit.json"
METRICS = "metrics.csv"
SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "model.safetensors"
LOG = "run.log"
ERROR = "error.txt"
_LOCK = ".lock"
_AGAIN = "force=true trains this run again"


class FolderStatus(StrEnum):
    """What a run folder holds."""

    NEW = "new"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    FINISHED = "finished"


def open_runs_dir(runs_dir: str) -> Path:
    """The folder of run folders, made if it is not there.

    Raises:
        RunsDirError: it is a file, or cannot be made.
    """
    path = Path(runs_dir).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise RunsDirError(
            f"runs_dir={runs_dir} is a file, or lies below one; a folder is needed."
        ) from None
    except OSError as error:
        raise RunsDirError(f"runs_dir={runs_dir} cannot be made: {error.strerror}.") from None
    return path


class RunFolder:
    """``<runs_dir>/<run id>/``: everything about one run.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: the run's id, which names its folder.
    """

    def __init__(self, runs_dir: Path, run_id: str) -> None:
        self.run_id = run_id
        self.path = runs_dir / run_id

    @contextmanager
    def locked(self, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the folder for writing; the operating system frees it if the process dies.

        Args:
            on_wait: called once if another process holds the folder, before waiting for it.

        Raises:
            RunsDirError: the folder cannot be written.
        """
        try:
            self.path.mkdir(exist_ok=True)
            lock = FileLock(self.path / _LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire()
        except OSError as error:
            raise RunsDirError(
                f"runs_dir={self.path.parent} cannot be written: {error.strerror}."
            ) from None
        try:
            yield
        finally:
            lock.release()

    # --- reading --------------------------------------------------------------------------

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

    def read_summary(self) -> RunSummary:
        """The finished run's summary.

        Raises:
            StoreError: there is none, or it is damaged or of another format.
        """
        path = self.path / SUMMARY
        try:
            return RunSummary.from_json(json.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{path} is damaged or of another version of dropexp ({error}); {_AGAIN}."
            ) from None

    def read_records(self) -> list[EpochRecord]:
        """The epochs in metrics.csv; a last line that was cut off is left out.

        Raises:
            StoreError: the file is not there, or a line before the last is damaged.
        """
        path = self.path / METRICS
        try:
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}; {_AGAIN}.") from None
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
        try:
            return [EpochRecord.from_row(row) for row in csv.DictReader(lines)]
        except (KeyError, TypeError, ValueError) as error:
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

    # --- writing --------------------------------------------------------------------------

    def clear(self) -> None:
        """Remove everything of an earlier attempt; the folder and the lock stay."""
        with self._disk_errors(SUMMARY):
            # First, as it is what says that the rest is whole.
            (self.path / SUMMARY).unlink(missing_ok=True)
            for entry in self.path.iterdir():
                if entry.name != _LOCK:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def discard_if_new(self) -> None:
        """Remove the folder if nothing but the lock is in it."""
        if {entry.name for entry in self.path.iterdir()} <= {_LOCK}:
            shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name: str, content: str | bytes, *, durable: bool = False) -> None:
        """Write a file whole or not at all.

        Args:
            name: the file's name in the folder.
            content: its new content.
            durable: whether it must survive a power cut the moment this returns.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        raw = content.encode() if isinstance(content, str) else content
        temporary = self.path / f".{name}.part"
        with self._disk_errors(name):
            try:
                with temporary.open("wb") as file:
                    file.write(raw)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                temporary.replace(self.path / name)
            finally:
                temporary.unlink(missing_ok=True)

    def write_json(self, name: str, content: Any) -> None:
        """Write plain values as indented JSON, durably."""
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        self.write(name, text + "\n", durable=True)

    def write_metrics(self, records: Iterable[EpochRecord]) -> None:
        """Write metrics.csv anew with these epochs."""
        header = ",".join(METRICS_COLUMNS) + "\n"
        self.write(METRICS, header + "".join(_csv_line(record) for record in records))

    def append_metrics(self, record: EpochRecord) -> None:
        """Add one epoch to metrics.csv."""
        with self._disk_errors(METRICS), (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(_csv_line(record))

    def finish(self, summary: RunSummary, *, keep_checkpoint: bool) -> None:
        """Mark the run as finished: the summary goes last, then what only resuming needs."""
        self.write_json(SUMMARY, summary.to_json())
        self.tidy(keep_checkpoint=keep_checkpoint)

    def tidy(self, *, keep_checkpoint: bool) -> None:
        """Remove what a finished run has no use for."""
        with self._disk_errors(ERROR):
            (self.path / ERROR).unlink(missing_ok=True)
        if not keep_checkpoint:
            with self._disk_errors(CHECKPOINT):
                (self.path / CHECKPOINT).unlink(missing_ok=True)

    def log(self, message: str) -> None:
        """Add a line with the time to run.log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self._disk_errors(LOG), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {message}\n")

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()

    @contextmanager
    def _disk_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            reason = "the disk is full" if full else error.strerror
            raise StoreError(
                f"{self.path / name} could not be written: {reason}. What was written before is "
                f"sound; the same command goes on from there."
            ) from None


def _csv_line(record: EpochRecord) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(record.as_row().values())
    return line.getvalue()
