"""Downloading through torchvision: one process at a time, silently, with a time limit."""

import http.client
import io
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
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

    A connection that sends nothing for 30 s fails; torchvision sets no limit of its own.
    """
    root.mkdir(parents=True, exist_ok=True)
    limit_before = socket.getdefaulttimeout()
    with FileLock(root / ".dropexp-download.lock"), silence_torchvision():
        _log.info("Downloading %s into %s", name, root)
        socket.setdefaulttimeout(_TIMEOUT_S)
        try:
            yield
        finally:
            socket.setdefaulttimeout(limit_before)
