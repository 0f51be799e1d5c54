"""What somebody else's files name is neither imported, called nor read, unless it is trusted."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from dropexp.config.overrides import parse_override
from dropexp.config.study_files import read_study_file
from dropexp.errors import ConfigError, UntrustedError
from dropexp.runs.trust import find_trust_file, refuse_computed_values
from tests.conftest import QUICK, Dropexp, run_dropexp
from tests.models.custom_networks import NET

THEIRS = "from pathlib import Path\nPath('EXECUTED').touch()\n" + NET
TARGET = ["model=custom", "model.target=their_net:Net", "+model.options.width=5"]
STUDY = "study=swept"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs of a small study."""
    folder = tmp_path_factory.mktemp("trained")
    done = run_dropexp(folder, "sweep", "regulariser=none,dropout2d", "p=0.3", STUDY, *QUICK)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def received(tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runs as somebody else's, for a user who has used nothing on this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(trained / "runs", tmp_path / "runs")
    (tmp_path / "their_net.py").write_text(THEIRS)
    monkeypatch.delitem(sys.modules, "their_net", raising=False)
    return tmp_path


def change_config(folder: Path, section: str, values: dict[str, object]) -> None:
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, section: values}, sort_keys=False))
    summary = json.loads((folder / "summary.json").read_text())
    summary["files"]["config.yaml"] = sha256(path.read_bytes()).hexdigest()
    del summary["files"]["summary.json"]
    (folder / "summary.json").write_text(json.dumps(summary))


def change_study(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / "runs" / ".studies" / "swept.json"
    study = json.loads(path.read_text())
    change(study)
    path.write_text(json.dumps(study))


def find_run(folder: Path) -> Path:
    return next((folder / "runs").glob("none-*"))


def test_a_received_run_calls_nothing(received: Path, dropexp: Dropexp) -> None:
    run = find_run(received)
    options = {"width": 5}
    change_config(run, "model", {"name": "custom", "target": "their_net:Net", "options": options})
    for command in (
        ["rerun", str(run)],
        ["study", "verify", "swept", "--sample", "2"],
        ["runs", "show", "none"],
        ["compare"],
    ):
        done = dropexp(*command)
        assert not (received / "EXECUTED").exists(), command
        if command[0] in ("rerun", "study"):
            assert done.returncode in (1, 2), done.stdout
    refused = dropexp("rerun", str(run))
    assert refused.returncode == 2
    shown = " ".join(refused.stderr.split())
    for words in (
        "config.yaml",
        "model.target=their_net:Net",
        '{"width": 5}',
        "their_net.py",
        "--trust",
    ):
        assert words in shown
    dropexp("rerun", str(run), "--trust")
    assert (received / "EXECUTED").exists()  # so the refusal is what kept it from being called


@pytest.mark.parametrize(
    "more", [["--seeds", "+1"], pytest.param(["--until-decided"], marks=pytest.mark.slow)]
)
def test_a_received_study_calls_nothing(received: Path, dropexp: Dropexp, more: list[str]) -> None:
    words = ["regulariser=none,dropout2d", "p=0.3", *TARGET]
    change_study(received, lambda study: study.update(sweeps=[words]))
    done = dropexp("extend", "swept", *more, "--dry-run")
    assert done.returncode == 2, done.stdout
    assert "model.target=their_net:Net" in done.stderr
    assert not (received / "EXECUTED").exists()
    assert dropexp("extend", "swept", *more, "--dry-run", "--trust").returncode == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda study: study.update(sweeps=[["regulariser=none", "runs_dir=/tmp"]]),
        lambda study: study.update(sweeps=[["hydra/launcher=slurm", "p=0.1"]]),
        lambda study: study.update(sweeps=[["study=../../else"]]),
        lambda study: study.update(name="../../else"),
        lambda study: study["members"][0].update(run_id="../../else"),
        lambda study: study["members"][0].update(setting=10**30),
    ],
)
def test_a_study_that_says_more_than_what_its_runs_are_is_damaged(
    received: Path, dropexp: Dropexp, change: Callable[[dict[str, object]], object]
) -> None:
    change_study(received, change)
    done = dropexp("extend", "swept", "--seeds", "+1", "--trust")
    assert done.returncode in (1, 2)
    assert "swept.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(received.rglob("else*"))


def test_a_received_study_file_calls_nothing_unless_its_class_is_typed(
    received: Path, dropexp: Dropexp
) -> None:
    params = dict(word.lstrip("+").split("=", 1) for word in ("regulariser=none", *TARGET[:2]))
    study = {"hydra": {"sweeper": {"params": params}}}
    (received / "theirs.yaml").write_text(yaml.safe_dump(study))
    command = ["sweep", "study=theirs.yaml", "--dry-run"]
    done = dropexp(*command)
    assert done.returncode == 2
    assert "theirs.yaml names what you have not used" in " ".join(done.stderr.split())
    (received / "typed_net.py").write_text(NET)
    assert dropexp(*command, "model.target=typed_net:Net").returncode == 0
    assert dropexp(*command, "--trust").returncode == 0
    tuned = dropexp("tune", "study=theirs.yaml")
    assert (tuned.returncode, "name of its own" in tuned.stderr) == (2, True)


def test_a_received_folder_of_pictures_is_not_read(received: Path, dropexp: Dropexp) -> None:
    secret = received / "secret" / "train" / "kind"
    secret.mkdir(parents=True)
    os.mkfifo(secret / "0.png")  # reading it would never end
    root = str(received / "secret")
    params = {"data": "image_folder", "data.root": root}
    (received / "theirs.yaml").write_text(
        yaml.safe_dump({"hydra": {"sweeper": {"params": params}}})
    )
    change_study(
        received, lambda each: each.update(sweeps=[["data=image_folder", f"data.root={root}"]])
    )
    for command in (["sweep", "study=theirs.yaml"], ["extend", "swept", "--seeds", "+1"]):
        done = dropexp(*command, "--dry-run")
        assert done.returncode == 2
        assert f"data.root={root} would be read" in "".join(done.stderr.split("\n"))


