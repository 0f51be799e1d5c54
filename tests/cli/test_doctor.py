"""dropexp doctor: the real command on files that a user could have written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Dropexp

FLAWED = """
import torch.nn.functional as F
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, num_classes, p=0.5, *, follow=False):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 3)
        self.dropout = nn.Dropout(p)
        self.head = nn.Linear(8, num_classes)
        self.follow = follow

    def forward(self, x):
        x = F.relu(F.dropout2d(self.conv(x), 0.3, training=self.training or not self.follow))
        return self.head(self.dropout(x.mean((2, 3))))

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(2, 4)
        self.dropout = nn.Dropout1d(0.2)

    def forward(self, words, features):
        return self.dropout(self.table(words)) + features
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    """The name of a module with networks, which no other test has imported."""
    name = f"flawed_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(FLAWED)
    return name


def test_it_shows_sites_and_mistakes_and_exits_with_1(
    dropexp: Dropexp, module: str, tmp_path: Path
) -> None:
    done = dropexp("doctor", f"{module}:Net", "--input", "1x12x12")
    assert done.returncode == 1, done.stderr
    assert f"F.dropout2d ({module}.py:14)  ON " in done.stdout
    assert "dropout  nn.Dropout " in done.stdout
    assert "Write F.dropout2d(x, p, training=self.training)" in " ".join(done.stdout.split())
    assert done.stdout.endswith("1 error\n")
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] in (
        [],
        ["__pycache__"],
    )


def test_a_correct_network_exits_with_0(dropexp: Dropexp, module: str) -> None:
    done = dropexp("doctor", f"{module}:Net", "-i", "1x12x12", "-o", "follow=true")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("nothing is wrong\n")


def test_json_is_the_report(dropexp: Dropexp, module: str) -> None:
    done = dropexp("doctor", f"{module}:Net", "-i", "1x12x12", "-f", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["passed"] is False
    assert [finding["mistake"] for finding in report["findings"]] == ["noise_in_eval"]
    assert report["sites"][0]["axis"] == "channels"
    assert report["sites"][0]["drop_rate"] == pytest.approx(0.3, abs=0.05)


def test_several_inputs_and_integers(dropexp: Dropexp, module: str) -> None:
    done = dropexp("doctor", f"{module}:Words", "-i", "5:int", "-i", "5x4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dropout  nn.Dropout1d  silent  0.2" in done.stdout


def test_an_expected_p_that_is_not_there_is_an_error(dropexp: Dropexp, module: str) -> None:
    done = dropexp(
        *("doctor", f"{module}:Net", "-i", "1x12x12", "-o", "follow=true", "-o", "p=0.0"),
        *("--p", "0.5"),
    )
    assert done.returncode == 1
    assert "other_p: no dropout of the network has p=0.5; there is 0.3" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("MODULE:Nte", "-i", "1x8x8"), "MODULE has no Nte. Did you mean Net?"),
        (("MODULE", "-i", "1x8x8"), "it must name a class as package.module:Class"),
        (("nets_not_there:Net", "-i", "1x8x8"), "nets_not_there"),
        (("MODULE:Net", "-i", "1x0x8"), "--input 1x0x8 is not the shape of an example"),
        (("MODULE:Net", "-i", "9999999x9999999"), "is not the shape of an example"),
        (("MODULE:Net", "-i", "1x2x2"), "MODULE:Net cannot take --input 1x2x2: RuntimeError"),
        (("MODULE:Net", "-i", "1x8x8", "-o", "q=1"), "--option q is not an argument"),
        (("MODULE:Net", "-i", "1x8x8", "-o", "q"), "write it as key=value"),
        (("MODULE:Net", "-i", "1x8x8", "--batch", "1"), "--batch 1 is not allowed"),
        (("MODULE:Net", "-i", "1x8x8", "--p", "1.5"), "--p 1.5 is not a drop probability"),
        (("MODULE:Net",), "--input is missing"),
    ],
)
def test_requests_that_cannot_be_met_are_sentences(
    arguments: tuple[str, ...], words: str, dropexp: Dropexp, module: str
) -> None:
    done = dropexp("doctor", *(each.replace("MODULE", module) for each in arguments))
    assert done.returncode == 2, done.stdout
    assert words.replace("MODULE", module) in done.stderr
    assert "Traceback" not in done.stderr


def test_networks_of_torchvision_need_no_file(dropexp: Dropexp) -> None:
    done = dropexp("doctor", "torchvision.models:squeezenet1_1", "-i", "3x32x32")
    assert done.returncode == 0, done.stderr
    assert "classifier.0  nn.Dropout  silent  0.5" in done.stdout


@pytest.mark.slow
def test_a_users_file_may_import_torchvision(tmp_path: Path) -> None:
    """In a fresh process, as torchvision's import fails beside a CPU-only torch."""
    (tmp_path / "nets.py").write_text(
        "from torchvision.models import resnet18\ndef small(num_classes):\n"
        "    return resnet18(num_classes=num_classes)\n"
    )
    command = "from dropexp.models.custom import build_any_network as b; b('nets:small', (), {})"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
