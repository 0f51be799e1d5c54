"""Commands with networks that are not dropexp's."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dropexp.cli.commands import build_app
from dropexp.errors import UserError
from tests.conftest import Dropexp
from tests.models.custom_networks import NET

FEW = ("train.epochs=1", "data.train_size=40", "data.val_size=20", "threads=1")


@pytest.mark.parametrize(
    ("regulariser", "sites"),
    [
        ("stochastic_depth", 8),
        pytest.param("dropout2d", 9, marks=pytest.mark.slow),
        pytest.param("dropconnect", 20, marks=pytest.mark.slow),
    ],
)
def test_resnet18_trains_with_a_passed_audit(
    regulariser: str, sites: int, dropexp: Dropexp, tmp_path: Path
) -> None:
    words = ["model=torchvision", f"regulariser={regulariser}", "p=0.3", *FEW]
    words += ["regulariser.mask=batch"] if regulariser == "dropconnect" else []
    done = dropexp("train", *words)
    assert done.returncode == 0, done.stderr
    assert "model  torchvision resnet18: 11,172,810 parameters" in done.stdout
    assert "first convolution is 3×3 with stride 1, without max-pooling" in done.stdout
    folder = next((tmp_path / "runs").glob(f"{regulariser}-p0.3-s0-*"))
    audit = json.loads((folder / "audit.json").read_text())
    assert audit["passed"]
    assert len(audit["sites"]) == sites
    assert json.loads((folder / "summary.json").read_text())["status"] == "completed"


def test_an_audit_lists_what_is_served_where_and_what_was_changed() -> None:
    words = "audit model=torchvision model.arch=mobilenet_v3_small regulariser=dropout2d p=0.3"
    done = CliRunner().invoke(build_app(), [*words.split(), "model.sites=features.1?.*"])
    assert done.exit_code == 0, done.output
    assert "the network's own dropout is off (classifier.2)" in done.stdout
    assert re.search(r"^sites  5 activations \(maps\), .*; 5 filled$", done.stdout, re.MULTILINE)
    assert re.search(r"^features\.12\.1\.noise  +Dropout2d  0\.3", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "model=torchvision model.arch=squeezenet1_1 regulariser=stochastic_depth",
            "residual branches, but model=torchvision squeezenet1_1 has none",
        ),
        ("model=torchvision data.train_size=65", "train.batch_size=64 leaves one image of 65"),
        (
            "model=torchvision regulariser=dropout2d model.sites=[layer9.*]",
            "layer9.* matches no site",
        ),
        ("model=custom", "model.target has no default and must be given"),
        ("model=custom model.target=nets", "it must name a class as package.module:Class"),
        ("model=custom model.target=nets/mine.py:Net", "Class, such as nets.mine:Net."),
        ("model=custom model.target=nets.mine.Net", "Class, such as nets.mine:Net."),
        ("model=custom model.target=nets_not_there:Net", "there is no module nets_not_there"),
        (
            "model=custom model.target=nets:Net model.options.width=3",
            "write +model.options.width=…",
        ),
    ],
)
def test_requests_that_cannot_be_met_are_sentences(words: str, says: str) -> None:
    done = CliRunner().invoke(build_app(), ["audit", *words.split(), "p=0.3"])
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)


def test_a_sweep_trains_a_users_own_network_and_knows_when_it_changes(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text(NET)
    words = ["model=custom", "model.target=nets:Net", "regulariser=dropout2d", "p=0.3", *FEW]
    done = dropexp("sweep", *words, "+model.options.width=3,5")
    assert done.returncode == 0, done.stdout + done.stderr
    folders = [folder for folder in (tmp_path / "runs").iterdir() if "-s0-" in folder.name]
    assert len(folders) == 2
    models = [yaml.safe_load((folder / "config.yaml").read_text())["model"] for folder in folders]
    assert {model["options"]["width"] for model in models} == {3, 5}
    assert len({model["fingerprint"] for model in models}) == 1
    (tmp_path / "nets.py").write_text(NET.replace("width, 3)", "width, 5)"))
    again = dropexp("sweep", *words, "+model.options.width=3,5", "--dry-run")
    assert "2 new" in again.stdout
    done = dropexp("rerun", folders[0].name)
    assert done.returncode == 2
    assert "does not match the source of model.target" in done.stderr


def test_the_content_of_files_that_options_name_is_part_of_a_run(
    tmp_path: Path, dropexp: Dropexp
) -> None:
    net = NET.replace("width=4):", "width=4, start=None, more=()):")
    (tmp_path / "nets_with_files.py").write_text(net)
    (tmp_path / "start.txt").write_text("one")
    words = ["model=custom", "model.target=nets_with_files:Net", *FEW]
    words += ["+model.options.start=start.txt", "+model.options.more=[absent.txt,8]"]
    done = dropexp("train", *words)
    assert done.returncode == 0, done.stderr
    [run] = (tmp_path / "runs").glob("none-*")
    assert dropexp("rerun", run.name).returncode == 0
    (tmp_path / "start.txt").write_text("two")
    assert run.name not in dropexp("train", *words, "--cfg").stdout
    refused = dropexp("rerun", run.name)
    assert refused.returncode == 2
    text = " ".join(refused.stderr.split())
    assert "does not match the files that model.options names" in text
    assert "model.options.start=start.txt" in text
    (tmp_path / "start.txt").unlink()
    assert dropexp("rerun", run.name).returncode == 2


def test_the_package_offers_regularise_without_importing_torch() -> None:
    code = (
        "import dropexp, sys; assert {'plain', 'regularise'} <= set(dir(dropexp)); "
        "assert 'torch' not in sys.modules; from dropexp import plain, regularise; "
        "from torch import nn; print(regularise(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), "
        "nn.Flatten(), nn.Linear(2, 2)), 'dropout2d', p=0.1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