def test_a_received_path_of_weights_is_not_read(received: Path, dropexp: Dropexp) -> None:
    secret = received / "secret.pt"
    secret.write_bytes(b"secret")
    run = find_run(received)
    model = yaml.safe_load((run / "config.yaml").read_text())["model"]
    model |= {"weights": str(secret), "weights_fingerprint": "0123456789ab"}
    change_config(run, "model", model)
    change_study(
        received, lambda each: each.update(sweeps=[["regulariser=none", f"model.weights={secret}"]])
    )
    for command in (["rerun", str(run)], ["extend", "swept", "--seeds", "+1"]):
        done = dropexp(*command)
        assert done.returncode == 2
        assert f"model.weights={secret} would be read" in "".join(done.stderr.split("\n"))
    trusted = dropexp("rerun", str(run), "--trust")
    assert "secret.pt is another file than the run was made with" in "".join(
        trusted.stderr.split("\n")
    )
    secret.unlink()
    os.mkfifo(secret)  # reading it would never end
    assert dropexp("runs", "show", run.name).returncode == 0


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:SECRET}",
        pytest.param("$\\{oc.env:SECRET\\}", marks=pytest.mark.slow),
    ],
)
def test_a_value_that_would_be_computed_is_refused(
    received: Path, dropexp: Dropexp, value: str
) -> None:
    words = ["regulariser=none", f"data.train_size={value}"]
    change_study(received, lambda study: study.update(sweeps=[words]))
    done = dropexp("extend", "swept", "--seeds", "+1", "--dry-run")
    assert done.returncode == 2
    assert f"{value} would be computed" in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("value", "is_computed"),
    [
        ("${seed}", False),
        ("a-${train.epochs}_${seed}", False),
        ("${oc.env:HOME}", True),
        ("${oc.${data.root}:HOME}", True),
        ("${seed}${oc.env:HOME}", True),
        ("$\\{oc.env:HOME\\}", True),
    ],
)
def test_only_other_values_by_their_names_are_not_computed(value: str, is_computed: bool) -> None:
    override = replace(parse_override("seed=1"), text=f"data.train_size={value}")
    if is_computed:
        with pytest.raises(UntrustedError):
            refuse_computed_values([override], "study", trust=False)
    else:
        refuse_computed_values([override], "study", trust=False)


def test_no_word_of_a_file_that_is_no_study_is_shown(tmp_path: Path, dropexp: Dropexp) -> None:
    (tmp_path / "runs" / ".studies").mkdir(parents=True)
    (tmp_path / "secret").write_text("root:$6$word:1: x\n")
    link = tmp_path / "runs" / ".studies" / "linked.registered.yaml"
    link.symlink_to(tmp_path / "secret")
    done = dropexp("sweep", "study=linked", "--dry-run")
    assert (done.returncode, "is a link" in done.stderr) == (2, True)
    link.unlink()
    (tmp_path / "secret").rename(link)
    done = dropexp("sweep", "study=linked", "--dry-run")
    assert (done.returncode, "is not a study" in done.stderr) == (2, True)
    assert "word" not in done.stderr


@pytest.mark.parametrize("value", ["1" * 5000, "2026-99-99", "!!bool maybe", "!!int ''"])
def test_a_study_file_with_a_value_that_yaml_cannot_hold_is_named(
    value: str, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(f"hydra: {{sweeper: {{params: {{p: {value}}}}}}}")
    with pytest.raises(ConfigError, match="is not a study: it has a value that YAML cannot hold"):
        read_study_file(path)


def test_what_the_user_has_typed_needs_no_flag_afterwards(
    tmp_path: Path, dropexp: Dropexp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "my_own_net.py").write_text(NET)
    own = [
        "model=custom",
        "model.target=my_own_net:Net",
        *(w for w in QUICK if w.startswith(("train", "data"))),
    ]
    assert dropexp("train", *own).returncode == 0
    assert dropexp("rerun", "none").returncode == 0
    trusted = find_trust_file()
    assert trusted is not None
    assert json.loads(trusted.read_text())["file"] == str(tmp_path / "my_own_net.py")
    (tmp_path / "my_own_net.py").write_text(NET + "\n# edited\n")  # still the user's own
    registered = ["study", "register", "mine", *own, "regulariser=none,dropout2d", "p=0.3"]
    assert dropexp(*registered, "+model.options.width=3").returncode == 0
    assert dropexp("sweep", "study=mine", "--dry-run").returncode == 0
    # The same words with another file behind them, as in a received folder:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "my_own_net.py").write_text(NET)
    done = run_dropexp(
        tmp_path / "elsewhere", "sweep", "study=mine", "runs_dir=../runs", "--dry-run"
    )
    assert done.returncode == 2
    assert "elsewhere/my_own_net.py" in "".join(done.stderr.split())


@pytest.mark.slow
def test_without_a_place_to_remember_it_in_everything_works_and_is_asked_again(
    received: Path, dropexp: Dropexp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    (received / "own_net.py").write_text(NET)
    own = [
        "model=custom",
        "model.target=own_net:Net",
        *(w for w in QUICK if w.startswith(("train", "data"))),
    ]
    assert dropexp("train", *own, "runs_dir=own").returncode == 0
    assert dropexp("rerun", "none", "--runs-dir", "own").returncode == 2
    assert dropexp("rerun", "none", "--runs-dir", "own", "--trust").returncode == 0
