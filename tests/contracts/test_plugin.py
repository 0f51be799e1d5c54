"""pytest --dropexp-contracts in a process of its own, as the author of a class runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = ("-p", "dropexp.contracts.plugin", "-p", "no:cacheprovider")
NOISE = """
import torch
from torch import nn


class Good(nn.Module):
    def __init__(self, p, axes=4):
        super().__init__()
        self.p, self.axes = p, axes

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        shape = [size if axis < self.axes else 1 for axis, size in enumerate(x.shape)]
        keep = torch.rand(shape) >= self.p
        return x * keep / (1 - self.p)


class Unscaled(Good):
    def forward(self, x):
        return x * (torch.rand_like(x.float()) >= self.p) if self.training else x
"""


def run_pytest(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGIN, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_class_that_keeps_the_contracts_passes_and_another_is_told_what_it_breaks(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(NOISE)
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    good = run_pytest(tmp_path, "--dropexp-contracts", "mine:Good axes=2")
    assert good.returncode == 0, good.stdout
    assert "19 passed" in good.stdout, "the tests of the folder are not among them"
    bad = run_pytest(tmp_path, "test_own.py", "--dropexp-contracts", "mine:Unscaled")
    assert bad.returncode == 1
    assert "divide by 1 - p" in bad.stdout
    assert "the audit" in bad.stdout or "expectation" in bad.stdout
    assert "16 passed" in bad.stdout, "the tests of the folder that was named are among them"


def test_without_the_option_nothing_is_imported_or_collected(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(
        "import sys\n\n\ndef test_own():\n    assert 'torch' not in sys.modules\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
