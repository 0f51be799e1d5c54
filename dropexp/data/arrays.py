"""Images and labels as arrays: a .npz file, or what a function of the user's returns."""

import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from dropexp.config.data_section import ArraysConfig
from dropexp.config.paths import parse_path
from dropexp.config.weights_files import fingerprint_file
from dropexp.data.splits import Source, Split
from dropexp.errors import DataError, suggest

NAMES = (
    "images",
    "labels",
    "val_images",
    "val_labels",
    "test_images",
    "test_labels",
    "class_names",
)
"""What a file or a mapping may hold; images and labels are needed."""

_MOST_BYTES = 1 << 34
_MOST_PACKED = 1 << 30
_MOST_RATIO = 50
"""A file may unpack to 16 GiB, and where that is more than 1 GiB to 50 times its own size: a few
megabytes of zeros stand for any memory, and pictures shrink by less."""

_NO_ARRAYS = (
    *(ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error),
    RuntimeError,  # of zipfile: the file is encrypted, or packed in a way that it does not know
    *(KeyError, OverflowError, TypeError),  # an array's header lacks a key, or has a wrong value
)
"""What NumPy and zipfile raise for a file that holds no arrays."""

_CHANNELS = (1, 2, 3, 4)
_MOST_CLASSES = 100_000


def read(config: ArraysConfig) -> Source:
    """Return the images and labels of a .npz file.

    Raises:
        DataError: the file is missing, changed or no .npz file, or what it holds is not allowed;
            see make_source.
    """
    origin = f"data.root={config.root}"
    file = parse_path(config.root, origin)
    found = fingerprint_file(file, origin)
    if config.fingerprint not in (None, found):
        raise DataError(
            f"data.fingerprint={config.fingerprint} does not match the file {origin}, whose "
            f"fingerprint is {found}: it has changed since the run was made. Restore it, or make a "
            f"new run."
        )
    return make_source(_read_file(file, origin), origin)


def make_source(arrays: Mapping[str, Any], origin: str) -> Source:
    """Return images and labels as a data set.

    Images are uint8, or floating point, whose values are used as they are. They have the shape
    (N, H, W), (N, C, H, W) or (N, H, W, C) with at most four channels. Labels are whole numbers
    from 0, or names of classes.

    Args:
        arrays: name → array or tensor; see NAMES.
        origin: where they are from, for errors.

    Raises:
        DataError: says which array is missing or not allowed, and what is.
    """
    for name in arrays:
        if name not in NAMES:
            raise DataError(f"{origin}: {name} is not known. {suggest(str(name), NAMES)}")
    for name in ("images", "labels"):
        if name not in arrays:
            raise DataError(
                f"{origin} has no {name}; it must hold images and labels, and may hold "
                f"{', '.join(NAMES[2:])}."
            )
    for part in ("val", "test"):
        pair = [f"{part}_images" in arrays, f"{part}_labels" in arrays]
        if any(pair) and not all(pair):
            raise DataError(f"{origin}: {part}_images and {part}_labels need each other.")
    parts = [part for part in ("", "val_", "test_") if f"{part}images" in arrays]
    images = {part: _read_images(arrays, f"{part}images", origin) for part in parts}
    _refuse_other_shapes(images, origin)
    labels = {part: _to_numpy(arrays[f"{part}labels"], f"{origin}: {part}labels") for part in parts}
    class_names = _find_class_names(arrays, labels, origin)
    splits = {
        part: Split(
            images[part], _read_labels(labels[part], images[part], class_names, part, origin)
        )
        for part in parts
    }
    return Source(
        train=splits[""],
        val=splits.get("val_"),
        test=splits.get("test_"),
        class_names=class_names,
    )


def _read_file(path: Path, origin: str) -> dict[str, Any]:
    try:
        _refuse_bomb(path, origin)
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise DataError(
                f"{origin} holds a single array; write numpy.savez(file, images=…, labels=…)."
            )
        with file:
            return {name: file[name] for name in file.files}
    except MemoryError:
        raise DataError(f"{origin} holds more than there is memory for.") from None
    except _NO_ARRAYS as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"{origin} cannot be read as arrays: {reason}. Write it with numpy.savez(file, "
            f"images=…, labels=…), without objects."
        ) from None


def _refuse_bomb(path: Path, origin: str) -> None:
    """Refuse a file that asks for much more memory than its size tells, before it is read.

    Raises:
        DataError: it unpacks to too much, or an array's header names more values than it has.
    """
    if not zipfile.is_zipfile(path):
        return  # a single array, which is refused, or no arrays at all
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        if unpacked > min(_MOST_BYTES, max(_MOST_PACKED, _MOST_RATIO * size)):
            raise DataError(
                f"{origin} is not allowed: its {size:,} bytes unpack to {unpacked:,}. Write it "
                f"with numpy.savez, which packs nothing."
            )
        for member in members:
            with archive.open(member) as file:
                named = _read_named_size(file)
            if named > member.file_size:
                raise DataError(
                    f"{origin}: {member.filename.removesuffix('.npy')} says that it has {named:,} "
                    f"bytes, and has {member.file_size:,}."
                )


