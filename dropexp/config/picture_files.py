"""The picture files in root/<train|val|test>/<class>/…, found without opening any."""

import os
from collections.abc import Iterator
from pathlib import Path

from dropexp.config.paths import parse_path
from dropexp.errors import DataError
from dropexp.terminal.plain_text import make_printable

# The same as torchvision.datasets.folder.IMG_EXTENSIONS.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SPLIT_NAMES = ("train", "val", "test")

MOST_NESTED = 32
"""How deep folders of pictures may be nested below their class."""


def list_classes(split_folder: Path) -> list[str]:
    """Return the sorted names of the class folders in a folder such as root/train.

    Raises:
        DataError: the folder cannot be read.
    """
    return sorted(entry.name for entry in _scan(split_folder) if _is_folder(entry))


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, sorted; other files are ignored.

    Links are followed, but no folder is read twice: links can lead in circles.

    Raises:
        DataError: a folder cannot be read, is nested too deep, or is reached twice; or something
            else than a file has the name of a picture.
    """
    return sorted(_walk(folder)) if folder.is_dir() else []


def show_path(path: Path) -> str:
    """Return a path in one line, for a sentence: names of folders may hold any characters."""
    return make_printable(str(path))


def resolve_root(root: str | Path) -> Path:
    """Return the path of an image folder with ~ expanded, after checking that it exists.

    Raises:
        DataError: the path is not a folder, or has no folder train.
    """
    path = parse_path(root, f"data.root={root}")
    if not path.is_dir():
        raise DataError(f"data.root={root} is not a folder; it must hold train/<class>/<pictures>.")
    if not (path / "train").is_dir():
        raise DataError(
            f"data.root={root} has no folder train; it must hold train/<class>/<pictures>."
        )
    return path


def _walk(folder: Path) -> Iterator[Path]:
    seen: dict[tuple[int, int], Path] = {}
    left = [(folder, 0)]
    while left:
        parent, depth = left.pop()
        _refuse_again(parent, seen)
        if depth > MOST_NESTED:
            raise DataError(
                f"{show_path(folder)} has folders that are nested more than {MOST_NESTED} deep; "
                f"move their pictures up."
            )
        for entry in _scan(parent):
            if _is_folder(entry):
                left.append((Path(parent, entry.name), depth + 1))
            elif entry.name.lower().endswith(EXTENSIONS):
                yield _check_file(Path(parent, entry.name), entry)


def _scan(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder but for hidden entries.

    Hidden files are not pictures: macOS writes ._photo.jpg beside photo.jpg on other file systems,
    and editors keep hidden folders.
    """
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise _make_error(folder, error) from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link that leads to itself
        raise _make_error(Path(entry.path), error) from None


def _check_file(path: Path, entry: os.DirEntry[str]) -> Path:
    """Return the path of a picture, or refuse it: reading a named pipe would never end."""
    if not entry.is_file():
        raise DataError(
            f"{show_path(path)} is no picture: it is a link that leads nowhere, a named pipe or a "
            f"device. Remove it."
        )
    return path


def _refuse_again(folder: Path, seen: dict[tuple[int, int], Path]) -> None:
    try:
        status = folder.stat()
    except OSError as error:
        raise _make_error(folder, error) from None
    first = seen.setdefault((status.st_dev, status.st_ino), folder)
    if first is not folder:
        raise DataError(
            f"{show_path(folder)} and {show_path(first)} are one folder, by a link; each picture "
            f"must be there once. Remove the link."
        )


def _make_error(path: Path, error: OSError) -> DataError:
    return DataError(f"{show_path(path)} cannot be read: {error.strerror}.")
