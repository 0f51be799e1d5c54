"""Studies of the findings: every command of a page runs at reduced size, and draws its charts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pages.blocks import ROOT, find_blocks, find_commands
from tests.builders import make_pictures
from tests.conftest import run_dropexp

SMALL = {"train.epochs": "4", "seed": "range(2)", "threads": "1", "hydra.launcher.n_jobs": "1"}
SMALL_MNIST1D = {
    "data.num_samples": "400",
    "data.train_size": "100",
    "data.val_size": "100",
    "data.test_size": "200",
}
SMALL_ARRAYS = {"data": "arrays", "data.val_size": "50", "data.test_size": "50"}
IMAGES = {
    "data=fashion_mnist": {**SMALL_ARRAYS, "data.root": "fashion.npz"},
    "data.root=mnist_5k.npz": {**SMALL_ARRAYS, "data.train_size": "50"},
    "data.root=pictures": {"data.train_size": "20", "data.val_size": "10"},
    "data=mnist1d": SMALL_MNIST1D,
    "study=double_descent": SMALL_MNIST1D,
    "study=double_descent_regularised": SMALL_MNIST1D,
}
"""Override → those of fewer images; a command without any of them trains on few digits already."""
PAGES = {
    "article-claims.md": [],
    "batch-norm.md": ["8 runs", "dropout p=0.5 model.dropout_site=before_norm"],
    "double-descent.md": ["none model.hidden=[300, 300]"],
    "early-stopping.md": ["stochastic_depth p=0.5", "cutout p=0.5", "alpha_dropout p=0.5"],
    "interactions.md": ["2 × 2 × 2 × 2 combinations on 2 seeds"],
    "learning-curves.md": ["2 seeds with a result at every size in common; a worth needs 6"],
    "max-norm.md": ["max_norm=0.8"],
    "memorisation.md": ["wrong labels found"],
    "natural-images.md": ["stochastic_depth p=0.5 × depth=32", "spatial_dropout"],
    "published-orderings.md": ["dropout p=0.9"],
}
"""Page → what its commands print or write at reduced size."""


def reduce(words: Sequence[str]) -> list[str]:
    """Return a sweep with few epochs, seeds and images; other commands as they are."""
    if words[0] != "sweep":
        return list(words)
    given = dict(word.split("=", 1) for word in words[1:])
    size = given.get("data.train_size", "")
    small = {**SMALL, "data.train_size": str(max(20, int(size) // 20))} if size.isdigit() else SMALL
    if "," in given.get("train.epochs", ""):
        small = {**small, "train.epochs": "2,4"}
    for word in words:
        small = {**IMAGES.get(word, {}), **small}
    return ["sweep", *(f"{key}={value}" for key, value in {**given, **small}.items())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the pages speak of: pictures, and images in files."""
    make_pictures(tmp_path / "pictures", per_class=20)
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (1200, 28, 28), dtype=np.uint8)
    for name in ("fashion.npz", "mnist_5k.npz"):
        np.savez(tmp_path / name, images=images, labels=np.arange(1200) % 10)
    return tmp_path


@pytest.mark.slow  # some hundred runs
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_at_reduced_size(page: str, folder: Path) -> None:
    if page == "double-descent.md":
        pytest.importorskip("mnist1d")
    blocks = find_blocks(ROOT / "docs" / "findings" / page)
    commands = [words for block in blocks for words in find_commands(block)]
    commands = [words[1:] for words in commands if words[0] == "dropexp"]
    shown = []
    for words in commands:
        done = run_dropexp(folder, *reduce(words))
        assert done.returncode == 0, (words, done.stderr)
        shown.append(done.stdout)
    shown += [file.read_text(encoding="utf-8") for file in folder.glob("*.md")]
    for sentence in PAGES[page]:
        assert any(sentence in text.replace("\\", "") for text in shown), sentence
    drawn = [word for words in commands for word in words if word.endswith((".png", ".svg"))]
    assert [name for name in drawn if not (folder / name).stat().st_size] == []
