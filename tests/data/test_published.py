import hashlib
import pickle
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from dropexp.data import download, load, published
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import DataError
from tests.data.examples import in_a_new_process, published_config, write_idx_set

NOWHERE = "http://127.0.0.1:9/"  # the discard port: a connection is refused at once
needs_debian_package = pytest.mark.skipif(
    not published.DEBIAN_FOLDER.is_dir(), reason="Debian's dataset-fashion-mnist is not installed"
)


@pytest.fixture
def no_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(published, "DEBIAN_FOLDER", tmp_path / "no-package")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = import_torchvision().datasets
    for name in ("MNIST", "FashionMNIST"):
        monkeypatch.setattr(getattr(datasets, name), "mirrors", [NOWHERE])
    for name in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(getattr(datasets, name), "url", NOWHERE + "cifar.tar.gz")
    parts = {part: [NOWHERE + part, f"{part}_32x32.mat", ""] for part in ("train", "test")}
    monkeypatch.setattr(datasets.SVHN, "split_list", parts)


# --- idx files ----------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "subfolder"),
    [
        ("mnist", "."),
        ("mnist", "MNIST/raw"),
        ("mnist", "mnist"),
        ("fashion_mnist", "."),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("fashion_mnist", "fashion-mnist"),
    ],
)
def test_idx_files_are_found_in_root_and_its_usual_subfolders(
    name: str, subfolder: str, zipped: bool, tmp_path: Path
) -> None:
    write_idx_set(tmp_path / subfolder, zipped=zipped)
    splits = load(published_config(name, tmp_path, val_size=10))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (20, 10, 30)
    assert splits.image_shape == (1, 4, 4)
    assert splits.test.labels.tolist() == [*range(10)] * 3


def test_a_tilde_in_root_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_idx_set(tmp_path / "sets")
    assert len(load(published_config("mnist", Path("~/sets"))).test) == 30


def test_each_set_is_taken_from_its_own_folder(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "MNIST/raw", first_label=1)
    write_idx_set(tmp_path / "FashionMNIST/raw", first_label=2)
    assert load(published_config("mnist", tmp_path)).test.labels[0] == 1
    assert load(published_config("fashion_mnist", tmp_path)).test.labels[0] == 2


@needs_debian_package
def test_fashion_mnist_is_read_from_debians_package_without_torchvision(tmp_path: Path) -> None:
    printed = in_a_new_process(f"""
import sys
from pathlib import Path
from dropexp.data import load
from tests.data.examples import published_config
for name in ("PIL", "torchvision"): sys.modules.pop(name, None)
splits = load(published_config("fashion_mnist", Path({str(tmp_path / "none")!r}), val_size=5000))
assert not {{name.split(".")[0] for name in sys.modules}} & {{"torchvision"}}
print(len(splits.train), len(splits.val), len(splits.test), splits.image_shape)
print(splits.val.labels.bincount().tolist(), splits.test.labels[:10].tolist())
print([splits.class_names[label] for label in splits.test.labels[:2]])
print([round(float(value) / 255, 3) for value in (splits.mean, splits.std)])
""")
    assert printed.splitlines() == [
        "55000 5000 10000 (1, 28, 28)",
        "[500, 500, 500, 500, 500, 500, 500, 500, 500, 500] [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]",
        "['Ankle boot', 'Pullover']",
        "[0.286, 0.353]",
    ]
    assert not (tmp_path / "none").exists()


@needs_debian_package
def test_files_of_fashion_mnist_are_not_read_as_mnist() -> None:
    with pytest.raises(DataError, match=r"belongs to fashion_mnist, though data=mnist"):
        load(published_config("mnist", published.DEBIAN_FOLDER))


def test_images_and_labels_that_do_not_match_are_an_error(tmp_path: Path) -> None:
    write_idx_set(tmp_path, count=30)
    write_idx_set(tmp_path / "other", count=20)
    (tmp_path / "other/train-labels-idx1-ubyte.gz").rename(tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.raises(DataError, match=r"train-images.* holds 30 images, but .* 20 labels"):
        load(published_config("mnist", tmp_path))


def test_a_label_beyond_the_classes_is_an_error(tmp_path: Path) -> None:
    write_idx_set(tmp_path, zipped=False)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1] + b"\x0b")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte holds the label 11"):
        load(published_config("mnist", tmp_path))