def _read_named_size(file: IO[bytes]) -> int:
    """Return the bytes of the array that a header announces; 0 where there is none."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
    except ValueError:
        return 0  # numpy says what is wrong when it reads the array
    return 0 if kind.hasobject else math.prod(shape) * kind.itemsize


def _to_numpy(value: Any, named: str) -> NDArray[Any]:
    try:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu()
            value = (value.float() if value.dtype is torch.bfloat16 else value).numpy()
        array: NDArray[Any] = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(f"{named} cannot be read as an array: {reason}.") from error
    if np.ma.is_masked(value):
        raise DataError(f"{named} has masked values, which are not there; leave them out.")
    return array


def _read_images(arrays: Mapping[str, Any], name: str, origin: str) -> torch.Tensor:
    """Return images (N, C, H, W), uint8 or float32."""
    array = _to_numpy(arrays[name], f"{origin}: {name}")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in _CHANNELS and array.shape[3] in _CHANNELS:
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or not array.size:
        raise DataError(
            f"{origin}: {name} has the shape {array.shape}; it must be (N, H, W), (N, C, H, W) or "
            f"(N, H, W, C), and not empty."
        )
    if array.dtype == np.uint8:
        return torch.from_numpy(np.ascontiguousarray(array))
    if not np.issubdtype(array.dtype, np.floating):
        raise DataError(
            f"{origin}: {name} has the type {array.dtype}; it must be uint8 (0 to 255), or "
            f"floating point, whose values are used as they are."
        )
    with np.errstate(over="ignore"):  # which makes infinity, refused below
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        raise DataError(
            f"{origin}: {name} has values that are not finite as float32; replace them."
        )
    return torch.from_numpy(array)


def _refuse_other_shapes(images: Mapping[str, torch.Tensor], origin: str) -> None:
    first = images[""]
    for part, each in images.items():
        if each.shape[1:] != first.shape[1:] or each.dtype != first.dtype:
            raise DataError(
                f"{origin}: {part}images are {each.dtype} of {tuple(each.shape[1:])}, and images "
                f"are {first.dtype} of {tuple(first.shape[1:])} (channels, height, width); they "
                f"must be alike."
            )


def _find_class_names(
    arrays: Mapping[str, Any], labels: Mapping[str, NDArray[Any]], origin: str
) -> tuple[str, ...]:
    """Return the given class names; else the names among the labels, or numbers."""
    if "class_names" in arrays:
        given = _to_numpy(arrays["class_names"], f"{origin}: class_names")
        names = tuple(_to_text(name) for name in given.ravel())
        if len(set(names)) < len(names) or not names:
            raise DataError(f"{origin}: class_names must be different names, at least one.")
        return names
    train = labels[""]
    if train.dtype.kind in "US":
        return tuple(sorted({_to_text(value) for value in train.ravel()}))
    if train.dtype.kind not in "iu":
        return ()  # refused with the other labels
    largest = max((int(each.max()) for each in labels.values() if each.size), default=0)
    if largest >= _MOST_CLASSES:
        raise DataError(
            f"{origin}: labels go up to {largest}; number the classes from 0, or give their names."
        )
    return tuple(str(number) for number in range(largest + 1))


def _to_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _read_labels(
    array: NDArray[Any],
    images: torch.Tensor,
    class_names: tuple[str, ...],
    part: str,
    origin: str,
) -> torch.Tensor:
    """Return labels as int64 (N,), from 0 to the number of classes − 1."""
    name = f"{part}labels"
    if array.shape != (len(images),):
        raise DataError(
            f"{origin}: {name} has the shape {array.shape}; it must be ({len(images)},), one label "
            f"for each of {part}images."
        )
    if array.dtype.kind in "US":
        numbers = {text: number for number, text in enumerate(class_names)}
        texts = [_to_text(value) for value in array]
        if unknown := sorted(set(texts) - numbers.keys()):
            raise DataError(
                f"{origin}: {name} has the class {unknown[0]!r}, which is not among "
                f"{', '.join(class_names[:10])}."
            )
        return torch.tensor([numbers[text] for text in texts], dtype=torch.int64)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{origin}: {name} has the type {array.dtype}; it must be whole numbers from 0, or "
            f"names."
        )
    if int(array.min()) < 0 or int(array.max()) >= len(class_names):
        raise DataError(
            f"{origin}: {name} goes from {array.min()} to {array.max()}; with "
            f"{len(class_names)} class_names it must be from 0 to {len(class_names) - 1}."
        )
    return torch.from_numpy(array.astype(np.int64))
