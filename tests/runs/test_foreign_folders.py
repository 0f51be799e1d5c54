"""Whatever a run folder holds, it costs the other runs nothing, and is named with its reason."""

import json
import os
import shutil
from pathlib import Path

import pytest

from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.listing import find_seed, list_runs
from tests.conftest import run_dropexp
from tests.run_folders import write_finished_run
from tests.runs.hostile import DAMAGES, QUIET_DAMAGES

LINKS = {300: "none-p0-s300-00000000", 301: "/etc", 302: "missing"}
"""Seed → what the link that is named like its run leads to; the first leads to itself."""


def write_good_runs(runs: Path) -> None:
    runs.mkdir()
    for seed in range(2):
        write_finished_run(runs, 0.5 + seed / 10, "regulariser=none", f"seed={seed}")
        write_finished_run(runs, 0.4, "regulariser=dropout2d", "p=0.3", f"seed={seed}")


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a runs folder: four good runs, one for each damage, and links."""
    folder = tmp_path_factory.mktemp("received")
    runs = folder / "runs"
    write_good_runs(runs)
    other = write_finished_run(folder / "other", 0.5, "model.width=4").path
    for number, damage in enumerate(DAMAGES.values()):
        copied = runs / f"none-p0-s{100 + number}-00000000"
        shutil.copytree(other, copied)
        damage(copied)
    for seed, target in LINKS.items():
        (runs / f"none-p0-s{seed}-00000000").symlink_to(target)
    return folder


def test_each_damaged_folder_is_listed_with_its_reason(received: Path) -> None:
    by_seed = {find_seed(run.run_id): run for run in list_runs(received / "runs")}
    for number, name in enumerate(DAMAGES):
        run = by_seed[100 + number]
        assert run.status is ListedStatus.DAMAGED, name
        assert run.run_id in run.problem, name
        assert len(run.problem) < 500, name
    for seed in LINKS:
        assert "is a link" in by_seed[seed].problem
    assert by_seed[0].status is by_seed[1].status is ListedStatus.FINISHED


def test_they_cost_the_list_nothing(received: Path) -> None:
    done = run_dropexp(received, "runs", "-f", "json")
    assert done.returncode == 0
    statuses = [run["status"] for run in json.loads(done.stdout)]
    damaged = len(DAMAGES) + len(LINKS)
    assert (statuses.count("finished"), statuses.count("damaged")) == (4, damaged)
    assert done.stderr.count("warning:") == damaged


def test_a_comparison_names_them_and_is_the_same_without_them(
    received: Path, tmp_path: Path
) -> None:
    write_good_runs(tmp_path / "runs")
    alone, among = (run_dropexp(folder, "compare") for folder in (tmp_path, received))
    assert among.returncode == alone.returncode == 0, among.stderr
    left_out = f"{len(DAMAGES) + len(LINKS)} runs left out (damaged; dropexp runs check says how)"
    assert left_out in " ".join(among.stdout.split())
    assert [
        line for line in among.stdout.splitlines() if line.startswith(("dropout2d", "none"))
    ] == [line for line in alone.stdout.splitlines() if line.startswith(("dropout2d", "none"))]


ALWAYS_TRIED = ("a cell has", "audit.json is a named pipe", "the packages are a list")


@pytest.mark.parametrize(
    "damage_name",
    [
        name if name.startswith(ALWAYS_TRIED) else pytest.param(name, marks=pytest.mark.slow)
        for name in QUIET_DAMAGES
    ],
)
def test_a_damaged_file_is_named_where_it_is_used(tmp_path: Path, damage_name: str) -> None:
    folder = write_finished_run(tmp_path / "runs", 0.5, "model.width=4").path
    QUIET_DAMAGES[damage_name](folder)
    shown = run_dropexp(tmp_path, "runs", "show", "none")
    listed = run_dropexp(tmp_path, "runs")
    compared = run_dropexp(tmp_path, "compare", "--curves") if "cell" in damage_name else listed
    for done in (shown, listed, compared):
        assert done.returncode in (0, 2)
        assert "Traceback" not in done.stderr
    names = [name for name in ("audit.json", "environment.json") if (folder / name).is_file()]
    assert all(f"{name} is damaged" in shown.stdout for name in names)


@pytest.mark.parametrize("year", [1950, 2300])
def test_files_of_any_time_are_listed(tmp_path: Path, year: int) -> None:
    """Archives keep file times, and 2⁶³ nanoseconds end in 2262."""
    runs = tmp_path / "runs"
    write_good_runs(runs)
    moment = (year - 1970) * 31_600_000 * 10**9
    for name in ("summary.json", "config.yaml", "metrics.csv"):
        os.utime(next(runs.glob("none-p0-s1-*")) / name, ns=(moment, moment))
    rows = json.loads(run_dropexp(tmp_path, "runs", "-f", "json").stdout)
    assert [row["status"] for row in rows] == ["finished"] * 4
    assert run_dropexp(tmp_path, "compare").returncode == 0
