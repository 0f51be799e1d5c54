"""The folders of living sweeps, ``<runs_dir>/.sweeps/<token>/``. Imports no torch."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from filelock import FileLock, Timeout

from dropexp.errors import RunsDirError
from dropexp.runs.durable import make_folder_error

BREAKDOWN_FILE = ".launcher-error.txt"
"""In the folder of run folders: why the launcher of the last sweep has broken down."""

_SWEEPS = ".sweeps"
_ALIVE = "alive.lock"  # held while the sweep lives
_DOOR = ".lock"  # held while a folder is made, so that none is taken for an abandoned one


@contextmanager
def open_sweep_dir(runs_dir: Path) -> Iterator[Path]:
    """Make the folder of this sweep, and remove it at the end; remove leftovers first.

    Args:
        runs_dir: the folder of run folders; must exist.

    Yields:
        The folder. Its name is the token of the sweep.

    Raises:
        RunsDirError: it cannot be made, or the folder of all sweeps is a link.
        DiskError: the disk is full or read-only.
    """
    path = runs_dir / _SWEEPS / uuid.uuid4().hex
    if path.parent.is_symlink():  # what is left over in there is removed
        raise RunsDirError(
            f"{path.parent} is a link, and no sweep is conducted through one. Remove the link."
        )
    alive = FileLock(path / _ALIVE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / _DOOR):
            _remove_leftovers(runs_dir)
            path.mkdir()
            alive.acquire()
    except OSError as error:
        raise make_folder_error(runs_dir, error) from None
    try:
        yield path
    finally:
        rmtree(path, ignore_errors=True)
        alive.release()


def list_living_sweeps(runs_dir: Path) -> frozenset[str]:
    """Return the tokens of the sweeps that other processes conduct in a folder of runs."""
    return frozenset(path.name for path in _list_folders(runs_dir) if _is_held(path / _ALIVE))


def _remove_leftovers(runs_dir: Path) -> None:
    """Remove what sweeps that were killed, or whose launcher broke down, have left behind."""
    for path in _list_folders(runs_dir):
        if not _is_held(path / _ALIVE):
            rmtree(path, ignore_errors=True)
    (runs_dir / BREAKDOWN_FILE).unlink(missing_ok=True)


def _list_folders(runs_dir: Path) -> list[Path]:
    sweeps = runs_dir / _SWEEPS
    if sweeps.is_symlink() or not sweeps.is_dir():
        return []
    return [path for path in sweeps.iterdir() if path.is_dir() and not path.is_symlink()]


def _is_held(lock_file: Path) -> bool:
    if not lock_file.exists():
        return False
    with suppress(OSError):
        try:
            FileLock(lock_file).acquire(timeout=0).lock.release()
        except Timeout:
            return True
    return False
