"""Fine-tuning as its user meets it: model.weights, model.freeze, model.train."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.conftest import QUICK, Dropexp, assert_refused, run_dropexp

WEIGHTS = "pretrained.safetensors"
TUNE = ("train", *QUICK, "seed=1")


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was really trained."""
    folder = tmp_path_factory.mktemp("pretrained")
    done = run_dropexp(folder, "train", *QUICK)
    assert done.returncode == 0, done.stderr
    return next((folder / "runs").glob("none-*"))


@pytest.fixture
def weights(pretrained: Path, tmp_path: Path) -> dict[str, Tensor]:
    """The weights of that run, in a file of the current folder too."""
    shutil.copy(pretrained / "model.safetensors", tmp_path / WEIGHTS)
    return load_file(tmp_path / WEIGHTS)


def find_run(folder: Path, start: str = "none") -> Path:
    [run] = (folder / "runs").glob(f"{start}-*")
    return run


def read_model(run: Path) -> dict[str, object]:
    config: dict[str, dict[str, object]] = yaml.safe_load((run / "config.yaml").read_text())
    return config["model"]


def find_id(dropexp: Dropexp, *words: str) -> str:
    done = dropexp(*TUNE, "--cfg", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_a_run_starts_from_the_weights_of_another_and_says_so_everywhere(
    dropexp: Dropexp, tmp_path: Path, pretrained: Path
) -> None:
    shutil.copytree(pretrained, tmp_path / "before")
    # An epoch too short to change anything: the weights are still those that it started from.
    done = dropexp(*TUNE, "model.weights=before", "optimiser.lr=1e-30", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    run = find_run(tmp_path)
    model = read_model(run)
    digest = str(model["weights_fingerprint"])
    said = f"weights of before (SHA-256 {digest}…): 6 tensors loaded"
    assert said in " ".join(done.stdout.split())
    assert said in (run / "run.log").read_text()
    recorded = json.loads((run / "environment.json").read_text())["weights"]
    assert (recorded["source"], recorded["loaded"], recorded["new"]) == ("before", 6, [])
    start, end = load_file(pretrained / "model.safetensors"), load_file(run / "model.safetensors")
    assert all(torch.equal(start[name], end[name]) for name in start)
    shown = dropexp("runs", "show", run.name).stdout
    assert "before" in shown
    assert digest in shown


def test_the_content_of_the_file_makes_the_run_and_its_place_does_not(
    dropexp: Dropexp, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    shutil.copy(tmp_path / WEIGHTS, tmp_path / "moved.safetensors")
    first = find_id(dropexp, f"model.weights={WEIGHTS}")
    assert find_id(dropexp) != first == find_id(dropexp, "model.weights=moved.safetensors")
    save_file({**weights, "head.bias": weights["head.bias"] + 1}, tmp_path / WEIGHTS)
    assert find_id(dropexp, f"model.weights={WEIGHTS}") != first
    assert find_id(dropexp) == find_id(dropexp, "model.new=head")  # without weights all is new


def test_a_rerun_of_a_changed_or_moved_file_is_refused_unless_it_is_found_elsewhere(
    dropexp: Dropexp, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    assert dropexp(*TUNE, f"model.weights={WEIGHTS}").returncode == 0
    run = find_run(tmp_path)
    digest = str(read_model(run)["weights_fingerprint"])
    (tmp_path / WEIGHTS).rename(tmp_path / "moved.safetensors")
    done = dropexp("rerun", run.name)
    assert done.returncode == 2
    assert f"model.weights={WEIGHTS} is not found" in " ".join(done.stderr.split())
    done = dropexp("rerun", run.name, "model.weights=moved.safetensors")
    assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout
    save_file({**weights, "head.bias": weights["head.bias"] + 1}, tmp_path / WEIGHTS)
    done = dropexp("rerun", run.name)
    assert done.returncode == 2
    assert f"model.weights_fingerprint={digest}" in " ".join(done.stderr.split())


def test_more_seeds_of_a_study_whose_file_has_changed_are_refused(
    dropexp: Dropexp, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    words = ["sweep", *QUICK, "study=tuned", "seed=0,1", f"model.weights={WEIGHTS}"]
    assert dropexp(*words).returncode == 0
    assert dropexp("extend", "tuned", "--seeds", "+1", "--dry-run").returncode == 0
    save_file({**weights, "head.bias": weights["head.bias"] + 1}, tmp_path / WEIGHTS)
    done = dropexp("extend", "tuned", "--seeds", "+1")
    assert done.returncode == 2
    assert "the file of model.weights has changed since" in " ".join(done.stderr.split())
    assert len(list((tmp_path / "runs").glob("none-*"))) == 2


def test_the_printed_command_trains_the_very_run(
    dropexp: Dropexp, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    options = [f"model.weights={WEIGHTS}", "model.freeze=[conv1]", "model.new=head"]
    multipliers = "optimiser.lr_multipliers={conv2.*:0.5}"
    assert dropexp(*TUNE, *options, multipliers).returncode == 0
    run = find_run(tmp_path)
    shown = dropexp("runs", "show", run.name).stdout
    [command] = [line for line in shown.splitlines() if "dropexp train" in line]
    assert f"model.weights={WEIGHTS}" in shown
    assert "fingerprint" not in command


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["model.weights=absent.pt"], ["model.weights=absent.pt", "no such file or run folder"]),
        (["model.weights=DEFAULT"], ["names with model=torchvision only"]),
        (["model.weights=."], ["folder without model.safetensors"]),
        (["model.weights=notes.txt"], ["ends in .safetensors, .pt"]),
        (["model.weights=broken.safetensors"], ["is not a file of safetensors"]),
        (["model.weights=broken.pt"], ["is not a file of weights"]),
        (["model.weights=cut.pt"], ["zip archive: failed finding central directory."]),
        (["model.weights=empty.pt"], ["is an empty file"]),
        (
            [f"model.weights={WEIGHTS}", "model.width=5"],
            ["conv1.weight is 4×1×3×3 there and 5×1×3×3 here", "model.new=[PATTERN]"],
        ),
        (
            [f"model.weights={WEIGHTS}", "model=mlp", "~model.width"],
            ["no name in it is one of the network's. It has conv1.bias, ", "layers.0"],
        ),
        (["model.new=[]", f"model.weights={WEIGHTS}"], ["patterns of names", "or null, head"]),
        (
            ["model.freeze=[conv3]"],
            ["model.freeze=conv3 matches no parameter", "conv1, conv2, head"],
        ),
        (["model.train=hed"], ["model.train=hed matches no parameter", "Did you mean head?"]),
        (["model.train=3"], ["patterns of names", "or all, head"]),
        (["model.train=head", "model.freeze=[head]"], ["leave nothing to train"]),
        (["optimiser.lr_multipliers={conv9:2}"], ["optimiser.lr_multipliers=conv9 matches no"]),
        (["optimiser.lr_multipliers={conv1:0}"], ["factors above 0", "model.freeze"]),
        (
            ["model.train=head", "regulariser=dropout2d", "p=0.3", "regulariser.sites=trained"],
            ["regulariser.sites=trained leaves dropout2d no site"],
        ),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    tmp_path: Path, weights: dict[str, Tensor], options: list[str], words: list[str]
) -> None:
    (tmp_path / "notes.txt").write_text("weights")
    (tmp_path / "broken.safetensors").write_bytes(b"weights" * 20)
    (tmp_path / "broken.pt").write_bytes(b"weights" * 20)
    torch.save(weights, tmp_path / "cut.pt")
    os.truncate(tmp_path / "cut.pt", 2000)
    (tmp_path / "empty.pt").touch()
    width = [each for each in QUICK if "width" not in each] if "model=mlp" in options else QUICK
    options = [each for each in options if not each.startswith("~")]
    assert_refused_flat(tmp_path, ["train", *width, *options], words)


def assert_refused_flat(folder: Path, arguments: list[str], words: list[str]) -> None:
    """As assert_refused, wherever the terminal breaks lines."""
    done = run_dropexp(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    text = " ".join(done.stderr.split())
    assert [word for word in words if word not in text] == [], text
    assert list(folder.glob("runs/*-s*")) == []


class Evil:
    """Runs a command when it is unpickled as Python does by default."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch EXECUTED",)


def test_a_file_that_would_run_code_runs_none(dropexp: Dropexp, tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(1), "more": Evil()}, tmp_path / "evil.pt")
    done = dropexp(*TUNE, "model.weights=evil.pt")
    assert done.returncode == 2
    assert "evil.pt holds more than data: " in " ".join(done.stderr.split())
    assert ".system, which would have to be imported" in " ".join(done.stderr.split())
    assert not (tmp_path / "EXECUTED").exists()


def test_files_of_impossible_sizes_are_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse.pt").open("wb") as file:
        file.truncate(1 << 42)
    (tmp_path / "tiny.pt").write_bytes(b"1")
    os.mkfifo(tmp_path / "pipe.pt")
    assert_refused(tmp_path, [*TUNE, "model.weights=sparse.pt"], ["bytes, and"])
    assert_refused(tmp_path, [*TUNE, "model.weights=pipe.pt"], ["named pipe"])


def test_different_parts_that_train_are_different_settings(
    dropexp: Dropexp, tmp_path: Path, weights: dict[str, Tensor]
) -> None:
    sweep = ["sweep", *QUICK, "seed=0,1,2", f"model.weights={WEIGHTS}", "model.freeze=[],[conv1]"]
    done = dropexp(*sweep, "regulariser=none,dropout2d", "p=0.3")
    assert done.returncode == 0, done.stderr
    table = dropexp("compare", "--format", "csv").stdout
    assert table.count("\n") == 5, table
    assert "none model.freeze=['conv1']" in table
