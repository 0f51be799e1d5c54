"""Ray and Slurm: the same runs, whoever launches them."""

import csv
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import QUICK, Dropexp


@pytest.fixture
def dropexp(dropexp_process: Dropexp) -> Dropexp:
    """Sweeps start processes of their own: each command has one, as for a user."""
    return dropexp_process


STUDY = ("study=quick", "seed=0", "regulariser=none,dropout2d", *QUICK)


Numbers = dict[str, tuple[list[list[str]], bytes]]


def has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def numbers(runs: Path) -> Numbers:
    """Every number of every finished run but its times, and its weights."""
    found = {}
    for folder in runs.glob("[!.]*"):
        if (folder / "summary.json").exists():
            rows = list(csv.reader((folder / "metrics.csv").read_text().splitlines()))
            weights = (folder / "model.safetensors").read_bytes()
            found[folder.name] = ([row[:-1] for row in rows], weights)
    return found


@pytest.fixture(scope="module")
def by_joblib(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    """The numbers of the same study from the default launcher."""
    folder = tmp_path_factory.mktemp("joblib")
    command = [sys.executable, "-m", "dropexp", "sweep", *STUDY]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return numbers(folder / "runs")


@pytest.mark.parametrize("launcher", ["ray", "slurm"])
def test_a_launcher_that_is_not_installed_says_how_to_get_it(
    dropexp: Dropexp, tmp_path: Path, launcher: str
) -> None:
    if has({"ray": "ray", "slurm": "submitit"}[launcher]):
        pytest.skip("it is installed")
    done = dropexp("sweep", "seed=0,1", f"hydra/launcher={launcher}", *QUICK)
    assert done.returncode == 2
    assert f'pip install "dropexp[{launcher}]"' in done.stderr


@pytest.mark.slow
def test_the_basic_launcher_trains_one_run_after_another(
    dropexp: Dropexp, tmp_path: Path, by_joblib: Numbers
) -> None:
    done = dropexp("sweep", *STUDY, "hydra/launcher=basic", "runs_dir=basic")
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(tmp_path / "basic") == by_joblib


# --- Ray ------------------------------------------------------------------------------------


@pytest.mark.skipif(not has("ray"), reason="needs dropexp[ray]")
@pytest.mark.slow
def test_ray_trains_the_same_runs(dropexp: Dropexp, tmp_path: Path, by_joblib: Numbers) -> None:
    done = dropexp("sweep", *STUDY, "hydra/launcher=ray", "runs_dir=ray")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 2 runs done" in done.stdout
    assert numbers(tmp_path / "ray") == by_joblib


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


@pytest.mark.skipif(not has("ray"), reason="needs dropexp[ray]")
@pytest.mark.skipif(not may_mount(), reason="may not make a mount namespace")
@pytest.mark.slow
def test_ray_without_a_shared_file_system(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_joblib: Numbers
) -> None:
    """Ray's own processes see the folder of runs read-only; the sweep may write it."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    runs = tmp_path / "ray"
    runs.mkdir()
    ray = str(Path(sys.executable).with_name("ray"))
    port = 20_000 + os.getpid() % 20_000
    read_only = f"mount --bind {runs} {runs} && mount -o remount,ro,bind {runs}"
    head = f"{ray} start --head --port={port} --num-cpus=2 --include-dashboard=false --block"
    cluster = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{read_only} && exec {head}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert cluster.stdout is not None
        assert any("Ray runtime started" in line for line in cluster.stdout)
        done = dropexp(
            *("sweep", *STUDY, "hydra/launcher=ray", "runs_dir=ray"),
            f"hydra.launcher.ray.init.address=127.0.0.1:{port}",
        )
    finally:
        os.killpg(cluster.pid, 9)
        cluster.communicate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(runs) == by_joblib
    environment = (next(runs.glob("none*")) / "environment.json").read_text()
    assert "default_worker.py" in environment, "it was not the sweep's own process that trained it"


# --- Slurm ----------------------------------------------------------------------------------

SBATCH = """\
    #!{python}
    # Stands for Slurm: runs the tasks of an array job here, one after another, in the background.
    import os, re, subprocess, sys
    script = open(sys.argv[-1]).read()
    open("{seen}", "w").write(script)
    here = {{"SLURM_JOB_NUM_NODES": "1", "SLURM_NTASKS": "1", "SLURM_JOB_NODELIST": "here",
            "SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
            "SLURM_ARRAY_JOB_ID": "42"}}
    tasks = range(int(re.search(r"--array=0-(\\d+)", script)[1]) + 1)
    job = "SLURM_JOB_ID=7{{i}} SLURM_ARRAY_TASK_ID={{i}} bash {{file}}; touch {seen}-{{i}}"
    commands = [job.format(i=task, file=sys.argv[-1]) for task in tasks]
    subprocess.Popen(
        ["bash", "-c", "; ".join(commands)],
        env={{**os.environ, **here}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    print("Submitted batch job 42")
"""
SRUN = """\
    #!/bin/bash
    # Options up to the command are Slurm's; their values stand behind them.
    while [[ "$1" == -* ]]; do
        case "$1" in --output|--error) shift 2 ;; *) shift ;; esac
    done
    exec "$@"
"""
SACCT = """\
    #!/bin/bash
    echo "JobID|State|NodeList"
    for task in 0 1 2; do
        [ -e {seen}-$task ] && state=COMPLETED || state=RUNNING
        echo "42_$task|$state|here"
    done
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that do what Slurm's do, on this machine."""
    commands = tmp_path / "commands"
    commands.mkdir()
    seen = tmp_path / "script"
    sbatch = SBATCH.format(python=sys.executable, seen=seen)
    sacct = SACCT.format(seen=seen)
    for name, text in {"sbatch": sbatch, "srun": SRUN, "sacct": sacct}.items():
        (commands / name).write_text(dedent(text))
        (commands / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")


@pytest.mark.skipif(not has("submitit"), reason="needs dropexp[slurm]")
@pytest.mark.usefixtures("slurm")
@pytest.mark.slow
def test_slurm_is_asked_for_one_array_job_and_trains_the_same_runs(
    dropexp: Dropexp, tmp_path: Path, by_joblib: Numbers
) -> None:
    done = dropexp(
        *("sweep", *STUDY, "hydra/launcher=slurm", "runs_dir=slurm"),
        *("hydra.launcher.partition=short", "hydra.launcher.timeout_min=30"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert numbers(tmp_path / "slurm") == by_joblib
    script = (tmp_path / "script").read_text()
    for line in (
        "#SBATCH --array=0-1",
        "#SBATCH --partition=short",
        "#SBATCH --time=30",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --job-name=dropexp",
    ):
        assert line in script
