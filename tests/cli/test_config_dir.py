"""--config-dir adds groups, studies and modules; a study needs the folder no more."""

import json
import shutil
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from dropexp.config import added_files
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.studies import read_study, save_study
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_study
from tests.conftest import QUICK, Dropexp, assert_refused, run_dropexp

SOFT = "# Weak, and weaker still in the first layers.\ndefaults: [dropout2d, _self_]\np: 0.15\n"
TINY = """\
# @package _global_
defaults:
  - override /optimiser: sgd
train: {epochs: 2}
data: {train_size: 60}
model: {width: 4}
threads: 1
"""
PAIR = {"regulariser": "none,soft", "+experiment": "tiny", "seed": "0,1"}
NOISE = """\
from pathlib import Path
from torch import nn

Path("EXECUTED").touch()


class Noise(nn.Dropout2d):
    pass
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    write(folder, "regulariser/soft.yaml", SOFT)
    write(folder, "experiment/tiny.yaml", TINY)
    write(folder, "study/pair.yaml", yaml.safe_dump({"hydra": {"sweeper": {"params": PAIR}}}))
    write(folder, "README.md", "not a config")
    return folder


def show(dropexp: Dropexp, *arguments: str) -> dict[str, dict[str, object]]:
    done = dropexp(*arguments, "--cfg")
    assert done.returncode == 0, done.stderr
    shown: dict[str, dict[str, object]] = yaml.safe_load(done.stdout)
    return shown


def test_choices_and_new_groups_are_composed(dropexp: Dropexp, conf: Path) -> None:
    plus = show(dropexp, "train", "--config-dir", "mine", "regulariser=soft", "+experiment=tiny")
    assert plus["regulariser"]["name"] == "dropout2d"
    assert plus["regulariser"]["p"] == 0.15
    assert (plus["optimiser"]["name"], plus["train"]["epochs"]) == ("sgd", 2)
    plain = show(dropexp, "train", "-cd", "mine", "regulariser=soft", "experiment=tiny")
    assert plain == plus
    without = dropexp("train", "regulariser=soft", "--cfg")
    assert (without.returncode, "soft is not known" in without.stderr) == (2, True)
    close = dropexp("train", "-cd", "mine", "regulariser=sotf")
    assert "Did you mean soft" in close.stderr


def test_the_folder_may_stand_in_the_environment(
    dropexp: Dropexp, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROPEXP_CONFIG_DIR", str(conf))
    assert show(dropexp, "train", "regulariser=soft")["regulariser"]["p"] == 0.15


def test_a_study_is_resumed_and_extended_from_any_folder(tmp_path: Path, conf: Path) -> None:
    dry = run_dropexp(tmp_path, "sweep", "-cd", "mine", "study=pair", "--dry-run")
    assert "pair  4 runs: 4 new" in dry.stdout, dry.stderr
    (tmp_path / "runs").mkdir(exist_ok=True)
    done = run_dropexp(
        tmp_path, "sweep", "-cd", "mine", "study=pair", "hydra.launcher.n_jobs=1", "seed=0"
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(conf)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept = read_study(tmp_path / "runs", "pair")
    assert set(kept.files) == {"regulariser/soft.yaml", "experiment/tiny.yaml"}
    again = run_dropexp(elsewhere, "sweep", "study=pair", "runs_dir=../runs", "--dry-run")
    assert "2 finished" in again.stdout, again.stderr
    more = ("extend", "pair", "--seeds", "+1", "--runs-dir", "../runs", "--dry-run")
    assert "pair  2 runs: 2 new" in run_dropexp(elsewhere, *more).stdout
    assert run_dropexp(elsewhere, "compare", "../runs", "study=pair").returncode == 0


def test_a_registered_study_carries_its_files(tmp_path: Path, conf: Path) -> None:
    words = ("study=pair", "seed=range(8)", "regulariser=none,soft")
    done = run_dropexp(tmp_path, "study", "register", "pair", *words, "-cd", "mine")
    assert done.returncode == 0, done.stderr
    (sent,) = (tmp_path / "runs" / ".studies").glob("*.registered.yaml")
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(sent, there / "sent.yaml")
    dry = run_dropexp(there, "sweep", "study=sent.yaml", "--dry-run")
    assert "pair  16 runs: 16 new" in dry.stdout, dry.stderr
    changed = (there / "sent.yaml").read_text().replace("p: 0.15", "p: 0.25")
    (there / "sent.yaml").write_text(changed)
    assert_refused(there, ["sweep", "study=sent.yaml", "--dry-run"], ["changed after"])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("regulariser/dropout2d.yaml", SOFT, ["dropexp's own regulariser=dropout2d"]),
        ("hydra/launcher/mine.yaml", "n_jobs: 1\n", ["hydra/launcher/mine.yaml is Hydra's own"]),
        ("regulariser/list.yaml", "[1, 2]\n", ["must be a mapping"]),
        ("regulariser/broken.yaml", "a: [1\n", ["is not YAML"]),
        ("regulariser/two words.yaml", SOFT, ["is not the name of a config file"]),
        ("extra/lost.yaml", "speed: 3\n", ["extra", "# @package _global_"]),
    ],
)
def test_a_file_that_does_not_fit_is_explained(
    tmp_path: Path, conf: Path, name: str, text: str, words: list[str]
) -> None:
    write(conf, name, text)
    assert_refused(tmp_path, ["train", "-cd", "mine", "+extra=lost", "--cfg"], words)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, ["train", "--config-dir", "absent"], ["--config-dir absent is not a"])


# --- code that files name -------------------------------------------------------------------------


@pytest.fixture
def stranger(conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user who has used nothing yet; the name of a module in the config folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    module = f"noise_{tmp_path.name}"
    write(conf, f"{module}.py", NOISE)
    text = f"defaults: [custom, _self_]\ntarget: {module}:Noise\n"
    write(conf, "regulariser/theirs.yaml", text)
    write(conf, "data/theirs.yaml", f"defaults: [custom, _self_]\ntarget: {module}:load\n")
    return module


@pytest.mark.parametrize("section", ["regulariser", "data"])
@pytest.mark.parametrize("command", ["train", "audit", "sweep"])
def test_code_that_a_received_folder_names_is_refused(
    tmp_path: Path, stranger: str, command: str, section: str
) -> None:
    words = [f"{section}.target={stranger}:", "--trust"]
    assert_refused(tmp_path, [command, "-cd", "mine", f"{section}=theirs", "p=0.3"], words)
    assert not (tmp_path / "EXECUTED").exists()


def test_code_that_a_recorded_study_names_is_refused(tmp_path: Path, stranger: str) -> None:
    target = [f"regulariser.target=mine.{stranger}:Noise"]
    runs = tmp_path / "runs"
    runs.mkdir()
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path)
        request = compose_sweep(["study=s", "regulariser=custom", *target, "p=0.3", *QUICK])
    save_study(runs, make_study(request))
    record_request(runs, "s", [run.run_id for run in request.planned.runs], Purpose.SWEEP)
    for command in (["sweep", "study=s"], ["extend", "s", "--seeds", "+1"]):
        assert_refused(tmp_path, [*command, "--dry-run"], ["regulariser.target=mine.", "--trust"])
    assert run_dropexp(tmp_path, "sweep", "study=s", "--dry-run", "--trust").returncode == 0
    assert not (tmp_path / "EXECUTED").exists()


def test_code_that_was_trusted_once_is_used_again(tmp_path: Path, stranger: str) -> None:
    words = ("train", "-cd", "mine", "regulariser=theirs", "p=0.3", *QUICK)
    done = run_dropexp(tmp_path, *words, "--trust")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "EXECUTED").exists()
    assert run_dropexp(tmp_path, *words, "seed=1", "train.epochs=1").returncode == 0


def test_recorded_files_compute_nothing(tmp_path: Path, conf: Path) -> None:
    write(conf, "regulariser/soft.yaml", SOFT + "depth_schedule: ${oc.env:HOME}\n")
    (tmp_path / "runs").mkdir()
    run_dropexp(tmp_path, "sweep", "-cd", "mine", "regulariser=soft", "study=s", "--dry-run")
    study = {
        "name": "s",
        "sweeps": [["regulariser=soft"]],
        "settings": [{"regulariser.name": "dropout2d", "regulariser.p": 0.15}],
        "members": [{"run_id": "a-p0-s0-00000000", "setting": 0, "seed": 0, "epochs": 1}],
        "question": {},
        "files": {"regulariser/soft.yaml": (conf / "regulariser/soft.yaml").read_text()},
    }
    write(tmp_path, "runs/.studies/s.json", json.dumps(study))
    words = ["a value of regulariser/soft.yaml would be computed"]
    assert_refused(tmp_path, ["sweep", "study=s", "--dry-run"], words)


def test_an_added_choice_is_explained_and_combined(tmp_path: Path, conf: Path) -> None:
    """In a combination it is the regulariser that it is built on, so the ids are the same."""
    told = run_dropexp(tmp_path, "train", "-cd", "mine", "regulariser=soft", "--info", "defaults")
    assert "regulariser/soft" in told.stdout, told.stderr
    words = ("train", "-cd", "mine", *QUICK, "--cfg")
    soft = run_dropexp(tmp_path, *words, "regulariser=soft+mixup", "regulariser.soft.p=0.2")
    plain = ("regulariser=dropout2d+mixup", "regulariser.dropout2d.p=0.2")
    same = run_dropexp(tmp_path, *words, *plain)
    assert soft.returncode == same.returncode == 0, soft.stderr + same.stderr
    assert soft.stdout.splitlines()[0] == same.stdout.splitlines()[0]
    assert_refused(tmp_path, [*words, "regulariser=soft+dropout2d"], ["it has dropout2d twice"])


def test_a_package_adds_choices_by_entry_points(
    tmp_path: Path, stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package is installed, so what it names is no stranger's."""
    group = "dropexp.regularisers"
    point = EntryPoint("packaged", f"mine.{stranger}:Noise", group)
    monkeypatch.setattr(
        "dropexp.config.added_files.entry_points",
        lambda **chosen: (point,) if chosen == {"group": group} else (),
    )
    done = run_dropexp(tmp_path, "train", "regulariser=packaged", "p=0.3", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "custom-p0.3-s0-" in done.stdout
    close = run_dropexp(tmp_path, "train", "regulariser=packagde")
    assert "Did you mean packaged?" in close.stderr


def test_a_folder_of_anything_is_refused_before_all_of_it_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a home folder, or a whole disk."""
    monkeypatch.setattr(added_files, "_MOST_ENTRIES", 20)
    for number in range(21):
        (tmp_path / "home" / str(number)).mkdir(parents=True)
    assert_refused(tmp_path, ["train", "--config-dir", "home"], ["holds more than 20 files"])
