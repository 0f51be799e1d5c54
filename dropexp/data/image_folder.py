"""A reader of image folders: root/train/<class>/*, optionally root/val and root/test.

Pictures that a run draws are decoded once, into memory, at the size that the network is given.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from dropexp.config.data_section import ImageFolderConfig
from dropexp.config.fingerprints import fingerprint_pictures
from dropexp.config.picture_files import list_classes, list_pictures, resolve_root, show_path
from dropexp.data.splits import Examples, Source, Split
from dropexp.errors import BrokenPictureError, DataError
from dropexp.terminal.plain_text import make_printable

Pixels = NDArray[np.uint8]
Kept = NDArray[np.bool_]

MakeExamples = Callable[[list[Path], Tensor], Examples]
"""Returns the examples of a split from its N pictures and their labels (N,)."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Picture files, which are decoded when they are selected.

    Attributes:
        config: says how they are decoded.
        paths: of the N pictures.
        labels: int64 (N,), from 0 to classes − 1.
    """

    config: ImageFolderConfig
    paths: list[Path]
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of pictures, N."""
        return len(self.paths)

    def select(self, indices: Tensor) -> Split:
        """Return some pictures, decoded.

        Args:
            indices: int64 (n,), in the order wanted.

        Raises:
            BrokenPictureError: one of them cannot be decoded.
        """
        images, _ = _decode_all([self.paths[place] for place in indices.tolist()], self.config)
        return Split(torch.from_numpy(images), self.labels[indices])

    def select_all(self) -> Split:
        """Return all pictures, decoded; see select."""
        images, _ = _decode_all(self.paths, self.config)
        return Split(torch.from_numpy(images), self.labels)


def read(config: ImageFolderConfig) -> Source:
    """Return the pictures with their classes: the folders in train, sorted by name.

    Pictures are decoded when they are selected, to uint8 (N, 1 or 3, image_size, image_size).

    Raises:
        DataError: the folder is missing or has another layout; train has fewer than two classes,
            or a class without pictures; val or test has a class that train does not have; or the
            pictures have another fingerprint than the config.
        BrokenPictureError: raised by the source, where a picture that it selects is broken.
    """
    _check_fingerprint(resolve_root(config.root), config)
    return count(config)


def count(config: ImageFolderConfig) -> Source:
    """Return the pictures as read, broken ones too; no picture is opened before it is selected.

    Raises:
        DataError: as read, but for pictures that have changed.
    """
    return _read_splits(resolve_root(config.root), partial(Pictures, config))


def read_without_broken(config: ImageFolderConfig) -> Source:
    """Return the pictures that can be decoded, as read; all are decoded here.

    Raises:
        DataError: as read, or train is left with a class without pictures, or a split empty.
    """
    root = resolve_root(config.root)
    skipped: list[Path] = []

    def make(paths: list[Path], labels: Tensor) -> Split:
        images, is_kept = _decode_all(paths, config, skip_broken=True)
        skipped.extend(path for path, kept in zip(paths, is_kept, strict=True) if not kept)
        return Split(torch.from_numpy(images), labels[torch.from_numpy(is_kept)])

    source = _read_splits(root, make)
    for name, split in (("train", source.train), ("val", source.val), ("test", source.test)):
        if split is not None:
            _refuse_empty_classes(root / name, source.class_names, split.labels)
    return replace(source, skipped=tuple(path.relative_to(root).as_posix() for path in skipped))


def _read_splits(root: Path, make: MakeExamples) -> Source:
    class_names = _list_class_names(root / "train")
    return Source(
        train=_read_split(root / "train", class_names, make),
        val=_read_optional_split(root / "val", class_names, make),
        test=_read_optional_split(root / "test", class_names, make),
        class_names=class_names,
    )


