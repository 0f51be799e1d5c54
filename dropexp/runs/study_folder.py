"""The folder of studies beside the run folders: its files are written whole, one writer at a time.

Studies, searches and registrations are files of ``<runs_dir>/.studies``. Imports no torch.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from dropexp.config.study_files import FOLDER, is_study_name
from dropexp.runs.durable import make_folder, make_folder_error, write_file


@contextmanager
def lock_study_file(runs_dir: Path, path: Path) -> Iterator[None]:
    """Keep other processes from writing a file of the folder meanwhile; makes the folder.

    Args:
        runs_dir: the folder of run folders; must exist.
        path: of the file.

    Raises:
        RunsDirError: the folder or the file cannot be written.
        DiskError: the disk is full or read-only.
    """
    try:
        make_folder(path.parent)
        with FileLock(path.with_suffix(".lock")):
            yield
    except OSError as error:
        raise make_folder_error(runs_dir, error) from None


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, under its lock; it survives a power cut then.

    Raises:
        OSError: it cannot be written.
    """
    write_file(path, text.encode())


def list_study_files(runs_dir: Path, suffix: str) -> list[Path]:
    """Return the files of the folder whose names end so, in no order; none without the folder.

    Links are not among them, nor files whose names cannot be those of studies; a folder that is a
    link has none.
    """
    folder = runs_dir / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [
        Path(entry.path)
        for entry in os.scandir(folder)
        if entry.name.endswith(suffix)
        and entry.is_file(follow_symlinks=False)
        and is_study_name(entry.name.removesuffix(suffix))
    ]
