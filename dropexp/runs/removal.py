"""Removing run folders, and only those.

Imports no torch.
"""

from pathlib import Path

from dropexp.errors import StoreError
from dropexp.runs.listing import is_run_id
from dropexp.runs.write import RunFolder


def refusal(folder: RunFolder, runs_dir: Path) -> str:
    """Why a folder must not be removed, in a sentence; empty if it may be."""
    path = folder.path
    if path.is_symlink():
        return f"{path} is a link, not a run folder; it is not removed."
    if path.resolve().parent != runs_dir.resolve():
        return f"{path} does not lie in {runs_dir}; it is not removed."
    if not is_run_id(folder.run_id):
        return f"{path} is not named like a run; it is not removed."
    try:
        folder.read_config()
    except StoreError as error:
        return f"{error} What is not known to be a run is not removed; remove it by hand."
    return _held(folder) if folder.is_held else ""


def remove(folder: RunFolder) -> str:
    """Remove a run folder.

    Returns:
        Why it is still there, in a sentence; empty if it is gone.
    """
    try:
        return "" if folder.remove() else _held(folder)
    except StoreError as error:
        return str(error)


def folder_size(path: Path) -> int:
    """Bytes of all files below a folder; links count as themselves."""
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _held(folder: RunFolder) -> str:
    return f"{folder.run_id} is being trained by a process; it is not removed."
