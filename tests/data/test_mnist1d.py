"""MNIST-1D: what its generator makes, and the file that keeps it."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dropexp.config.data_section import MNIST1DConfig
from dropexp.data import load, mnist1d
from dropexp.errors import DataError


def make_config(root: Path, **changes: Any) -> MNIST1DConfig:
    fields = {
        "name": "mnist1d",
        "root": str(root),
        "num_samples": 100,
        "generator_seed": 42,
        "train_size": 40,
        "val_size": 20,
        "test_size": 40,
        "label_noise": 0.0,
        "augment": "none",
        "seed": 0,
    }
    return MNIST1DConfig(**{**fields, **changes})


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Put random numbers in the place of the generator; return its calls."""
    calls = []

    def generate(count: int, seed: int) -> mnist1d.Signals:
        calls.append((count, seed))
        chance = np.random.default_rng(seed)
        images = chance.normal(size=(count, 40)).astype(np.float32)
        return images, np.arange(count, dtype=np.int64) % 10

    monkeypatch.setattr(mnist1d, "_generate", generate)
    monkeypatch.setattr(mnist1d, "version", lambda _package: "0.0.2")
    return calls


def test_signals_are_images_of_one_row(tmp_path: Path, generated: list[tuple[int, int]]) -> None:
    splits = load(make_config(tmp_path))
    assert splits.image_shape == (1, 1, 40)
    assert [len(splits.train), len(splits.val), len(splits.test)] == [40, 20, 40]
    assert splits.train.images.dtype == torch.float32
    assert splits.class_names == tuple("0123456789")


def test_signals_are_generated_once(tmp_path: Path, generated: list[tuple[int, int]]) -> None:
    first = load(make_config(tmp_path)).train.images
    again = load(make_config(tmp_path)).train.images
    load(make_config(tmp_path, seed=1))  # another split of the same signals
    assert generated == [(100, 42)]
    assert torch.equal(first, again)
    load(make_config(tmp_path, generator_seed=1))
    load(make_config(tmp_path, num_samples=200))
    assert generated == [(100, 42), (100, 1), (200, 42)]


@pytest.mark.parametrize("damage", ["cut", "changed", "other"])
def test_a_damaged_file_is_made_again(
    tmp_path: Path, generated: list[tuple[int, int]], damage: str
) -> None:
    expected = load(make_config(tmp_path)).train.images
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    if damage == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        with np.load(file) as arrays:
            held = dict(arrays)
        held["images"][0, 0] += 1
        np.savez(file, **held)
    else:
        np.savez(file, images=np.zeros(3))
    assert torch.equal(load(make_config(tmp_path)).train.images, expected)
    assert len(generated) == 2
    assert [each.name for each in tmp_path.iterdir()] == [file.name], "no part is left"


def test_a_folder_that_cannot_be_written_to_costs_time_only(
    tmp_path: Path, generated: list[tuple[int, int]]
) -> None:
    (tmp_path / "file").touch()
    load(make_config(tmp_path / "file" / "folder"))
    assert generated == [(100, 42)]


def test_without_the_package_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist1d, "_PACKAGE", "no-such-package")
    with pytest.raises(DataError, match=r"pip install 'dropexp\[mnist1d\]'"):
        load(make_config(tmp_path))


def test_the_number_of_signals_is_a_multiple_of_the_classes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 10"):
        make_config(tmp_path, num_samples=101)


@pytest.mark.slow  # the package imports matplotlib: two seconds of processor time
def test_the_signals_are_those_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("mnist1d")
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.random()
    random.seed(1)
    np.random.seed(1)
    config = make_config(tmp_path, num_samples=200, train_size=None, label_noise=0.0)
    splits = load(config)
    assert (random.random(), np.random.random()) == expected, "global generators are left alone"
    labels = torch.cat([each.labels for each in (splits.train, splits.val, splits.test)])
    assert labels.bincount().tolist() == [20] * 10
    images = torch.cat([each.images for each in (splits.train, splits.val, splits.test)])
    assert images.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1.0, abs=1e-6)
