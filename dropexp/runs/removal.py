"""Removing run folders, and nothing else.

Imports no torch.
"""

from pathlib import Path

from dropexp.errors import DiskError, StoreError
from dropexp.runs.durable import PART
from dropexp.runs.files import EVENTS_PREFIX, LOCK, RUN_FILES, SUMMARY
from dropexp.runs.listing import is_run_id
from dropexp.runs.write import RunFolder


def explain_refusal(folder: RunFolder, runs_dir: Path) -> str:
    """Return why a folder must not be removed, in a sentence; empty if it may be."""
    path = folder.path
    if path.is_symlink():
        return f"{path} is a link, not a run folder; it is not removed."
    if path.resolve().parent != runs_dir.resolve():
        return f"{path} is not in {runs_dir}; it is not removed."
    if not is_run_id(folder.run_id):
        return f"{path} is not named like a run; it is not removed."
    try:
        folder.read_config()
    except StoreError as error:
        try:
            is_run = _holds_only_files_of_a_run(path)
        except OSError as reason:
            return f"{path} cannot be read: {reason.strerror}; it is not removed."
        if not is_run:
            return f"{error} {path} may not be a run and is not removed; remove it by hand."
    return _explain_held(folder) if folder.is_held else ""


def _holds_only_files_of_a_run(path: Path) -> bool:
    """Whether a folder whose config is damaged is that of a run all the same."""
    names = [entry.name for entry in path.iterdir()]
    strange = [name for name in names if name not in RUN_FILES and not _is_written_by_runs(name)]
    return not strange and bool({LOCK, SUMMARY} & set(names))


def _is_written_by_runs(name: str) -> bool:
    return name.startswith(EVENTS_PREFIX) or (name.startswith(".") and name.endswith(PART))


def remove_run(folder: RunFolder) -> str:
    """Remove a run folder.

    Returns:
        Why it is still there, in a sentence; empty if it is gone.
    """
    try:
        return "" if folder.remove() else _explain_held(folder)
    except DiskError as error:  # whose message is about training
        return f"{folder.path} cannot be removed: {error.reason}."
    except StoreError as error:
        return str(error)


def compute_folder_size(path: Path) -> int:
    """Return the bytes of all files below a folder; a link counts as itself."""
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


def _explain_held(folder: RunFolder) -> str:
    return f"{folder.run_id} is being trained by another process; it is not removed."
