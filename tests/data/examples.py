"""Small configs, data sets and files that the tests of this folder share."""

import gzip
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dropexp.config.data_section import DigitsConfig, ImageFolderConfig, PublishedConfig
from dropexp.data.splits import Source, Split

_COMMON: dict[str, Any] = {
    "train_size": None,
    "val_size": 0.2,
    "label_noise": 0.0,
    "augment": "none",
    "seed": 0,
}


def digits_config(**changes: Any) -> DigitsConfig:
    return DigitsConfig(**{"name": "digits", **_COMMON, **changes})


def published_config(name: str, root: Path, **changes: Any) -> PublishedConfig:
    values = {"name": name, "root": str(root), "download": False, **_COMMON, **changes}
    return PublishedConfig(**values)


def folder_config(root: Path, **changes: Any) -> ImageFolderConfig:
    place = {"name": "image_folder", "root": str(root), "image_size": 8, "test_size": 0.2}
    return ImageFolderConfig(**{**place, **_COMMON, **changes})


def random_split(class_sizes: list[int], seed: int = 0) -> Split:
    """Images that are all different, their classes in random order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.tensor(class_sizes))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    images = torch.randint(0, 256, (len(labels), 2, 3, 3), dtype=torch.uint8, generator=generator)
    number = torch.arange(len(labels))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = number % 256, number // 256
    return Split(images, labels)


def source(
    class_sizes: list[int], *, test: Split | None = None, test_size: int | None = None
) -> Source:
    names = tuple(f"class {label}" for label in range(len(class_sizes)))
    return Source(random_split(class_sizes), None, test, names, test_size)


def numbers(split: Split) -> list[int]:
    """Which images of random_split these are."""
    return (split.images[:, 0, 0, 0].long() + 256 * split.images[:, 0, 0, 1].long()).tolist()


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_idx_set(
    folder: Path, *, first_label: int = 0, zipped: bool = True, count: int = 30
) -> None:
    """The four files of MNIST and its relatives, with ``count`` images of 4×4 in each part."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = generator.integers(0, 256, (count, 4, 4), dtype=np.uint8)
        labels = ((np.arange(count) + first_label) % 10).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            content = idx_bytes(array)
            if zipped:
                (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content, 1))
            else:
                (folder / f"{name}-ubyte").write_bytes(content)


def write_picture(
    path: Path,
    colour: int | tuple[int, ...] = (200, 100, 50),
    mode: Literal["RGB", "L", "RGBA"] = "RGB",
    size: tuple[int, int] = (10, 10),
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def in_a_new_process(program: str) -> str:
    """What a Python program prints, with warnings as errors; it must succeed."""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
