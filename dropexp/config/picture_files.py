"""The picture files of a folder root/<train|val|test>/<class>/…, without opening any."""

import os
from collections.abc import Iterator
from pathlib import Path

from dropexp.errors import DataError

# As torchvision.datasets.folder.IMG_EXTENSIONS.
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
PARTS = ("train", "val", "test")


def list_classes(part: Path) -> list[str]:
    """The names of the class folders in a part such as root/train, sorted."""
    return sorted(folder.name for folder in part.iterdir() if folder.is_dir() and _shown(folder))


def list_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder and its subfolders, sorted; other files are passed over."""
    return sorted(_walk(folder))


def resolve_root(root: str | Path) -> Path:
    """The folder with ~ expanded.

    Raises:
        DataError: it, or its train folder, is not there.
    """
    path = Path(root).expanduser()
    if not path.is_dir():
        raise DataError(f"data.root={root} is not a folder; it must hold train/<class>/<pictures>.")
    if not (path / "train").is_dir():
        raise DataError(f"data.root={root} has no folder train; it must hold train/<class>/….")
    return path


def _walk(folder: Path) -> Iterator[Path]:
    # Hidden files are not pictures even if they are named so: macOS leaves ._photo.jpg beside
    # photo.jpg on other systems' disks, and editors leave folders of their own.
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                yield Path(parent, name)


def _shown(path: Path) -> bool:
    return not path.name.startswith(".")
