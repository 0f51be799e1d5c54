"""The published data sets: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN.

MNIST's and Fashion-MNIST's four idx files are read here wherever they lie, without torchvision;
downloading them, and all of the others, is torchvision's work.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropexp.data.download import FAILURES, downloading, quiet
from dropexp.data.idx import read_idx
from dropexp.data.splits import Source, Split
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import DataError

Name = Literal["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"]

DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# torchvision's class of each set, which is also the folder that it downloads idx files to.
_TORCHVISION_CLASS = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "svhn": "SVHN",
}
_IDX_FILES = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
# The two sets' files have the same names and sizes; their first labels tell them apart.
_FIRST_LABELS = {
    (5, 0, 4, 1, 9, 2, 1, 3, 1, 4): "mnist",
    (9, 0, 0, 3, 0, 2, 7, 2, 5, 5): "fashion_mnist",
}


def read(name: Name, root: str, *, download: bool) -> Source:
    """A published set, uint8 (N, C, H, W), with the publisher's test images.

    Args:
        name: which.
        root: folder that holds its files; ~ is expanded. Made only for a download.
        download: whether files that are not there are downloaded into root.

    Raises:
        DataError: the files are not there (and cannot be downloaded), or are damaged.
    """
    folder = Path(root).expanduser().absolute()
    if name == "mnist" or name == "fashion_mnist":
        return _read_idx_set(name, folder, download)
    return _read_with_torchvision(name, folder, download)


# --- idx files ----------------------------------------------------------------------------


def _read_idx_set(name: Literal["mnist", "fashion_mnist"], root: Path, download: bool) -> Source:
    files = _find_idx_files(name, root)
    if files is None and download:
        dataset = _torchvision_class(name)
        try:
            with downloading(name, root):
                dataset(root, download=True)
        except FAILURES as error:
            raise _not_there(name, root, error) from error
        files = _find_idx_files(name, root)
    if files is None:
        raise _not_there(name, root)
    train_images, train_labels, test_images, test_labels = files
    train = _read_idx_pair(train_images, train_labels)
    held = _FIRST_LABELS.get(tuple(train.labels[:10].tolist()), name)
    if held != name:
        raise DataError(
            f"{train_labels} belongs to {held}, though data.name={name}; "
            f"keep the two sets in folders of their own, data.root/{_subfolders(name)[0]} say."
        )
    return Source(
        train=train,
        val=None,
        test=_read_idx_pair(test_images, test_labels),
        class_names=DIGITS if name == "mnist" else CLOTHES,
    )


def _subfolders(name: str) -> tuple[str, ...]:
    return f"{_TORCHVISION_CLASS[name]}/raw", name.replace("_", "-")


def _idx_folders(name: str, root: Path) -> list[Path]:
    # A folder named after the set says more about its content than root does.
    system = [DEBIAN_FOLDER] if name == "fashion_mnist" else []
    return [*(root / subfolder for subfolder in _subfolders(name)), root, *system]


def _find_idx_files(name: str, root: Path) -> list[Path] | None:
    for folder in _idx_folders(name, root):
        paths = [(folder / file, folder / f"{file}.gz") for file in _IDX_FILES]
        files = [next(filter(Path.is_file, plain_or_gz), None) for plain_or_gz in paths]
        if None not in files:
            return [file for file in files if file is not None]
    return None


def _read_idx_pair(images_file: Path, labels_file: Path) -> Split:
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{images_file} holds {len(images)} images, but {labels_file} {len(labels)} labels; "
            "there must be as many of each, and at least one."
        )
    if labels.max() >= len(DIGITS):
        raise DataError(f"{labels_file} holds the label {labels.max()}; labels go from 0 to 9.")
    return Split(torch.from_numpy(images[:, None]), torch.from_numpy(labels.astype(np.int64)))


# --- torchvision's ------------------------------------------------------------------------


def _read_with_torchvision(name: Name, root: Path, download: bool) -> Source:
    if name == "svhn" and find_spec("scipy") is None:
        raise DataError("data.name=svhn needs scipy to read its files; pip install scipy.")
    dataset = _torchvision_class(name)
    try:
        with quiet():
            train, test = _open(dataset, root)
    except FAILURES as absent:
        if not download:
            raise _not_there(name, root) from absent
        try:
            with downloading(name, root):
                train, test = _open(dataset, root, download=True)
        except FAILURES as error:
            raise _not_there(name, root, error) from error
    class_names = DIGITS if name == "svhn" else tuple(train.classes)
    return Source(_to_split(train), val=None, test=_to_split(test), class_names=class_names)


def _open(dataset: Any, root: Path, download: bool = False) -> tuple[Any, Any]:
    """The training and the test part; SVHN names its parts, CIFAR says whether it is training."""
    training, testing = ("train", "test") if dataset.__name__ == "SVHN" else (True, False)
    return dataset(root, training, download=download), dataset(root, testing, download=download)


def _torchvision_class(name: str) -> Any:
    return getattr(import_torchvision().datasets, _TORCHVISION_CLASS[name])


def _to_split(dataset: Any) -> Split:
    """CIFAR keeps images as (N, H, W, C) and ``targets``; SVHN as (N, C, H, W) and ``labels``."""
    if hasattr(dataset, "targets"):
        return Split(_channels_first(dataset.data), _as_labels(dataset.targets))
    return Split(torch.from_numpy(np.ascontiguousarray(dataset.data)), _as_labels(dataset.labels))


def _channels_first(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _as_labels(labels: Sequence[int] | NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.asarray(labels, dtype=np.int64))


# --- what to do about it ------------------------------------------------------------------


def _not_there(name: Name, root: Path, failure: BaseException | None = None) -> DataError:
    sought = {
        "cifar10": f"cifar-10-batches-py was not found whole in {root}",
        "cifar100": f"cifar-100-python was not found whole in {root}",
        "svhn": f"train_32x32.mat and test_32x32.mat were not found whole in {root}",
    }.get(name)
    if sought is None:
        folders = ", ".join(str(folder) for folder in _idx_folders(name, root))
        sought = f"{_IDX_FILES[0]} and its three companions (plain or .gz) are not in {folders}"
    if failure is not None:
        reason = " ".join(str(failure).split()) or type(failure).__name__
        sought += f", and the download failed ({reason})"
    ways = "name the folder that holds the files by data.root=… or by the environment variable "
    ways += "DROPEXP_DATA, or let data.download=true fetch them once where there is a network"
    if name == "fashion_mnist":
        ways += ", or install Debian's package dataset-fashion-mnist"
    return DataError(f"data.name={name}: {sought}. To provide them, {ways}.")
