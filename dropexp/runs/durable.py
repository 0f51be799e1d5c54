"""The one place that changes files of a folder of runs: what it has written survives a power cut.

Without fsync, a file that was renamed to its name can be empty after the power has failed. So each
file is written under another name, fsynced, renamed, and its folder is fsynced after that. A crash
at any point leaves the old file or the new one, and perhaps a ``.NAME.part``, which the next
command removes.

The order in which a run is written makes every moment resumable:

1. The ledger holds the request, then the run's folder is made.
2. ``config.yaml``, ``environment.json`` and ``audit.json`` are written. Before the first checkpoint
   nothing is promised: the same command starts over.
3. ``metrics.csv`` and ``run.log`` grow without fsync, because each checkpoint holds the records of
   its epochs, and resuming writes metrics.csv again from them.
4. ``checkpoint.pt`` is on the disk once its writing has returned; the one before it stays until
   then.
5. At the end ``metrics.csv``, ``model.safetensors``, ``run.log`` and TensorBoard's file are on the
   disk first, then the ledger's line that the run has ended, then ``summary.json``, which says that
   the run is finished. A cut between the last two trains the end again from the checkpoint; of two
   ends the first counts.
6. ``checkpoint.pt`` is removed last; where that was lost, the next command removes it.

No link is followed: a link that has the name of a file is replaced by the file. Imports no torch.
"""

import errno
import os
import shutil
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from dropexp.errors import DiskError, RunsDirError, StoreError

try:
    import fcntl
except ImportError:  # Windows
    _FULL_SYNC = None
else:
    # On macOS, fsync hands over to the drive, which may keep the bytes in its memory.
    _FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)

PART = ".part"
"""Ends the names of files that are being written; they begin with a dot."""

_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a named pipe without a reader would wait for ever
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF)
"""What file systems and Windows answer where a folder cannot be fsynced."""


class Disk:
    """The system calls that change files. A test puts another one in its place, which fails."""

    def create(self, path: str) -> int:
        """Make a file that must not exist, and return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY, 0o666)

    def open_to_append(self, path: str) -> int:
        """Open a file to append to, make it if it does not exist, and return its descriptor."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | _NO_LINK | _NO_WAIT | _BINARY
        return os.open(path, flags, 0o666)

    def write(self, descriptor: int, raw: bytes) -> None:
        """Write all bytes to an open file."""
        rest = memoryview(raw)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Wait until an open file is on the disk."""
        if _FULL_SYNC is None:
            os.fsync(descriptor)
        else:
            fcntl.fcntl(descriptor, _FULL_SYNC)

    def rename(self, old: str, new: str) -> None:
        """Give a file its name, in place of the file that has it."""
        os.replace(old, new)  # noqa: PTH105

    def may_write(self, path: str) -> bool:
        """Return whether this user may make files in a folder."""
        return os.access(path, os.W_OK)

    def unlink(self, path: str) -> None:
        """Remove a file or a link."""
        os.unlink(path)  # noqa: PTH108

    def make_folder(self, path: str) -> None:
        """Make one folder."""
        os.mkdir(path)  # noqa: PTH102

    def sync_folder(self, path: str) -> None:
        """Wait until the names in a folder are on the disk."""
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            if error.errno in _CANNOT_SYNC:
                return
            raise
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in _CANNOT_SYNC:
                raise
        finally:
            os.close(descriptor)


_DISK_PROBLEMS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
    errno.EFBIG: "the disk is full",
    errno.EROFS: "its file system is read-only",
    errno.EIO: "the disk has failed",
    errno.ESTALE: "its file server has lost it",
    errno.ETIMEDOUT: "its file server does not answer",
}
"""What makes every file of a folder of runs unwritable, so that no run is to blame."""

disk = Disk()
"""Makes every change; only tests replace it."""


def make_store_error(path: Path, error: OSError, consequence: str = "") -> StoreError:
    """Return the error to raise where a file could not be written: a DiskError where all are.

    Args:
        path: of the file.
        error: why.
        consequence: further sentences for the user.
    """
    problem = _DISK_PROBLEMS.get(error.errno or 0)
    message = f"{path} could not be written: {problem or error.strerror}. {consequence}".rstrip()
    return StoreError(message) if problem is None else DiskError(message, problem)


def make_folder_error(runs_dir: Path, error: OSError, again: str = "") -> DiskError | RunsDirError:
    """Return the error to raise where a folder of runs could not be written.

    Args:
        runs_dir: the folder of run folders.
        error: why; of whatever file in it.
        again: see make_disk_error.
    """
    if problem := _DISK_PROBLEMS.get(error.errno or 0):
        return make_disk_error(runs_dir, problem, again)
    return RunsDirError(f"runs_dir={runs_dir} cannot be written: {error.strerror}.")


def make_disk_error(runs_dir: Path, problem: str, again: str = "") -> DiskError:
    """Return the error to raise where nothing more can be written to a folder of runs.

    Args:
        runs_dir: the folder of run folders.
        problem: why: "the disk is full".
        again: what the same command does once this is mended; by default it resumes the runs.
    """
    return DiskError(
        f"no run can be written to runs_dir={runs_dir}: {problem}. Free space there, or make it "
        f"writable; the same command {again or 'resumes the runs that are left'}.",
        problem,
    )


def find_store_problem(runs_dir: Path) -> str:
    """Return why this user may write nothing to a folder of runs; empty where that is allowed."""
    return "" if disk.may_write(str(runs_dir)) else "it is not writable"


def compute_digest(raw: bytes) -> str:
    """Return the SHA-256 of a file's content, as hexadecimal digits."""
    return sha256(raw).hexdigest()


