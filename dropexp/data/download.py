"""Downloading through torchvision: one process at a time, silently, and not without an answer."""

import http.client
import io
import logging
import queue
import socket
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import numpy as np
from filelock import FileLock

FAILURES = (OSError, RuntimeError, http.client.HTTPException)
"""What torchvision raises if files are missing, damaged, or cannot be downloaded."""

SECONDS_TO_ANSWER = 10.0
"""Time for a server to answer, with the look-up of its name and all of its addresses."""

_SECONDS_FOR_OTHERS = 1.0
"""Time for other mirrors to answer after the first one has."""

_STALL_S = 7
"""Seconds without a byte after which a connection fails; torchvision sets no limit of its own."""

_LOCK = ".dropexp-download.lock"
_log = logging.getLogger(__name__)


@contextmanager
def silence_torchvision() -> Iterator[None]:
    """Hide torchvision's progress bars, and a warning that does not concern the user."""
    with redirect_stderr(io.StringIO()), warnings.catch_warnings():
        # NumPy warns that CIFAR's pickles of 2009 use an outdated format.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield


def list_answering(addresses: Sequence[str], seconds: float = SECONDS_TO_ANSWER) -> list[str]:
    """Return the addresses whose servers answer, in their order; at least one.

    No limit of a socket covers the look-up of a name, and each of a server's many addresses is
    tried for the whole of it. So each server is asked by a thread, which is left alone if it does
    not come back.

    Args:
        addresses: of files, each on another server.
        seconds: to wait for the first answer.

    Raises:
        OSError: no server answers in time.
    """
    answers: queue.Queue[tuple[str, OSError | None]] = queue.Queue()
    for address in addresses:
        Thread(target=_ask, args=(address, seconds, answers), daemon=True).start()
    answering: list[str] = []
    failures: list[OSError] = []
    end = time.monotonic() + seconds
    while len(answering) + len(failures) < len(addresses):
        try:
            address, failure = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        if failure is not None:
            failures.append(failure)
            continue
        if not answering:
            end = min(end, time.monotonic() + _SECONDS_FOR_OTHERS)
        answering.append(address)
    if answering:
        return [address for address in addresses if address in answering]
    if len(failures) == len(addresses):
        raise failures[0]
    servers = " or ".join(dict.fromkeys(urlsplit(each).netloc for each in addresses))
    raise TimeoutError(f"no answer from {servers} within {seconds:g} s")


def _ask(address: str, seconds: float, answers: "queue.Queue[tuple[str, OSError | None]]") -> None:
    request = urllib.request.Request(address, method="HEAD")
    failure: OSError | None = None
    try:
        with urllib.request.urlopen(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as answer:
        answer.close()  # whether the server has the file is for torchvision to find out
    except Exception as error:  # whatever it is, the one who waits has to know
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return  # the one who waits finds out at the same moment, and names all servers
        failure = OSError(
            f"{urlsplit(address).netloc}: {getattr(reason, 'strerror', None) or reason}"
        )
    answers.put((address, failure))


@contextmanager
def prepare_download(name: str, root: Path, made: Sequence[str]) -> Iterator[None]:
    """Make the folder root, and lock it against downloads by other processes meanwhile.

    If the download fails, what it has made in root is removed, and root too if it was made here.

    Args:
        name: of the data set.
        root: the folder to download into.
        made: names of what torchvision makes in root.
    """
    lock = root / _LOCK
    limit_before = socket.getdefaulttimeout()
    with ExitStack() as stack:
        stack.callback(_remove_empty, _make_folders(root), lock)
        stack.enter_context(FileLock(lock))
        stack.enter_context(silence_torchvision())
        before = set(_list_all(root, made))
        _log.info("Downloading %s into %s", name, root)
        socket.setdefaulttimeout(_STALL_S)
        try:
            yield
        except BaseException:
            for path in sorted(set(_list_all(root, made)) - before, reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            raise
        finally:
            socket.setdefaulttimeout(limit_before)


def _make_folders(root: Path) -> list[Path]:
    """Make a folder, and return which folders that took, the innermost first."""
    made = []
    for folder in (root, *root.parents):
        if folder.exists():
            break
        made.append(folder)
    root.mkdir(parents=True, exist_ok=True)
    return made


def _list_all(root: Path, names: Sequence[str]) -> Iterator[Path]:
    """Yield the files and folders of these names, with all that is in them."""
    for path in (root / name for name in names):
        if path.exists():
            yield path
            yield from path.rglob("*")


def _remove_empty(folders: Sequence[Path], lock: Path) -> None:
    """Remove folders that hold nothing but the lock."""
    if folders and list(folders[0].iterdir()) in ([], [lock]):
        with suppress(OSError):  # another process has begun to download
            lock.unlink(missing_ok=True)
            for folder in folders:
                folder.rmdir()
