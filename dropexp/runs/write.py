"""Writing a run folder: under a lock, each file whole or not at all, the summary last.

Imports no torch.
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
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dropexp.config.paths import parse_path
from dropexp.config.setting import digest_setting, extract_setting_from_flat
from dropexp.errors import BusyError, RunsDirError, StoreError
from dropexp.runs import durable
from dropexp.runs.files import (
    CHECKED_FILES,
    CHECKPOINT,
    CONFIG,
    ERROR,
    EXAMPLES,
    LOCK,
    LOCKS,
    LOG,
    METRICS,
    SUMMARY,
)
from dropexp.runs.ledger import record_end
from dropexp.runs.read import StoredRun
from dropexp.runs.records import (
    METRICS_COLUMNS,
    SUMMARY_FORMAT,
    EpochRecord,
    RunSummary,
)
from dropexp.runs.values_digest import compute_values_digest
from dropexp.terminal.plain_text import make_printable

_NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)
"""What a file system answers that cannot remove a folder because something is in it."""

_HEADER = ",".join(METRICS_COLUMNS) + "\n"


def open_runs_dir(runs_dir: str) -> Path:
    """Return the folder of run folders; make it if it does not exist.

    Args:
        runs_dir: as the config has it; ``~`` is expanded.

    Raises:
        RunsDirError: it is a file, or cannot be made.
    """
    path = parse_path(runs_dir, f"runs_dir={runs_dir}")
    try:
        durable.make_folder(path)
    except (FileExistsError, NotADirectoryError):
        raise RunsDirError(
            f"runs_dir={runs_dir} is a file, or is below a file; it must be a folder."
        ) from None
    except OSError as error:
        raise RunsDirError(f"runs_dir={runs_dir} cannot be made: {error.strerror}.") from None
    return path


class _HeldError(Exception):
    """Another process holds the lock of the folder."""


class RunFolder(StoredRun):
    """A run folder, ``<runs_dir>/<run id>/``, to read and to write.

    Args:
        runs_dir: the folder of run folders; must exist.
        run_id: the run's id, which names its folder.
        again: what the same command does after an error of the disk, as the error says; by default
            it resumes.
    """

    def __init__(self, runs_dir: Path, run_id: str, again: str = "") -> None:
        super().__init__(runs_dir, run_id)
        self._again = again
        self._digests: dict[str, str] = {}
        """Of the files that have been written, for the summary."""

    @contextmanager
    def lock(
        self, on_wait: Callable[[], None] = lambda: None, *, patience: float = -1
    ) -> Iterator[None]:
        """Hold the lock of the folder; the operating system frees it if the process dies.

        Args:
            on_wait: called once before waiting, if another process holds the lock.
            patience: seconds to wait for the lock; negative for no limit.

        Raises:
            RunsDirError: the folder cannot be written, or is a link.
            DiskError: the disk is full or read-only.
            BusyError: another process still holds the lock after that time.
        """
        self.refuse_link()
        try:
            durable.make_folder(self.path)
            lock = FileLock(self.path / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                lock.acquire(timeout=patience)
        except Timeout:
            raise BusyError(f"another process is training {self.run_id}.") from None
        except RuntimeError:  # filelock: it would wait for itself
            raise BusyError(f"{self.run_id} is being trained or recorded here already.") from None
        except OSError as error:
            raise durable.make_folder_error(self.path.parent, error, self._again) from None
        try:
            yield
        finally:
            lock.release()

    def refuse_link(self) -> None:
        """Refuse to train a run where its folder is a link.

        Raises:
            RunsDirError: it is one.
        """
        if os.path.islink(self.path):  # noqa: PTH114 (a third of the time)
            raise RunsDirError(
                f"{self.path} is a link, and no run is written through one. Remove the link, or "
                f"choose another runs_dir."
            )

    def clear(self) -> None:
        """Remove every file but the locks."""
        with self._disk_errors(SUMMARY):
            # First, because its presence says that the other files are complete.
            durable.remove_file(self.path / SUMMARY)
            for entry in self.path.iterdir():
                if entry.name not in LOCKS:
                    durable.remove_entry(entry)

    def remove(self) -> bool:
        """Remove the folder with everything in it, unless another process holds it.

        The summary goes first: after an interrupted removal the folder is no finished run. The
        config goes last: the folder is still known to be a run, and can be removed again.

        Returns:
            Whether the folder is gone; False if another process holds it.

        Raises:
            StoreError: a file in it cannot be removed.
        """

        def give_up() -> None:
            raise _HeldError

        try:
            with self.lock(give_up):
                durable.remove_file(self.path / SUMMARY)
                for entry in self.path.iterdir():
                    if entry.name not in (LOCK, CONFIG):
                        durable.remove_entry(entry)
                is_gone = self._remove_unless_lock_is_kept()
            if not is_gone:
                self.path.rmdir()
        except _HeldError:
            return False
        except OSError as error:
            raise StoreError(f"{self.path} could not be removed: {error.strerror}.") from None
        return True

    def _remove_unless_lock_is_kept(self) -> bool:
        """Remove the folder; return False where NFS keeps the lock in it until that is closed."""
        try:
            durable.remove_entry(self.path)
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
            return False
        return True

    def discard_if_new(self) -> None:
        """Remove the folder if it has no file but locks."""
        if {entry.name for entry in self.path.iterdir()} <= {*LOCKS}:
            shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name: str, content: str | bytes, *, is_promised: bool = True) -> None:
        """Write a file whole or not at all.

        Args:
            name: of the file in the folder.
            content: the new content.
            is_promised: whether it survives a power cut once this has returned; if not, it does
                from the next promise in this folder on.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        with self._disk_errors(name):
            raw = _encode(content) if isinstance(content, str) else content
            durable.write_file(self.path / name, raw, is_promised=is_promised)
        if name in CHECKED_FILES:
            self._digests[name] = durable.compute_digest(raw)

    def write_json(self, name: str, content: Any, *, is_promised: bool = True) -> None:
        """Write plain values as indented JSON; see ``write``."""
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        self.write(name, text + "\n", is_promised=is_promised)

    def write_metrics(self, records: Iterable[EpochRecord]) -> None:
        """Replace metrics.csv by these epochs; on the disk from the next promise on."""
        text = _HEADER + "".join(_csv_line(record) for record in records)
        self.write(METRICS, text, is_promised=False)

    def begin_metrics(self, records: Iterable[EpochRecord]) -> None:
        """Make metrics.csv ready to append to: without the epochs that are not among these."""
        with self._disk_errors(METRICS):
            durable.remove_file(self.path / METRICS, is_promised=False)
        self._append(METRICS, _HEADER + "".join(_csv_line(record) for record in records))

    def append_metrics(self, record: EpochRecord) -> None:
        """Append one epoch to metrics.csv; only a checkpoint promises that it is on the disk."""
        self._append(METRICS, _csv_line(record))

    def finish(self, summary: RunSummary, *, keep_checkpoint: bool) -> None:
        """Write the summary, which marks the run as finished, then remove the checkpoint.

        The summary gets the checksums of the files that this object has written. What was written
        before is on the disk first; see durable.py.
        """
        self._promise_end()
        self.write_summary(replace(summary, files=self._digests))
        self.remove_leftovers(keep_checkpoint=keep_checkpoint)

    def write_summary(self, summary: RunSummary) -> None:
        """Write the summary in the newest format, with the checksum of its own values."""
        plain = replace(summary, format=SUMMARY_FORMAT).to_json()
        plain["files"][SUMMARY] = compute_values_digest(plain)
        self.write_json(SUMMARY, plain)

    def _promise_end(self) -> None:
        self._promise()
        record_end(self.path.parent, self.run_id, self._digest_setting())

    def _promise(self) -> None:
        """Wait until everything that was written whole is on the disk."""
        with self._disk_errors(SUMMARY):
            durable.sync_folder(self.path)

    def _digest_setting(self) -> str | None:
        """Return the digest of the setting that its config.yaml holds; None if it is damaged."""
        try:
            return digest_setting(extract_setting_from_flat(self.read_flat_config()))
        except StoreError:
            return None

    def remove_error(self) -> None:
        """Remove error.txt, which makes a failed run an interrupted one."""
        with self._disk_errors(ERROR):
            durable.remove_file(self.path / ERROR)

    def remove_examples(self) -> None:
        """Remove what an earlier training has kept of each example."""
        with self._disk_errors(EXAMPLES):
            durable.remove_file(self.path / EXAMPLES, is_promised=False)

    def forget_results(self) -> None:
        """Remove the summary, which makes a finished run an interrupted one."""
        with self._disk_errors(SUMMARY):
            durable.remove_file(self.path / SUMMARY)

    def remove_parts(self) -> None:
        """Remove the files that a crash has left half written."""
        for path in self.list_parts():
            with self._disk_errors(path.name):
                durable.remove_file(path, is_promised=False)

    def remove_leftovers(self, *, keep_checkpoint: bool) -> None:
        """Remove the files that a finished run does not need, and those half written."""
        self.remove_parts()
        if self.is_finished:
            self.remove_error()
        if self.is_finished and not keep_checkpoint:
            with self._disk_errors(CHECKPOINT):
                durable.remove_file(self.path / CHECKPOINT, is_promised=False)

    def replace_files(self, files: Mapping[str, bytes]) -> None:
        """Replace all files by those of another folder; the summary is written last."""
        self.clear()
        for name, raw in files.items():
            if name != SUMMARY:
                self.write(name, raw, is_promised=False)
        if SUMMARY in files:
            self._promise_end()
            self.write(SUMMARY, files[SUMMARY])
        else:
            self._promise()

    def log(self, message: str, *, is_promised: bool = False) -> None:
        """Append a line with the time to run.log; only on request it waits for the disk."""
        # A message may have the name of a file, which a terminal would obey when it shows the log.
        message = make_printable(message, keep_lines=True)
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n"
        self._append(LOG, line, is_promised=is_promised)

    def _append(self, name: str, line: str, *, is_promised: bool = False) -> None:
        with self._disk_errors(name):
            durable.append_line(self.path / name, _encode(line), is_promised=is_promised)

    @contextmanager
    def _disk_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise durable.make_store_error(
                self.path / name,
                error,
                f"Files written before are intact; the same command "
                f"{self._again or 'resumes from them'}.",
            ) from None


def _encode(text: str) -> bytes:
    r"""Return a text in UTF-8; what a path has that is none becomes ``\udcff``, as in JSON."""
    return text.encode(errors="backslashreplace")


def _csv_line(record: EpochRecord) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(record.to_row().values())
    return line.getvalue()
