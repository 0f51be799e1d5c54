"""The published data sets: MNIST, Fashion-MNIST, CIFAR-10, CIFAR-100 and SVHN.

The four idx files of MNIST and Fashion-MNIST are read without torchvision. torchvision downloads
them, and downloads and reads the other sets.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropexp.config.data_section import PublishedName
from dropexp.config.paths import parse_path
from dropexp.data.download import FAILURES, list_answering, prepare_download, silence_torchvision
from dropexp.data.idx import read_idx
from dropexp.data.splits import Source, Split
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import DataError

DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

# The name of torchvision's class for a set, and of the folder that it downloads idx files to.
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
# The files of both sets have the same names and sizes, so the first labels identify the set.
_FIRST_LABELS = {
    (5, 0, 4, 1, 9, 2, 1, 3, 1, 4): "mnist",
    (9, 0, 0, 3, 0, 2, 7, 2, 5, 5): "fashion_mnist",
}


def read(name: PublishedName, root: str, *, download: bool) -> Source:
    """Return a published set, uint8 (N, C, H, W), with the publisher's test images.

    Args:
        name: the name of the set.
        root: the folder that holds its files; ~ is expanded. It is made only for a download.
        download: whether to download missing files into root.

    Raises:
        DataError: the files are damaged, or they are missing and cannot or may not be downloaded.
    """
    folder = parse_path(root, f"data.root={root}").absolute()
    if name == "mnist" or name == "fashion_mnist":
        return _read_idx_set(name, folder, download)
    return _read_with_torchvision(name, folder, download)


# --- idx files ----------------------------------------------------------------------------


def _read_idx_set(name: Literal["mnist", "fashion_mnist"], root: Path, download: bool) -> Source:
    files = _find_idx_files(name, root)
    if files is None and download:
        dataset = _find_torchvision_class(name)
        try:
            mirrored = _choose_mirrors(dataset)
            with prepare_download(name, root, [dataset.__name__]):
                mirrored(root, download=True)
        except FAILURES as error:
            raise _make_missing_error(name, root, error) from error
        files = _find_idx_files(name, root)
    if files is None:
        raise _make_missing_error(name, root)
    train_images, train_labels, test_images, test_labels = files
    train = _read_idx_pair(train_images, train_labels)
    actual_name = _FIRST_LABELS.get(tuple(train.labels[:10].tolist()), name)
    if actual_name != name:
        raise DataError(
            f"{train_labels} belongs to {actual_name}, though data={name}; keep each set in "
            f"its own folder, such as data.root/{_list_subfolders(name)[0]}."
        )
    return Source(
        train=train,
        val=None,
        test=_read_idx_pair(test_images, test_labels),
        class_names=DIGITS if name == "mnist" else CLOTHES,
    )


def _choose_mirrors(dataset: Any) -> Any:
    """Return torchvision's class of idx files with the mirrors that answer."""
    file = dataset.resources[0][0]
    answering = list_answering([f"{mirror}{file}" for mirror in dataset.mirrors])
    mirrors = [address.removesuffix(file) for address in answering]
    return type(dataset.__name__, (dataset,), {"mirrors": mirrors})


def _list_subfolders(name: str) -> tuple[str, ...]:
    return f"{_TORCHVISION_CLASS[name]}/raw", name.replace("_", "-")


def _list_idx_folders(name: str, root: Path) -> list[Path]:
    # A folder named after the set comes first, since root may hold files of the other set.
    system = [DEBIAN_FOLDER] if name == "fashion_mnist" else []
    return [*(root / subfolder for subfolder in _list_subfolders(name)), root, *system]


def _find_idx_files(name: str, root: Path) -> list[Path] | None:
    for folder in _list_idx_folders(name, root):
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
            "the numbers must be equal and at least 1."
        )
    if labels.max() >= len(DIGITS):
        raise DataError(f"{labels_file} holds the label {labels.max()}; allowed: 0 to 9.")
    return Split(torch.from_numpy(images[:, None]), torch.from_numpy(labels.astype(np.int64)))


