"""The picture files in root/<train|val|test>/<class>/…, found without opening any."""

import os
from collections.abc import Iterator
from pathlib import Path

from dropexp.errors import DataError

# The same as torchvision.datasets.folder.IMG_EXTENSIONS.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
PARTS = ("train", "val", "test")


def list_classes(part: Path) -> list[str]:
    """Return the names of the class folders in a part such as root/train, sorted."""
    return sorted(
        folder.name for folder in part.iterdir() if folder.is_dir() and not _is_hidden(folder)
    )


def list_pictures(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its subfolders, sorted; other files are ignored."""
    return sorted(_walk(folder))


def resolve_root(root: str | Path) -> Path:
    """Expand ~ in the path of an image folder, and check that the folder is there.

    Raises:
        DataError: it is not a folder, or has no folder train.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise DataError(f"data.root={root} is not a folder; it must hold train/<class>/<pictures>.")
    if not (path / "train").is_dir():
        raise DataError(
            f"data.root={root} has no folder train; it must hold train/<class>/<pictures>."
        )
    return path


def _walk(folder: Path) -> Iterator[Path]:
    # Hidden files are not pictures: macOS writes ._photo.jpg beside photo.jpg on foreign disks, and
    # editors have hidden folders.
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield Path(parent, name)


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".")
