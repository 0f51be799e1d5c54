"""Downloading through torchvision: one process at a time, silently, with a time limit."""

import http.client
import io
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock

FAILURES = (OSError, RuntimeError, http.client.HTTPException)
"""What torchvision raises if files are missing, damaged, or cannot be downloaded."""

_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


@contextmanager
def silence_torchvision() -> Iterator[None]:
    """Hide torchvision's progress bars, and a warning that does not concern the user."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        # NumPy warns that CIFAR's pickles of 2009 use an outdated format.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield


@contextmanager
def prepare_download(name: str, root: Path) -> Iterator[None]:
    """Make the folder root, and lock it against downloads by other processes meanwhile.

    A connection that sends nothing for 30 s fails; torchvision sets no limit of its own. If the
    download fails, a folder that was made for it and holds no file is removed.
    """
    is_new = not root.exists()
    root.mkdir(parents=True, exist_ok=True)
    limit_before = socket.getdefaulttimeout()
    lock = root / ".dropexp-download.lock"
    with ExitStack() as stack:
        if is_new:
            stack.callback(_remove_if_empty, root, lock)
        stack.enter_context(FileLock(lock))
        stack.enter_context(silence_torchvision())
        _log.info("Downloading %s into %s", name, root)
        socket.setdefaulttimeout(_TIMEOUT_S)
        try:
            yield
        finally:
            socket.setdefaulttimeout(limit_before)


def _remove_if_empty(root: Path, lock: Path) -> None:
    """Remove a folder of empty folders and a lock; one that holds a file stays as it is."""
    entries = [entry for entry in root.rglob("*") if entry != lock]
    if not any(entry.is_file() for entry in entries):
        with suppress(OSError):  # another process has begun to download
            lock.unlink(missing_ok=True)
            for folder in (*sorted(entries, reverse=True), root):
                folder.rmdir()
