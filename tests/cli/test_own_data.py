"""Data of the user's through the real command, with the number of threads that it chooses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import Dropexp

QUICK = ("train.epochs=2", "data.train_size=40", "data.val_size=20", "data.test_size=20")
LOADER = """
import numpy as np


def load(height=6):
    rng = np.random.default_rng(0)
    return {"images": rng.random((90, height, 8)), "labels": np.arange(90) % 3}
"""


@pytest.fixture(autouse=True)
def threads_are_put_back() -> None:
    torch.set_num_threads(1)


def save_images(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (90, 8, 8), dtype=np.uint8)
    np.savez(path, images=pixels, labels=np.arange(90) % 3)


def test_arrays_are_trained_on_and_another_file_is_another_run(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    save_images(tmp_path / "mine.npz", 0)
    words = ("train", "data=arrays", "data.root=mine.npz", *QUICK)
    done = dropexp(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arrays: 40 train, 20 val, 20 test images of 1×8×8" in done.stdout
    [first] = tmp_path.glob("runs/none-*")
    assert json.loads((first / "summary.json").read_text())["status"] == "completed"

    assert "was not trained again" in dropexp(*words).stdout
    save_images(tmp_path / "mine.npz", 1)
    refused = dropexp("rerun", str(first))
    assert refused.returncode == 2
    assert "it has changed since the run was made" in refused.stderr
    assert dropexp(*words).returncode == 0
    assert len(list(tmp_path.glob("runs/none-*"))) == 2


def test_a_function_of_the_users_is_trained_on_and_swept(dropexp: Dropexp, tmp_path: Path) -> None:
    (tmp_path / "own_loader.py").write_text(LOADER)
    words = ("data=custom", "data.target=own_loader:load", *QUICK)
    done = dropexp("train", *words, "+data.options.height=5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "images of 1×5×8" in done.stdout
    planned = dropexp("sweep", *words, "seed=0,1", "--dry-run")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "2 new" in planned.stdout