def write_file(path: Path, raw: bytes, *, is_promised: bool = True) -> None:
    """Write a file whole or not at all.

    Args:
        path: of the file; its folder must exist.
        raw: the new content.
        is_promised: whether it is on the disk once this has returned. If not, a power cut leaves
            the old file or the new one, until the next promise in its folder.

    Raises:
        OSError: it could not be written; the file that had its name is as it was.
    """
    _write_and_rename(str(path.parent), path.name, raw)
    if is_promised:
        sync_folder(path.parent)


def append_line(path: Path, raw: bytes, *, is_promised: bool = True) -> None:
    """Append a line to a file; make it if it does not exist.

    Where the file ends in the rest of a line, because a crash has cut it short, the line begins on
    a new one.

    Args:
        path: of the file.
        raw: the line, with its end.
        is_promised: whether it is on the disk once this has returned.

    Raises:
        OSError: it could not be written.
    """
    descriptor = _open_own_file(path)
    try:
        size = os.fstat(descriptor).st_size
        if size and not _ends_with_newline(descriptor, size):
            raw = b"\n" + raw
        disk.write(descriptor, raw)
        if is_promised:
            disk.sync(descriptor)
    finally:
        os.close(descriptor)
    if is_promised and not size:
        sync_folder(path.parent)


def remove_file(path: Path, *, is_promised: bool = True) -> None:
    """Remove a file or a link, if it is there.

    Args:
        path: of the file.
        is_promised: whether it is gone for good once this has returned.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        disk.unlink(str(path))
    except FileNotFoundError:
        return
    if is_promised:
        sync_folder(path.parent)


def remove_entry(path: Path) -> None:
    """Remove a file, a link or a folder with everything in it; no link is followed.

    Raises:
        OSError: it cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        remove_file(path, is_promised=False)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they do not exist; they are on the disk then.

    Raises:
        OSError: it cannot be made; FileExistsError: it is a file.
    """
    if path.is_dir():
        return
    if path.parent != path and not path.parent.is_dir():
        make_folder(path.parent)
    try:
        disk.make_folder(str(path))
    except FileExistsError:
        if not path.is_dir():  # if it is, another process was faster
            raise
    sync_folder(path.parent)


def move(path: Path, target: Path) -> None:
    """Move a file or a folder to another place on the same disk, in place of a file there.

    Raises:
        OSError: it cannot be moved.
    """
    make_folder(target.parent)
    disk.rename(str(path), str(target))
    sync_folder(target.parent)
    if path.parent != target.parent:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where its file system can say so.

    Raises:
        OSError: the disk has failed.
    """
    disk.sync_folder(str(path))


def _write_and_rename(folder: str, name: str, raw: bytes) -> None:
    part = f"{folder}{os.sep}.{name}{PART}"
    with suppress(FileNotFoundError):
        disk.unlink(part)  # of a process that was killed
    try:
        descriptor = disk.create(part)
        try:
            disk.write(descriptor, raw)
            disk.sync(descriptor)
        finally:
            os.close(descriptor)
        disk.rename(part, f"{folder}{os.sep}{name}")
    except BaseException:
        with suppress(OSError):
            disk.unlink(part)
        raise


def _open_own_file(path: Path) -> int:
    """Open a file to append to; a link, a pipe or a device in its place is removed.

    Raises:
        OSError: it cannot be opened.
    """
    for _ in range(2):
        try:
            descriptor = disk.open_to_append(str(path))
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a pipe
                raise
        else:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
        disk.unlink(str(path))
    return disk.open_to_append(str(path))


def _ends_with_newline(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"