# --- with torchvision ---------------------------------------------------------------------


def _read_with_torchvision(name: PublishedName, root: Path, download: bool) -> Source:
    if name == "svhn" and find_spec("scipy") is None:
        raise DataError("data=svhn needs scipy to read its files; pip install scipy.")
    dataset = _find_torchvision_class(name)
    try:
        with silence_torchvision():
            train, test = _open(dataset, root)
    except FAILURES as missing:
        if not download:
            raise _make_missing_error(name, root) from missing
        try:
            _refuse_unreachable(dataset, root)
            with prepare_download(name, root, _list_files(dataset)):
                train, test = _open(dataset, root, download=True)
        except FAILURES as error:
            raise _make_missing_error(name, root, error) from error
    class_names = DIGITS if name == "svhn" else tuple(train.classes)
    return Source(_to_split(train), val=None, test=_to_split(test), class_names=class_names)


def _list_files(dataset: Any) -> list[str]:
    """Return the names of what torchvision makes for CIFAR or SVHN."""
    if dataset.__name__ == "SVHN":
        return [dataset.split_list[part][1] for part in ("train", "test")]
    return [dataset.filename, dataset.base_folder]


def _refuse_unreachable(dataset: Any, root: Path) -> None:
    """Raise OSError where the server of CIFAR or SVHN does not answer and is needed."""
    if dataset.__name__ == "SVHN":
        list_answering([dataset.split_list["train"][0]])
    elif not (root / dataset.filename).is_file():  # else torchvision only unpacks it
        list_answering([dataset.url])


def _open(dataset: Any, root: Path, download: bool = False) -> tuple[Any, Any]:
    """Return the training and the test set, which CIFAR selects by a bool and SVHN by name."""
    training, testing = ("train", "test") if dataset.__name__ == "SVHN" else (True, False)
    return dataset(root, training, download=download), dataset(root, testing, download=download)


def _find_torchvision_class(name: str) -> Any:
    return getattr(import_torchvision().datasets, _TORCHVISION_CLASS[name])


def _to_split(dataset: Any) -> Split:
    """Return a data set of torchvision's as tensors.

    CIFAR has images (N, H, W, C) and ``targets``, SVHN images (N, C, H, W) and ``labels``.
    """
    if hasattr(dataset, "targets"):
        return Split(_move_channels_first(dataset.data), _to_labels(dataset.targets))
    return Split(torch.from_numpy(np.ascontiguousarray(dataset.data)), _to_labels(dataset.labels))


def _move_channels_first(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def _to_labels(labels: Sequence[int] | NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(np.asarray(labels, dtype=np.int64))


# --- errors -------------------------------------------------------------------------------


def _make_missing_error(
    name: PublishedName, root: Path, failure: BaseException | None = None
) -> DataError:
    missing = {
        "cifar10": f"cifar-10-batches-py is missing or damaged in {root}",
        "cifar100": f"cifar-100-python is missing or damaged in {root}",
        "svhn": f"train_32x32.mat and test_32x32.mat are missing or damaged in {root}",
    }.get(name)
    if missing is None:
        folders = ", ".join(str(folder) for folder in _list_idx_folders(name, root))
        missing = (
            f"{_IDX_FILES[0]} and the three files beside it (plain or .gz) are not in {folders}"
        )
    if failure is not None:
        reason = " ".join(str(failure).split()) or type(failure).__name__
        missing += f", and the download failed ({reason})"
    remedy = (
        "set data.root=… or the environment variable DROPEXP_DATA to the folder that holds the "
        "files, or "
    )
    if failure is None:
        remedy += "download them once with data.download=true where there is a network"
    else:
        remedy += "connect to a network and give the same command again"
    if name == "fashion_mnist":
        remedy += ", or install Debian's package dataset-fashion-mnist"
    return DataError(f"data={name}: {missing}. To provide the files, {remedy}.")
