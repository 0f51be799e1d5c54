"""`dropexp train` as its user meets it, in an empty folder."""

import csv
import gc
import json
import os
import re
import sys
from pathlib import Path
from unittest import mock

import pytest
import yaml
from PIL import Image
from safetensors import safe_open

from dropexp.training.startup import SHORT_WAITS
from tests.conftest import QUICK, Dropexp, run_dropexp

FOLDER = {
    ".lock",
    "audit.json",
    "config.yaml",
    "environment.json",
    "metrics.csv",
    "model.safetensors",
    "run.log",
    "summary.json",
}


def list_folders(tmp_path: Path) -> list[Path]:
    """Return the run folders, without the ledger of requests beside them."""
    return [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]


def only_run(tmp_path: Path) -> Path:
    (folder,) = list_folders(tmp_path)
    return folder


def test_a_run_leaves_the_whole_folder_and_says_where(
    dropexp_process: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*SHORT_WAITS, "OMP_WAIT_POLICY", "KMP_LIBRARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")  # OpenMP prints its settings when it loads
    done = dropexp_process("train", "regulariser=dropout2d", "p=0.3", *QUICK)
    assert done.returncode == 0, done.stderr
    settings, _, printed = done.stderr.rpartition("OPENMP DISPLAY ENVIRONMENT END\n")
    assert printed == ""
    folder = only_run(tmp_path)
    assert json.loads((folder / "environment.json").read_text())["openmp"] == SHORT_WAITS
    if "GOMP_" in settings:  # GNU's OpenMP, which torch's wheels for Linux bring
        assert f"GOMP_SPINCOUNT = '{SHORT_WAITS['GOMP_SPINCOUNT']}'" in settings
    assert re.fullmatch(r"dropout2d-p0\.3-s0-[0-9a-f]{8}", folder.name)
    names = {entry.name for entry in folder.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert names - events == FOLDER
    assert len(events) == 1
    assert folder.name in done.stdout
    assert "tensorboard --logdir runs" in done.stdout


def test_the_files_of_a_run_agree_with_each_other(dropexp: Dropexp, tmp_path: Path) -> None:
    dropexp("train", "regulariser=dropout2d", "p=0.3", "seed=5", *QUICK)
    assert gc.isenabled()  # it is paused until the first epoch
    folder = only_run(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert summary["run_id"] == folder.name
    assert (summary["status"], summary["audit"]) == ("completed", "passed")
    assert (summary["regulariser"], summary["p"], summary["seed"]) == ("dropout2d", 0.3, 5)
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert summary["best"]["epoch"] == int(best["epoch"])
    for key in ("train_loss", "train_acc", "val_loss", "val_acc", "loss_gap", "acc_gap"):
        assert summary["last"][key] == float(rows[-1][key])
        assert summary["best"][key] == float(best[key])
    assert config["p"] == config["regulariser"]["p"] == 0.3
    assert config["data"]["seed"] == 5
    assert json.loads((folder / "audit.json").read_text())["passed"] is True
    assert json.loads((folder / "environment.json").read_text())["threads"] == 1
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert "conv1.weight" in set(weights.keys())


def test_output_that_is_not_a_terminal_is_plain_lines(dropexp: Dropexp) -> None:
    done = dropexp("train", *QUICK)
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert re.search(r"^epoch +1/2 +train_loss ", done.stdout, flags=re.MULTILINE)


def test_a_finished_run_is_not_trained_again(dropexp: Dropexp, tmp_path: Path) -> None:
    dropexp("train", *QUICK)
    summary = only_run(tmp_path) / "summary.json"
    before = summary.stat().st_mtime_ns
    again = dropexp("train", *QUICK, "device=cpu")
    assert again.returncode == 0
    assert "force=true" in again.stdout
    assert summary.stat().st_mtime_ns == before
    forced = dropexp("train", *QUICK, "force=true")
    assert forced.returncode == 0
    assert summary.stat().st_mtime_ns > before


def test_a_refused_request_with_force_destroys_nothing(dropexp: Dropexp, tmp_path: Path) -> None:
    dropexp("train", *QUICK)
    before = {path.name: path.read_bytes() for path in only_run(tmp_path).iterdir()}
    assert dropexp("train", *QUICK, "force=true", "device=cuda:99").returncode == 2
    assert {path.name: path.read_bytes() for path in only_run(tmp_path).iterdir()} == before


def test_a_kept_checkpoint_stays(dropexp: Dropexp, tmp_path: Path) -> None:
    dropexp("train", *QUICK, "keep_checkpoint=true")
    dropexp("train", *QUICK)
    assert (only_run(tmp_path) / "checkpoint.pt").is_file()


def test_a_run_without_an_audit_says_so_whenever_it_is_shown(dropexp: Dropexp) -> None:
    for command in (["train", *QUICK, "audit=off"], ["train", *QUICK]):
        assert "audit" in dropexp(*command).stdout
    refused = dropexp("compare")
    assert refused.returncode == 2
    assert "without a passed audit" in refused.stderr
    assert "1 of 1 runs without a passed audit" in dropexp("compare", "--allow-mixed").stdout
    assert "trained with its audit skipped" in dropexp("train", *QUICK).stdout


def test_a_run_that_stops_early_says_so(dropexp: Dropexp) -> None:
    stopping = ["train/early_stopping=patience", "train.early_stopping.patience=1"]
    done = dropexp("train", *QUICK, *stopping, "train.epochs=40", "optimiser.lr=0.3")
    assert "stopped early after epoch" in done.stdout


@pytest.mark.parametrize("regulariser", ["none", "dropconnect"])
def test_pictures_with_the_same_names_and_other_content_are_another_run(
    dropexp: Dropexp, tmp_path: Path, regulariser: str
) -> None:
    for name, shade in (("cat", 10), ("dog", 200)):
        (tmp_path / "pictures" / "train" / name).mkdir(parents=True)
        for number in range(8):
            picture = Image.new("RGB", (9, 9), (shade + number, 0, 0))
            picture.save(tmp_path / "pictures" / "train" / name / f"{number}.bmp")
    request = ["data=image_folder", "data.root=pictures", "data.image_size=8"]
    command = ["train", *request, f"regulariser={regulariser}", "train.epochs=1", "threads=1"]
    assert dropexp(*command).returncode == 0
    Image.new("RGB", (9, 9), (77, 0, 0)).save(tmp_path / "pictures/train/cat/3.bmp")
    assert dropexp(*command).returncode == 0
    assert len(list_folders(tmp_path)) == 2


def test_none_with_p_says_that_p_is_ignored(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("train", "p=0.3", *QUICK)
    assert "p is ignored because regulariser=none" in done.stdout
    assert only_run(tmp_path).name.startswith("none-p0-s0-")


def test_a_run_that_diverges_keeps_its_records_and_exits_with_1(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    done = dropexp("train", "optimiser=sgd", "optimiser.lr=1e30", *QUICK)
    assert done.returncode == 1
    assert "diverged" in done.stdout
    folder = only_run(tmp_path)
    assert json.loads((folder / "summary.json").read_text())["status"] == "diverged"
    assert len(list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))) >= 1


def test_quiet_prints_nothing_and_verbose_every_epoch_and_check(dropexp: Dropexp) -> None:
    words = ("train", *QUICK, "train.epochs=12")
    quiet = dropexp(*words, "--quiet", "audit=off")
    assert (quiet.returncode, quiet.stdout) == (0, "")
    assert quiet.stderr == "warning: audit=off: nothing proves that the regulariser is on\n"
    verbose = dropexp(*words, "-v", "force=true")
    assert len(re.findall(r"^epoch +\d+/12 ", verbose.stdout, flags=re.MULTILINE)) == 12
    assert re.search(r"^ok +initial_weights ", verbose.stdout, flags=re.MULTILINE)


def test_pictures_that_are_left_out_are_named(dropexp: Dropexp, tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for index in range(8):
            path = tmp_path / "home" / "train" / name / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (30 * index, 0, 0)).save(path)
    path.rename(path.with_name("7\x1b[31m.png")).write_text("not a picture")
    with mock.patch.dict(os.environ, {"HOME": str(tmp_path)}):
        words = ("data=image_folder", "data.root=~/home", "data.image_size=8", *QUICK[2:])
        done = dropexp("train", *words, "data.on_broken=skip", "train.epochs=1")
    assert "1 picture that cannot be decoded left out: train/dog/7\\x1b[31m.png" in done.stdout
    log = (only_run(tmp_path) / "run.log").read_text()
    assert "left out, as it cannot be decoded: train/dog/7\\x1b[31m.png" in log


def test_cfg_shows_the_configuration_and_trains_nothing(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("train", "regulariser=dropout2d", "p=0.3", "--cfg")
    assert done.returncode == 0
    shown = yaml.safe_load(done.stdout)
    assert shown["regulariser"] == {
        "name": "dropout2d",
        "p": 0.3,
        "inplace": False,
        "depth_schedule": "uniform",
        "time_schedule": "constant",
        "switch_after": None,
        "sites": "all",
    }
    assert list(tmp_path.iterdir()) == []


MISTAKES = [
    (["regulariser=dropuot2d"], ["dropuot2d", "dropout2d"]),
    (["model=smallcnn"], ["smallcnn", "small_cnn"]),
    (["data=fashion"], ["fashion", "fashion_mnist"]),
    (["train.epoch=3"], ["train.epoch", "train.epochs"]),
    (["regulariser=dropout2d", "p=1.5"], ["p=1.5", "at most 1"]),
    (["regulariser=dropout2d", "p=-0.1"], ["p=-0.1", "at least 0"]),
    (["regulariser=dropout2d", "p=abc"], ["p=abc", "number"]),
    (["regulariser=dropout2d", "p=1"], ["p=1", "below 1"]),
    (["data.train_size=5000"], ["data.train_size=5000", "700"]),
    (["data.val_size=1000"], ["data.val_size=1000", "999"]),
    (["data.label_noise=2"], ["data.label_noise=2", "at most 1"]),
    (["train.batch_size=0"], ["train.batch_size=0", "above 0"]),
    (["train.epochs=0"], ["train.epochs=0", "above 0"]),
    (["regulariser=dropout2d", "regulariser.mask=batch"], ["regulariser.mask"]),
    (
        ["regulariser=stochastic_depth", "model.shortcut=false"],
        ["stochastic_depth", "branches", "2 weights"],
    ),
    (["regulariser=stochastic_depth", "model=mlp"], ["mlp", "branches"]),
    (["regulariser=dropout2d", "model=mlp"], ["dropout2d", "mlp"]),
    (["model=resnet", "regulariser=dropconnect", "regulariser.inference=gaussian"], ["gaussian"]),
    (["data=cifar10", "data.root=nowhere", "data.download=false"], ["data.root", "nowhere"]),
    (["data=image_folder", "data.root=nowhere"], ["data.root", "nowhere"]),
    (["data=image_folder"], ["data.root"]),
    (["data=image_folder", "data.root=one_class"], ["class"]),
    (["data=image_folder", "data.root=corrupt"], ["broken.png"]),
    (["data=arrays", "data.root=corrupt"], ["data.root=corrupt", "data=image_folder"]),
    (["runs_dir=a_file"], ["runs_dir=a_file", "file"]),
    (["device=cuda:99"], ["device=cuda:99", "cpu"]),
    (["model=resnet", "data.val_size=0"], ["data.val_size=0"]),
    (["device=tpu"], ["device=tpu", "cpu"]),
]


@pytest.fixture
def mishaps(tmp_path: Path) -> Path:
    """A file where a folder is wanted, a folder of one class, one with a damaged picture."""
    (tmp_path / "a_file").write_text("not a folder")
    for folder, classes in (("one_class", ["cat"]), ("corrupt", ["cat", "dog"])):
        for name in classes:
            place = tmp_path / folder / "train" / name
            place.mkdir(parents=True)
            for number in range(6):
                Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(place / f"{number}.png")
    (tmp_path / "corrupt" / "train" / "dog" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"), MISTAKES, ids=[" ".join(mistake[0]) for mistake in MISTAKES]
)
def test_a_mistake_gets_a_sentence_and_exit_code_2(
    dropexp: Dropexp, mishaps: Path, arguments: list[str], words: list[str]
) -> None:
    before = sorted(mishaps.rglob("*"))
    done = dropexp("train", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) <= 4
    for word in words:
        assert word in done.stderr
    left = [path for path in sorted(mishaps.rglob("*")) if path not in before]
    assert left in ([], [mishaps / "runs"]), "nothing was started, nothing is left behind"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="every name is Unicode there")
def test_a_folder_whose_name_is_no_text_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    for command in (("train", *QUICK), ("runs",), ("compare",), ("report", "-o", "page.html")):
        done = run_dropexp(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    place = str(folder.relative_to(tmp_path) / "runs")
    for command in (("runs", "-f", "json"), ("report", "-o", "page.html")):
        done = run_dropexp(tmp_path, *command, "--runs-dir", place)
        assert done.returncode == 0, done.stdout + done.stderr
