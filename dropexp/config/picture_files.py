"""The picture files in root/<train|val|test>/<class>/…, found without opening any."""

import os
from collections.abc import Iterator
from pathlib import Path

from dropexp.config.paths import parse_path
from dropexp.errors import DataError

# The same as torchvision.datasets.folder.IMG_EXTENSIONS.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
SPLIT_NAMES = ("train", "val", "test")


def list_classes(split_folder: Path) -> list[str]:
    """Return the sorted names of the class folders in a folder such as root/train."""
    return sorted(
        entry.name for entry in split_folder.iterdir() if entry.is_dir() and not _is_hidden(entry)
    )


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, sorted; other files are ignored."""
    return sorted(_walk(folder))


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
    # Hidden files are not pictures: macOS writes ._photo.jpg beside photo.jpg on other file
    # systems, and editors keep hidden folders.
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield Path(parent, name)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")
