"""One folder per run: lock, atomic writes, the finished mark last.

Reading is StoredRun's. Imports no torch.
"""

import csv
import errno
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dropexp.errors import BusyError, RunsDirError, StoreError
from dropexp.runs.read import (
    AUDIT,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    ERROR,
    LOCK,
    LOG,
    METRICS,
    SUMMARY,
    WEIGHTS,
    FolderStatus,
    StoredRun,
)
from dropexp.runs.records import METRICS_COLUMNS, EpochRecord, RunSummary

__all__ = [
    "AUDIT",
    "CHECKPOINT",
    "CONFIG",
    "ENVIRONMENT",
    "ERROR",
    "LOG",
    "METRICS",
    "SUMMARY",
    "WEIGHTS",
    "FolderStatus",
    "RunFolder",
    "open_runs_dir",
]


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


class _HeldError(Exception):
    """Another process holds the folder."""


class RunFolder(StoredRun):
    """``<runs_dir>/<run id>/``: everything about one run, to read and to write.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: the run's id, which names its folder.
    """

    @contextmanager
    def lock(
        self, on_wait: Callable[[], None] = lambda: None, *, patience: float = -1
    ) -> Iterator[None]:
        """Hold the folder for writing; the operating system frees it if the process dies.

        Args:
            on_wait: called once if another process holds the folder, before waiting for it.
            patience: seconds to wait for it; below 0: as long as it takes.

        Raises:
            RunsDirError: the folder cannot be written.
            BusyError: another process holds it for longer than that.
        """
        try:
            self.path.mkdir(exist_ok=True)
            lock = FileLock(self.path / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire(timeout=patience)
        except Timeout:
            raise BusyError(f"another process is training {self.run_id}.") from None
        except OSError as error:
            raise RunsDirError(
                f"runs_dir={self.path.parent} cannot be written: {error.strerror}."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def clear(self) -> None:
        """Remove everything of an earlier attempt; the folder and the lock stay."""
        with self._disk_errors(SUMMARY):
            # First, as it is what says that the rest is whole.
            (self.path / SUMMARY).unlink(missing_ok=True)
            for entry in self.path.iterdir():
                if entry.name != LOCK:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def remove(self) -> bool:
        """Remove the folder with everything in it, unless another process holds it.

        The summary goes first, so that what is left of a removal cut short is not taken for a
        finished run; the config goes last, so that it can still be told to be a run.

        Returns:
            Whether the folder is gone; False if another process holds it.

        Raises:
            StoreError: something in it cannot be removed.
        """

        def give_up() -> None:
            raise _HeldError

        try:
            with self.lock(give_up):
                (self.path / SUMMARY).unlink(missing_ok=True)
                for entry in self.path.iterdir():
                    if entry.name not in (LOCK, CONFIG):
                        _remove(entry)
                shutil.rmtree(self.path)
        except _HeldError:
            return False
        except OSError as error:
            raise StoreError(f"{self.path} could not be removed: {error.strerror}.") from None
        return True

    def discard_if_new(self) -> None:
        """Remove the folder if nothing but the lock is in it."""
        if {entry.name for entry in self.path.iterdir()} <= {LOCK}:
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
        self.remove_leftovers(keep_checkpoint=keep_checkpoint)

    def remove_error(self) -> None:
        """Make a failed run one that was interrupted."""
        with self._disk_errors(ERROR):
            (self.path / ERROR).unlink(missing_ok=True)

    def remove_leftovers(self, *, keep_checkpoint: bool) -> None:
        """Remove what a finished run has no use for."""
        self.remove_error()
        if not keep_checkpoint:
            with self._disk_errors(CHECKPOINT):
                (self.path / CHECKPOINT).unlink(missing_ok=True)

    def replace_files(self, files: Mapping[str, bytes]) -> None:
        """Make the folder one that was filled elsewhere, the summary last."""
        self.clear()
        for name in sorted(files, key=lambda name: name == SUMMARY):
            self.write(name, files[name], durable=name == SUMMARY)

    def log(self, message: str) -> None:
        """Add a line with the time to run.log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self._disk_errors(LOG), (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(f"{stamp} {message}\n")

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


def _remove(entry: Path) -> None:
    is_folder = entry.is_dir() and not entry.is_symlink()
    shutil.rmtree(entry) if is_folder else entry.unlink()


def _csv_line(record: EpochRecord) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(record.as_row().values())
    return line.getvalue()
