"""`dropexp sweep` and its kin as their user meets them: the real command in an empty folder.

The first sweep has a process of its own; later ones share this process, and its fork server.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cli.swept_runs import ONE_AT_A_TIME, folders, settings, summaries
from tests.conftest import QUICK, Dropexp, run_dropexp

# Without threads: the sweep gives each run one.
SWEEP = ("sweep", "regulariser=none,dropout2d", "p=0.1,0.3", "seed=range(2)", *QUICK[:-1])


def finishing_times(tmp_path: Path) -> dict[str, int]:
    return {
        name: (path / "summary.json").stat().st_mtime_ns for name, path in folders(tmp_path).items()
    }


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
@pytest.mark.parametrize("words", [(), ("runs_dir=elsewhere", "runs_dir=runs"), ("seed=0",)])
def test_started_again_it_starts_no_process_that_imports_torch(
    dropexp: Dropexp, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", _refuse_to_start)
    again = dropexp(*SWEEP, *words)
    assert "none trained" in again.stdout, again.stdout + again.stderr


def test_torch_is_imported_before_the_configs_are_composed_in_a_new_folder(
    dropexp: Dropexp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", _refuse_to_start)
    with pytest.raises(AssertionError, match="torch"):
        dropexp("sweep", "no_such_key=1")


def _refuse_to_start() -> None:
    raise AssertionError("it would import torch")


@pytest.mark.usefixtures("swept")
@pytest.mark.slow
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


@pytest.mark.slow
def test_the_same_sweep_twice_at_once_trains_every_run_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dropexp", "sweep", "seed=range(8)", *QUICK, "train.epochs=12"]
    both = [
        subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
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
    dropexp("train", "regulariser=dropconnect", "p=0.2", "seed=4", *QUICK, "runs_dir=alone")
    swept, alone = folders(tmp_path), folders(tmp_path, "alone")
    assert len(alone) == 1
    for name in alone:
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
    dropexp_process: Dropexp, tmp_path: Path
) -> None:
    done = dropexp_process("sweep", "regulariser=none,dropout2d", "seed=range(100)", *QUICK)
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
@pytest.mark.parametrize(
    "study",
    [
        "regularisers",
        "p_curve",
        "train_size",
        "label_noise",
        "quick",
        "interactions",
        "learning_curve",
    ],
)
def test_every_ready_study_trains(dropexp_process: Dropexp, tmp_path: Path, study: str) -> None:
    quick = [word for word in QUICK if "train_size" not in word]
    done = dropexp_process("sweep", f"study={study}", "seed=0", *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    seeds = {summary["seed"] for summary in summaries(tmp_path).values()}
    assert seeds == {0}
    assert f"{len(summaries(tmp_path))} of {len(summaries(tmp_path))} runs done" in done.stdout


def test_a_sweep_does_not_import_torch_itself(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from dropexp.cli.commands import build_app\n"
        f"build_app()({['sweep', 'seed=0', *QUICK]!r}, standalone_mode=False)\n"
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
