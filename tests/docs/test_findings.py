"""Studies of the findings: the commands of a page run at reduced size, and draw its charts."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pages.blocks import ROOT, find_blocks, find_commands
from tests.conftest import run_dropexp

SMALL = {"train.epochs": "2", "seed": "range(2)", "threads": "1"}
SMALL_MNIST1D = {
    "data.num_samples": "400",
    "data.train_size": "100",
    "data.val_size": "100",
    "data.test_size": "200",
}
PAGES = {"double-descent.md": "mnist1d"}
"""Page → the package that its data needs."""


def reduce(words: Sequence[str]) -> list[str]:
    """Return a sweep with few epochs, seeds and images; other commands as they are."""
    if words[0] != "sweep":
        return list(words)
    is_digits = any("digits" in word for word in words)
    small = {**SMALL, **({} if is_digits else SMALL_MNIST1D)}
    kept = [word for word in words if word.partition("=")[0] not in small]
    return [*kept, *(f"{key}={value}" for key, value in small.items())]


@pytest.mark.slow  # some hundred runs
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_at_reduced_size(page: str, tmp_path: Path) -> None:
    pytest.importorskip(PAGES[page])
    blocks = find_blocks(ROOT / "docs" / "findings" / page)
    commands = [words[1:] for block in blocks for words in find_commands(block)]
    commands = [words for words in commands if words[0] in ("sweep", "compare")]
    assert commands
    for words in commands:
        done = run_dropexp(tmp_path, *reduce(words))
        assert done.returncode == 0, (words, done.stderr)
    drawn = [word for words in commands for word in words if word.endswith((".png", ".svg"))]
    assert [name for name in drawn if not (tmp_path / name).stat().st_size] == []
