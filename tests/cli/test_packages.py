"""A package that offers a regulariser, data and a network, built and installed as any other."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Dropexp

pytestmark = pytest.mark.slow  # pip, and processes that must find what it has installed

FILES = {
    "noisebox/__init__.py": "",
    "noisebox/noise.py": """\
from torch import nn


class Rows(nn.Dropout2d):
    def __init__(self, p: float, height: int = 1) -> None:
        super().__init__(p)
""",
    "noisebox/pictures.py": """\
import numpy as np


def load(size=8):
    chance = np.random.default_rng(0)
    return chance.random((60, size, size), dtype=np.float32), np.arange(60) % 2
""",
    "noisebox/nets.py": """\
from torch import nn


class Net(nn.Module):
    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, 8, 3)
        self.head = nn.Linear(8 * 6 * 6, num_classes)

    def forward(self, images):
        return self.head(self.convolution(images).relu().flatten(1))
""",
}
INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: noisebox\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": """\
[dropexp.regularisers]
boxrows = noisebox.noise:Rows
[dropexp.data]
boxes = noisebox.pictures:load
[dropexp.models]
boxnet = noisebox.nets:Net
""",
    "RECORD": "",
}
SHORT = ("train.epochs=1", "data.val_size=10", "data.test_size=10", "threads=1")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has installed the package into."""
    folder = tmp_path_factory.mktemp("installed")
    wheel = folder / "noisebox-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
        for name, text in INFO.items():
            archive.writestr(f"noisebox-1.0.dist-info/{name}", text)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


@pytest.fixture
def installed(dropexp_process: Dropexp, site: Path, monkeypatch: pytest.MonkeyPatch) -> Dropexp:
    """The command beside the installed package."""
    path = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    return dropexp_process


def test_what_a_package_offers_is_trained_swept_compared_and_repeated(
    installed: Dropexp, tmp_path: Path
) -> None:
    own = ("data=boxes", "model=boxnet", *SHORT)
    swept = installed("sweep", "regulariser=none,boxrows", "p=0.3", "seed=0,1", "study=box", *own)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "4 of 4 runs done" in swept.stdout
    again = installed("train", "regulariser=boxrows", "p=0.3", "seed=1", *own)
    assert "was not trained again" in again.stdout, again.stdout + again.stderr
    assert "custom:Rows p=0.3" in installed("compare", "study=box").stdout
    [run] = tmp_path.glob("runs/custom-p0.3-s0-*")
    repeated = installed("rerun", run.name)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    joined = installed("train", "regulariser=boxrows+mixup", "regulariser.boxrows.p=0.2", *own)
    assert joined.returncode == 0, joined.stdout + joined.stderr
    assert "custom+mixup-p" in joined.stdout


def test_what_a_package_offers_is_shown_and_completed(installed: Dropexp) -> None:
    told = installed("train", "regulariser=boxrows", "--info", "defaults")
    assert "regulariser/boxrows" in told.stdout, told.stderr
    helped = installed("train", "--help").stdout
    assert [name for name in ("boxrows", "boxes", "boxnet") if name not in helped] == []
    asked = {
        "_DROPEXP_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "dropexp train regulariser=box",
    }
    script = Path(sys.executable).with_name("dropexp")  # which the shell's script calls by its name
    words = subprocess.check_output([script], env=os.environ | asked, text=True)
    assert words.strip() == "regulariser=boxrows"