def decode(path: Path, size: int, *, grayscale: bool) -> Pixels:
    """Return a picture's pixels: turned upright, the shorter side resized, the centre cropped.

    Args:
        path: the file of the picture.
        size: height and width of the result, in pixels.
        grayscale: whether to convert the picture to one channel.

    Returns:
        uint8 (1 or 3, size, size).

    Raises:
        BrokenPictureError: the picture cannot be decoded.
    """
    mode = "L" if grayscale else "RGB"
    try:
        with Image.open(path) as image:
            # A large JPEG can be decoded at a fraction of its size, which is much faster. Twice the
            # final size is kept for the resampling.
            image.draft(mode, (2 * size, 2 * size))
            upright = _convert_mode(ImageOps.exif_transpose(image), mode)
            square = ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC)
    except Exception as error:  # Pillow's decoders raise exceptions of many types
        raise BrokenPictureError(
            f"{show_path(path)} cannot be decoded as a picture: {error}. Convert or remove it, or "
            f"leave out all such pictures with data.on_broken=skip."
        ) from error
    pixels = np.asarray(square, dtype=np.uint8)
    return pixels[None] if grayscale else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _convert_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F":
        raise ValueError("its values are floating-point numbers of unknown range")
    if image.mode.startswith("I"):
        # 16 bits a pixel: Pillow's own conversion clips to 255 instead of scaling.
        eight_bits = np.clip(np.asarray(image), 0, 65535).astype(np.uint16) >> 8
        image = Image.fromarray(eight_bits.astype(np.uint8))
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _check_fingerprint(root: Path, config: ImageFolderConfig) -> None:
    if config.fingerprint is None:
        return
    fingerprint = fingerprint_pictures(root)
    if fingerprint != config.fingerprint:
        raise DataError(
            f"data.fingerprint={config.fingerprint} does not match the pictures in "
            f"data.root={config.root}, whose fingerprint is {fingerprint}: they have changed since "
            f"the run was made. Restore them, or make a new run."
        )


def _list_class_names(train: Path) -> tuple[str, ...]:
    names = list_classes(train)
    if len(names) < 2:
        raise DataError(
            f"{train} must have a folder for each of at least two classes; it has {len(names)}."
        )
    for name in names:
        if not list_pictures(train / name):
            raise DataError(
                f"{show_path(train / name)} holds no pictures; every class in train needs at least "
                f"one."
            )
    return tuple(names)


def _read_optional_split(
    folder: Path, class_names: tuple[str, ...], make: MakeExamples
) -> Examples | None:
    return _read_split(folder, class_names, make) if folder.is_dir() else None


def _read_split(folder: Path, class_names: tuple[str, ...], make: MakeExamples) -> Examples:
    unknown = sorted(set(list_classes(folder)) - set(class_names))
    if unknown:
        raise DataError(
            f"{show_path(folder / unknown[0])} is a class that {folder.with_name('train')} does "
            f"not have; its classes are {', '.join(map(make_printable, class_names))}."
        )
    by_class = [list_pictures(folder / name) for name in class_names]
    paths = [path for pictures in by_class for path in pictures]
    if not paths:
        raise DataError(
            f"{folder} holds no pictures; remove the folder to draw this split from train."
        )
    counts = torch.tensor([len(pictures) for pictures in by_class])
    labels = torch.arange(len(class_names)).repeat_interleave(counts)
    return make(paths, labels)


def _refuse_empty_classes(folder: Path, class_names: tuple[str, ...], labels: Tensor) -> None:
    """Refuse a split that skipped pictures have left empty, or train without one of its classes."""
    left = torch.bincount(labels, minlength=len(class_names)).tolist()
    needed = class_names if folder.name == "train" else ()
    empty = [name for name, count in zip(class_names, left, strict=True) if not count]
    lacking = [folder / name for name in empty if name in needed]
    if lacking or not len(labels):
        raise DataError(
            f"{(lacking or [folder])[0]} holds no picture that can be decoded; convert or remove "
            f"them."
        )


def _decode_all(
    paths: list[Path], config: ImageFolderConfig, *, skip_broken: bool = False
) -> tuple[Pixels, Kept]:
    """Return the pixels of the pictures that can be decoded, and which of them these are.

    Raises:
        BrokenPictureError: a picture cannot be decoded, and may not be skipped.
    """
    size, channels = config.image_size, 1 if config.grayscale else 3
    images = np.empty((len(paths), channels, size, size), dtype=np.uint8)
    is_kept = np.ones(len(paths), dtype=np.bool_)

    def decode_one(path: Path) -> Pixels | None:
        try:
            return decode(path, size, grayscale=config.grayscale)
        except BrokenPictureError:
            if not skip_broken:
                raise
            return None

    # Pillow releases the interpreter lock while it decodes and resizes, so threads run in parallel.
    with ThreadPoolExecutor() as threads:
        for place, pixels in enumerate(threads.map(decode_one, paths)):
            if pixels is None:
                is_kept[place] = False
            else:
                images[place] = pixels
    return (images if is_kept.all() else images[is_kept]), is_kept
