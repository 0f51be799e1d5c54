"""`dropexp sweep` and its kin as their user meets them: the real command in an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import QUICK, Dropexp, assert_refused, run_dropexp


@pytest.fixture
def dropexp(dropexp_process: Dropexp) -> Dropexp:
    """Sweeps start processes of their own: each command has one, as for a user."""
    return dropexp_process


# Without threads: the sweep gives each run one.
SWEEP = ("sweep", "regulariser=none,dropout2d", "p=0.1,0.3", "seed=range(2)", *QUICK[:-1])
ONE_AT_A_TIME = "hydra.launcher.n_jobs=1"  # where it makes no difference: one start of torch


def folders(tmp_path: Path, runs: str = "runs") -> dict[str, Path]:
    return {path.name: path for path in (tmp_path / runs).iterdir() if path.name[0] != "."}


def summaries(tmp_path: Path) -> dict[str, dict[str, object]]:
    """All finished runs, by id."""
    return {
        name: json.loads((path / "summary.json").read_text())
        for name, path in folders(tmp_path).items()
        if (path / "summary.json").exists()
    }


def finishing_times(tmp_path: Path) -> dict[str, int]:
    return {
        name: (path / "summary.json").stat().st_mtime_ns for name, path in folders(tmp_path).items()
    }


def settings(tmp_path: Path) -> set[tuple[str, float, int]]:
    found = summaries(tmp_path).values()
    return {(str(s["regulariser"]), float(str(s["p"])), int(str(s["seed"]))) for s in found}


SETTINGS = (("none", 0), ("dropout2d", 0.1), ("dropout2d", 0.3))
ALL = {(name, p, seed) for seed in (0, 1) for name, p in SETTINGS}
Swept = tuple["subprocess.CompletedProcess[str]", Path]


@pytest.fixture(scope="module")
def first_sweep(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """SWEEP as study ``mine``, in a folder of its own: the process and the folder."""
    folder = tmp_path_factory.mktemp("swept")
    command = [sys.executable, "-m", "dropexp", *SWEEP, "study=mine"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True), folder


@pytest.fixture
def swept(tmp_path: Path, first_sweep: Swept) -> None:
    """A copy of the runs of the first sweep."""
    shutil.copytree(first_sweep[1] / "runs", tmp_path / "runs")


def test_every_combination_is_trained_and_duplicates_once(first_sweep: Swept) -> None:
    done, folder = first_sweep
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 runs: 6 new, 0 finished, 0 interrupted, 0 failed" in done.stdout
    assert "2 duplicates left out" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "next    dropexp compare study=mine           # which setting is better",
        "        dropexp extend mine --until-decided  # more seeds, if rows are open",
    ]
    assert "6 of 6 runs done, 6 trained" in done.stdout
    assert settings(folder) == ALL
    assert not list((folder / "runs" / ".sweeps").glob("[!.]*"))


def test_outside_a_terminal_each_run_gets_a_line(first_sweep: Swept) -> None:
    done, _ = first_sweep
    assert "\x1b" not in done.stdout
    assert re.search(r"^1/6  \w+-p[.\d]+-s\d-\w{8}  val_loss \d", done.stdout, flags=re.MULTILINE)
    assert done.stderr.startswith("warning: this sweep cannot conclude: with 2 paired seeds")
    assert len(done.stderr.splitlines()) == 1


def test_runs_write_their_logs(first_sweep: Swept) -> None:
    for folder in folders(first_sweep[1]).values():
        log = (folder / "run.log").read_text()
        for text in ("data   digits", "model  small_cnn", "audit 1", "epoch 2:", "completed after"):
            assert text in log
        assert yaml.safe_load((folder / "config.yaml").read_text())["threads"] == 1


def test_train_with_m_is_a_sweep(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("train", "-m", "seed=1,2", *QUICK, ONE_AT_A_TIME)
    assert done.returncode == 0, done.stdout + done.stderr
    assert settings(tmp_path) == {("none", 0, 1), ("none", 0, 2)}


@pytest.mark.usefixtures("swept")
def test_started_again_it_trains_nothing(dropexp: Dropexp, tmp_path: Path) -> None:
    before = finishing_times(tmp_path)
    again = dropexp(*SWEEP)
    assert again.returncode == 0
    assert "6 runs: 0 new, 6 finished" in again.stdout
    assert "none trained" in again.stdout
    assert finishing_times(tmp_path) == before


@pytest.mark.usefixtures("swept")
def test_more_seeds_train_only_those(dropexp: Dropexp, tmp_path: Path) -> None:
    before = finishing_times(tmp_path)
    more = dropexp(*SWEEP, "seed=range(3)")
    assert "9 runs: 3 new, 6 finished" in more.stdout
    after = finishing_times(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(after) == 9


@pytest.mark.usefixtures("swept")
def test_extend_trains_the_same_settings_on_the_seeds_that_come_next(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    more = dropexp("extend", "mine", "--seeds", "+2")
    assert more.returncode == 0, more.stdout + more.stderr
    assert "6 runs: 6 new" in more.stdout
    expected = {(name, p, seed + 2) for name, p, seed in ALL}
    assert settings(tmp_path) == ALL | expected
    configs = [yaml.safe_load((f / "config.yaml").read_text()) for f in folders(tmp_path).values()]
    assert {config["model"]["width"] for config in configs} == {4}
    assert "12 of 12 runs done" in run_dropexp(tmp_path, "watch", "mine").stdout
    # The table at the end has all seeds of the study, and nothing that only the new ones say.
    assert len(re.findall(r"^(?:none|dropout2d p=\S+) +4 +\d", more.stdout, re.MULTILINE)) == 3


@pytest.mark.slow
def test_extend_that_was_stopped_resumes_with_the_same_command(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    dropexp("sweep", "seed=0,1", *QUICK, ONE_AT_A_TIME, "study=mine")
    extend = ("extend", "mine", "--seeds", "+2", ONE_AT_A_TIME)
    dropexp(*extend)
    for run in (tmp_path / "runs").glob("none-p0-s3-*"):
        shutil.rmtree(run)
    again = dropexp(*extend)
    assert "finishing what is left of mine" in again.stdout
    assert settings(tmp_path) == {("none", 0, seed) for seed in range(4)}
    assert "finishing" not in dropexp(*extend).stdout
    assert settings(tmp_path) == {("none", 0, seed) for seed in range(6)}


@pytest.mark.slow
def test_a_run_whose_summary_is_damaged_has_failed_and_can_be_tried_again(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    words = ("sweep", "seed=0,1", *QUICK, ONE_AT_A_TIME)
    dropexp(*words)
    damaged = next((tmp_path / "runs").glob("none-p0-s0-*")) / "summary.json"
    damaged.write_text("{")
    left = dropexp(*words)
    assert left.returncode == 1
    assert "0 new, 1 finished, 0 interrupted, 1 failed" in left.stdout
    assert dropexp(*words, "--retry-failed").returncode == 0
    assert len(summaries(tmp_path)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "seed=range(0)"], ["seed=range(0)", "no value"]),
        (["sweep", "device=cuda", "seed=1,2"], ["device=cuda", "cpu"]),
        (["sweep", "hydra.launcher.n_jobs=0"], ["n_jobs=0"]),
        (["extend", "mine", "--seeds", "+1", "runs_dir=x"], ["runs_dir=x"]),
        (["extend", "mine", "--seeds", "+1", "classic=weight_decay"], ["classic=weight_decay"]),
        (["extend", "nowhere", "--seeds", "+2"], ["nowhere"]),
        (["extend", "mine", "--seeds", "+0"], ["--seeds +0"]),
        (["extend", "mine", "--seeds", "+1", "p=0.4"], ["p=0.4", "another study"]),
        (["sweep", "p=0.1,1.5", "regulariser=dropout2d"], ["p=1.5", "at most 1"]),
        (["sweep", "regulariser=none,dropuot2d"], ["dropuot2d", "dropout2d"]),
        (["sweep", "train.epoch=1,2"], ["train.epoch", "train.epochs"]),
        (["sweep", "p=interval(0,1)"], ["dropexp tune"]),
        (["sweep", "study=a,b"], ["study=a,b"]),
        (["sweep", "study=a/b"], ["study=a/b", "letters, digits"]),
        (["sweep", "runs_dir=a,b"], ["runs_dir=a,b"]),
        (["sweep", "hydra/launcher=rya"], ["rya", "ray"]),
        (["sweep", "hydra.run.dir=x"], ["hydra.run.dir"]),
        (["watch"], ["no study"]),
        (["watch", "nowhere"], ["nowhere"]),
    ],
)
def test_a_mistake_gets_a_sentence_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    assert_refused(tmp_path, arguments, words)


@pytest.mark.parametrize("how", [("--seeds", "+4"), ("--until-decided",)])
def test_a_registered_study_is_trained_before_it_is_extended(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    run_dropexp(tmp_path, "study", "register", "quick")
    done = run_dropexp(tmp_path, "extend", "quick", *how, "--dry-run")
    assert done.returncode == 2
    assert "none of its runs has started. Train it with dropexp sweep study=quick" in done.stderr


def test_a_dry_run_lists_runs_with_an_estimate_and_starts_nothing(
    tmp_path: Path, first_sweep: Swept
) -> None:
    first = run_dropexp(tmp_path, *SWEEP, "--dry-run")
    assert first.returncode == 0
    assert len(re.findall(r"^\S+-s\d-\w{8} +new", first.stdout, flags=re.MULTILINE)) == 6
    assert "no finished run is like them" in first.stdout
    assert folders(tmp_path) == {}
    shutil.copytree(first_sweep[1] / "runs", tmp_path / "runs", dirs_exist_ok=True)
    second = run_dropexp(tmp_path, *SWEEP, "seed=range(3)", "--dry-run")
    assert len(re.findall(r"new +\d+\.\d s$", second.stdout, flags=re.MULTILINE)) == 3
    assert re.search(r"about \d+\.\d s for 3 runs, \d+ at a time", second.stdout)
    assert len(folders(tmp_path)) == 6


def test_one_poisoned_setting_fails_alone_and_is_not_tried_again(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    """Stochastic depth has no branch to act on in an MLP."""
    words = [
        *("sweep", "regulariser=dropout,stochastic_depth,none", "seed=0,1"),
        *("model=mlp", "model.hidden=[8]", "train.epochs=1", "data.train_size=60"),
        ONE_AT_A_TIME,
    ]
    done = dropexp(*words)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "4 of 6 runs done" in done.stdout
    failures = re.findall(r"^ +(\S+)  failed: (.*)$", done.stdout, flags=re.MULTILINE)
    assert [name.split("-p")[0] for name, _ in failures] == ["stochastic_depth"] * 2
    assert all("residual branches" in reason for _, reason in failures)
    assert len(summaries(tmp_path)) == 4

    again = dropexp(*words)
    assert again.returncode == 1
    assert "0 new, 4 finished, 0 interrupted, 2 failed" in again.stdout
    assert "--retry-failed" in again.stdout
    assert "none trained" in again.stdout

    errors = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("error.txt")}
    assert len(errors) == 2
    assert dropexp(*words, "--retry-failed").returncode == 1
    assert all(path.stat().st_mtime_ns > before for path, before in errors.items())


def test_a_diverged_run_is_reported_and_exits_with_1(dropexp: Dropexp, tmp_path: Path) -> None:
    words = ("sweep", "optimiser=sgd", "optimiser.lr=0.01,1e30", *QUICK, ONE_AT_A_TIME)
    done = dropexp(*words)
    assert done.returncode == 1
    assert "diverged at epoch" in done.stdout
    assert "1 of 2 runs done" in done.stdout
    assert len(summaries(tmp_path)) == 2
    assert dropexp(*words).returncode == 1


def test_fail_fast_stops_at_the_first_failure(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp(
        *("sweep", "--fail-fast", "seed=range(40)", "optimiser=sgd", "optimiser.lr=1e30"),
        *(ONE_AT_A_TIME, *QUICK),
    )
    assert done.returncode == 1
    assert "as --fail-fast was given" in done.stdout
    assert 1 <= len(summaries(tmp_path)) < 40


@pytest.mark.slow
def test_force_trains_every_run_again_and_once(dropexp: Dropexp, tmp_path: Path) -> None:
    words = ("sweep", "seed=0,1,2", *QUICK, ONE_AT_A_TIME)
    dropexp(*words)
    before = finishing_times(tmp_path)
    forced = dropexp(*words, "force=true")
    assert forced.returncode == 0
    assert "3 new" in forced.stdout
    assert "3 trained" in forced.stdout
    after = finishing_times(tmp_path)
    assert all(after[name] > before[name] for name in before)
    for folder in folders(tmp_path).values():
        assert (folder / "run.log").read_text().count("training from epoch 1") == 1


def test_the_same_sweep_twice_at_once_trains_every_run_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dropexp", "sweep", "seed=range(8)", *QUICK, "train.epochs=12"]
    both = [
        subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert all("8 of 8 runs done" in output for output in outputs)
    assert len(summaries(tmp_path)) == 8
    for folder in folders(tmp_path).values():
        log = (folder / "run.log").read_text()
        assert log.count("training from epoch") == 1
        assert log.count("completed after 12 epochs") == 1


def test_a_sweeps_runs_are_those_of_train_to_the_last_bit(dropexp: Dropexp, tmp_path: Path) -> None:
    """Not only the weights: every number of the summary, but time and memory."""
    dropexp("sweep", "regulariser=dropconnect", "p=0.2", "seed=3,4", *QUICK)
    for seed in (3, 4):
        word = f"seed={seed}"
        dropexp("train", "regulariser=dropconnect", "p=0.2", word, *QUICK, "runs_dir=alone")
    swept, alone = folders(tmp_path), folders(tmp_path, "alone")
    assert swept.keys() == alone.keys()
    for name in swept:
        weights = [(f / "model.safetensors").read_bytes() for f in (swept[name], alone[name])]
        assert weights[0] == weights[1]
        both = [json.loads((f / "summary.json").read_text()) for f in (swept[name], alone[name])]
        assert both[0]["best"] == both[1]["best"]
        assert both[0]["last"] == both[1]["last"]


@pytest.mark.slow
def test_a_runs_peak_memory_is_its_own(dropexp: Dropexp, tmp_path: Path) -> None:
    """A process that trains one run after another would show the largest of them for all."""
    dropexp(
        *("sweep", "train.batch_size=600,10", "data.train_size=600", "model.width=128"),
        *("train.epochs=1", ONE_AT_A_TIME, "threads=1"),
    )
    sizes = {
        yaml.safe_load((f / "config.yaml").read_text())["train"]["batch_size"]: json.loads(
            (f / "summary.json").read_text()
        )["peak_memory_mb"]
        for f in folders(tmp_path).values()
    }
    assert sizes[600] > sizes[10] + 20


def test_watch_and_runs_know_the_study(dropexp: Dropexp, tmp_path: Path) -> None:
    dropexp("sweep", "study=first", "seed=0,1", *QUICK, ONE_AT_A_TIME)
    dropexp("sweep", "study=second", "seed=1,2", *QUICK, ONE_AT_A_TIME)
    assert len(summaries(tmp_path)) == 3, "the run of seed 1 is shared"
    for name, seeds in (("first", {0, 1}), ("second", {1, 2})):
        listed = json.loads(
            run_dropexp(tmp_path, "runs", f"study={name}", "--format", "json").stdout
        )
        assert {run["seed"] for run in listed} == seeds
    assert run_dropexp(tmp_path, "watch").stdout.startswith("second  2 of 2 runs done")


@pytest.mark.slow
def test_two_hundred_tiny_runs_leave_two_hundred_sound_folders(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    done = dropexp("sweep", "regulariser=none,dropout2d", "seed=range(100)", *QUICK, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = summaries(tmp_path)
    assert len(found) == 200
    for name, folder in folders(tmp_path).items():
        assert found[name]["run_id"] == name
        assert found[name]["status"] == "completed"
        files = {path.name for path in folder.iterdir()}
        assert {"config.yaml", "metrics.csv", "model.safetensors", "audit.json"} <= files
        assert not [file for file in files if file.endswith(".part") or file == "checkpoint.pt"]
        assert (folder / "metrics.csv").read_text().count("\n") == 3


@pytest.mark.slow
@pytest.mark.parametrize("study", ["regularisers", "p_curve", "train_size", "label_noise", "quick"])
def test_every_ready_study_trains(dropexp: Dropexp, tmp_path: Path, study: str) -> None:
    quick = [word for word in QUICK if "train_size" not in word]
    done = dropexp("sweep", f"study={study}", "seed=0", *quick, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    seeds = {summary["seed"] for summary in summaries(tmp_path).values()}
    assert seeds == {0}
    assert f"{len(summaries(tmp_path))} of {len(summaries(tmp_path))} runs done" in done.stdout


def test_a_sweep_does_not_import_torch_itself(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from dropexp.cli.main import app\n"
        f"app({['sweep', 'seed=0', *QUICK]!r}, standalone_mode=False)\n"
        "print([name for name in ('torch', 'scipy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.stdout.splitlines()[-1] == "[]"
