"""Downloading through torchvision: one process at a time, without its noise, and not for ever."""

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
"""What torchvision raises when files are not there, are not whole, or cannot be fetched."""

_TIMEOUT_S = 30
_log = logging.getLogger(__name__)


@contextmanager
def quiet() -> Iterator[None]:
    """Without torchvision's progress bars, and a warning that is for its authors."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        # CIFAR's files are pickles of 2009; what NumPy thinks of their age is no one's concern.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield


@contextmanager
def downloading(name: str, root: Path) -> Iterator[None]:
    """Make root, and be the only process that downloads into it.

    torchvision sets no time limit; a network that swallows packets would hold it for minutes.
    """
    root.mkdir(parents=True, exist_ok=True)
    limit_before = socket.getdefaulttimeout()
    with FileLock(root / ".dropexp-download.lock"), quiet():
        _log.info("Downloading %s into %s", name, root)
        socket.setdefaulttimeout(_TIMEOUT_S)
        try:
            yield
        finally:
            socket.setdefaulttimeout(limit_before)
