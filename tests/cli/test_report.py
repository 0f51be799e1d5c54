"""dropexp report, board and compare --plot, on made-up runs."""

import json
import re
from pathlib import Path

import pytest

from baselines.run_folders import make_runs
from dropexp.runs.studies import Study, StudyMember, save_study
from tests.conftest import Dropexp


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a folder of made-up runs: none, and dropout2d at three p, with three seeds."""
    make_runs(tmp_path / "runs", runs=12, seeds=3)
    return tmp_path / "runs"


def test_report_writes_a_page_and_tells_the_answer(
    dropexp: Dropexp, runs: Path, tmp_path: Path
) -> None:
    done = dropexp("report", "-o", "r.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("On digits with 400 images")
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "dropexp sweep regulariser=dropout2d p=0.1,0.3,0.5 seed=0,1,2" in page
    assert "dropexp report -o r.html" in page
    panels = json.loads(re.search(r'id="page">(.*?)</script>', page)[1])["panels"]  # type: ignore[index]
    assert "p" in {panel["name"] for panel in panels}


def test_report_as_markdown_on_standard_output(dropexp: Dropexp, runs: Path) -> None:
    done = dropexp("report", "p=0,0.3", "-o", "-", "--format", "md", "--metric", "test_acc")
    assert done.returncode == 0, done.stderr
    assert "## digits with 400 images and 20% noisy labels" in done.stdout
    assert "dropout2d p=0.3" in done.stdout
    assert "p=0.5" not in done.stdout


def test_board_writes_a_study_and_says_how_to_see_it(
    dropexp: Dropexp, runs: Path, tmp_path: Path
) -> None:
    ids = sorted(folder.name for folder in runs.glob("[!.]*"))
    members = tuple(StudyMember(run_id, 0, 0, 30) for run_id in ids)
    setting = {"regulariser.name": "none", "regulariser.p": 0.0}
    save_study(runs, Study("first", (("regulariser=none,dropout2d",),), (setting,), members))
    done = dropexp("board", "first", "--no-start")
    assert done.returncode == 0, done.stderr
    assert "4 settings, mean and 95% interval each" in done.stdout
    assert "tensorboard --logdir runs-boards/first" in done.stdout
    assert (tmp_path / "runs-boards" / "first" / "none").is_dir()
    page = dropexp("report", "study=first", "-o", "-", "--format", "md").stdout
    assert "dropexp sweep regulariser=none,dropout2d study=first" in page


def test_compare_draws_what_it_shows(dropexp: Dropexp, runs: Path, tmp_path: Path) -> None:
    done = dropexp("compare", "--plot", "a.svg", "--chart", "gap,strength", "--size", "16x9cm")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "a.svg").read_text()
    assert 'width="604.724"' in text
    assert "against p" in text
    done = dropexp("compare", "--plot", "charts.jpg")
    assert done.returncode == 2
    assert "Use .png, .svg, .pdf or .html" in done.stderr


def test_report_refuses_what_is_not_there(dropexp: Dropexp, runs: Path) -> None:
    assert dropexp("report", "p=0.99").returncode == 2
    done = dropexp("report", "-o", "no/such/folder/r.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