def test_a_damaged_file_is_an_error_and_not_downloaded_again(tmp_path: Path) -> None:
    write_idx_set(tmp_path, zipped=False)
    images = tmp_path / "train-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is damaged"):
        load(published_config("mnist", tmp_path, download=True))


# --- what is not there --------------------------------------------------------------------


@pytest.mark.usefixtures("no_debian_package", "no_network")
@pytest.mark.parametrize("download", [False, True])
@pytest.mark.parametrize(
    ("name", "sought"),
    [
        ("mnist", "train-images-idx3-ubyte"),
        ("fashion_mnist", "train-images-idx3-ubyte"),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("svhn", "train_32x32.mat and test_32x32.mat"),
    ],
)
def test_missing_data_is_named_with_the_ways_to_provide_it(
    name: str, sought: str, download: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "sets"
    with pytest.raises(DataError) as caught:
        load(published_config(name, root, download=download))
    message = str(caught.value)
    for part in (f"data={name}: ", sought, str(root), "data.root=…", "DROPEXP_DATA"):
        assert part in message
    assert "\n" not in message
    assert ("the download failed" in message) == download
    assert ("dataset-fashion-mnist" in message) == (name == "fashion_mnist")
    assert ("connect to a network" in message) == download
    assert ("data.download=true" in message) != download, "it was tried just now"
    assert not root.exists()
    assert capfd.readouterr() == ("", "")


def test_svhn_without_scipy_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install scipy"):
        load(published_config("svhn", tmp_path))


# --- through torchvision ------------------------------------------------------------------


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def write_cifar10(root: Path, dataset: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """CIFAR-10's files with 4 random images each, and their check sums; gives all the images."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    generator, arrays = np.random.default_rng(0), []
    batches = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for name in batches:
        arrays.append(generator.integers(0, 256, (4, 3 * 32 * 32), dtype=np.uint8))
        batch = {"data": arrays[-1], "labels": [0, 1, 2, 3]}
        (folder / name).write_bytes(pickle.dumps(batch))
    names = ["airplane", "automobile", "bird", "cat"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    sums = [[name, md5(folder / name)] for name in batches]
    monkeypatch.setattr(dataset, "train_list", sums[:-1])
    monkeypatch.setattr(dataset, "test_list", sums[-1:])
    monkeypatch.setattr(dataset, "meta", {**dataset.meta, "md5": md5(folder / "batches.meta")})
    return np.concatenate(arrays).reshape(-1, 3, 32, 32)


def test_cifar10_is_read_in_channels_first_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = write_cifar10(tmp_path, import_torchvision().datasets.CIFAR10, monkeypatch)
    splits = load(published_config("cifar10", tmp_path, val_size=5))
    assert splits.image_shape == (3, 32, 32)
    assert (len(splits.train), len(splits.val), len(splits.test)) == (15, 5, 4)
    assert np.array_equal(splits.test.images.numpy(), images[20:])
    assert splits.test.labels.tolist() == [0, 1, 2, 3]
    assert splits.class_names == ("airplane", "automobile", "bird", "cat")


def test_a_cifar_file_with_a_wrong_check_sum_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, import_torchvision().datasets.CIFAR10, monkeypatch)
    with (tmp_path / "cifar-10-batches-py/data_batch_2").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="cifar-10-batches-py is missing or damaged"):
        load(published_config("cifar10", tmp_path))


def test_images_stored_channels_last_keep_their_pixels() -> None:
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    split = published._to_split(SimpleNamespace(data=images, targets=[7, 8]))
    assert split.images.shape == (2, 3, 4, 5)
    assert split.images.is_contiguous()
    assert split.images[1, 2, 3, 4] == images[1, 3, 4, 2]
    assert split.labels.dtype == torch.int64


def test_images_stored_channels_first_keep_their_pixels() -> None:
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    split = published._to_split(SimpleNamespace(data=images, labels=np.array([7, 8])))
    assert np.array_equal(split.images.numpy(), images)
    assert split.labels.tolist() == [7, 8]


def test_svhn_is_read_from_its_matlab_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    matlab = pytest.importorskip("scipy.io")
    images = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 10), dtype=np.uint8)
    labels = np.arange(1, 11, dtype=np.uint8)[:, None]  # the digit 0 has the label 10
    parts = {}
    for part in ("train", "test"):
        path = tmp_path / f"{part}_32x32.mat"
        matlab.savemat(path, {"X": images, "y": labels})
        parts[part] = [NOWHERE, path.name, md5(path)]
    monkeypatch.setattr(import_torchvision().datasets.SVHN, "split_list", parts)
    splits = load(published_config("svhn", tmp_path))
    assert splits.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert np.array_equal(splits.test.images.numpy(), images.transpose(3, 2, 0, 1))
    assert splits.num_classes == 10


def test_a_server_that_never_answers_is_given_up_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "DEBIAN_FOLDER", tmp_path / "no-package")
    monkeypatch.setattr(download.list_answering, "__defaults__", (0.2,))
    datasets = import_torchvision().datasets
    with socket.create_server(("127.0.0.1", 0)) as server:  # connects, and says nothing
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [address, address])
        monkeypatch.setattr(datasets.CIFAR10, "url", f"{address}cifar.tar.gz")
        for name in ("mnist", "cifar10"):
            with pytest.raises(
                DataError, match=r"no answer from 127.0.0.1:\d+ within 0.2 s.*data.root"
            ):
                load(published_config(name, tmp_path / "new/root", download=True))
    assert list(tmp_path.iterdir()) == []
    assert download.SECONDS_TO_ANSWER + download._STALL_S / 2 < 15


def test_requests_that_end_before_the_wait_does_are_no_answer_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def time_out(request: urllib.request.Request, timeout: float) -> None:
        raise urllib.error.URLError(TimeoutError("timed out"))

    monkeypatch.setattr(urllib.request, "urlopen", time_out)
    addresses = [f"http://{server}/file" for server in ("first.example", "second.example")]
    with pytest.raises(
        TimeoutError, match=r"^no answer from first.example or second.example within 0.1 s$"
    ):
        download.list_answering(addresses, seconds=0.1)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_download_that_breaks_off_leaves_what_was_there(
    is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served, root = tmp_path / "served", tmp_path / "root"
    write_idx_set(served)
    kept = root / "MNIST/raw/mine.txt"
    if is_there:
        kept.parent.mkdir(parents=True)
        kept.touch()
    dataset = import_torchvision().datasets.MNIST
    files = sorted(served.iterdir())
    sums = [(path.name, md5(path)) for path in files]
    sums[-1] = (files[-1].name, "0" * 32)  # the last of four arrives damaged
    monkeypatch.setattr(dataset, "resources", sums)
    with serving(served) as address:
        monkeypatch.setattr(dataset, "mirrors", [NOWHERE, address])
        with pytest.raises(DataError, match="the download failed"):
            load(published_config("mnist", root, download=True))
    left = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    assert left <= {Path("MNIST/raw/mine.txt"), Path(".dropexp-download.lock")}
    assert root.exists() == kept.exists() == is_there


class _SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server, on this machine, of a folder's files."""
    handler = partial(_SilentHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@pytest.mark.usefixtures("no_debian_package")
def test_a_download_is_stored_in_root_and_prints_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    served = tmp_path / "served"
    write_idx_set(served)
    dataset = import_torchvision().datasets.FashionMNIST
    sums = [(path.name, md5(path)) for path in sorted(served.iterdir())]
    monkeypatch.setattr(dataset, "resources", sums)
    config = published_config("fashion_mnist", tmp_path / "new/root", download=True)
    with serving(served) as address:
        monkeypatch.setattr(dataset, "mirrors", [address])
        assert len(load(config).test) == 30
    assert (tmp_path / "new/root/FashionMNIST/raw/train-images-idx3-ubyte").is_file()
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(dataset, "mirrors", [NOWHERE])
    assert len(load(config).test) == 30, "a second run needs no network"
