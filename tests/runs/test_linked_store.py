"""No folder that dropexp keeps beside the runs may be a link: a store can come from anybody."""

from pathlib import Path

import pytest

from dropexp.config.study_files import FOLDER
from dropexp.errors import RunsDirError
from dropexp.runs.files import METRICS
from dropexp.runs.repairing import SET_ASIDE
from dropexp.sweep.sweep_dirs import list_living_sweeps, open_sweep_dir
from tests.conftest import Dropexp
from tests.run_folders import write_finished_run


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder outside of the store that nothing may change."""
    folder = tmp_path / "precious"
    (folder / "thesis").mkdir(parents=True)
    (folder / "thesis" / "text").write_text("mine")
    (folder / ".mine.json.part").write_text("mine")
    (folder / "mine.json").write_text("{}")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def read_tree(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_sweep_removes_nothing_through_a_link(runs: Path, precious: Path) -> None:
    (runs / ".sweeps").symlink_to(precious)
    before = read_tree(precious)
    with pytest.raises(RunsDirError, match="is a link"), open_sweep_dir(runs):
        pass
    assert list_living_sweeps(runs) == frozenset()
    assert read_tree(precious) == before


def test_studies_are_neither_read_nor_written_through_a_link(
    runs: Path, precious: Path, dropexp: Dropexp
) -> None:
    write_finished_run(runs, 0.5)
    (runs / FOLDER).symlink_to(precious)
    before = read_tree(precious)
    question = ("regulariser=none,dropout2d", "p=0.3", "seed=range(8)", "train.epochs=3")
    register = ("study", "register", "new", *question)
    for command in (register, ("extend", "mine", "--seeds", "+1"), ("study", "show", "mine")):
        done = dropexp(*command)
        assert done.returncode == 2, command
        assert ".studies is a link" in " ".join(done.stderr.split()) or "mine" in done.stderr
    assert dropexp("runs", "check", "--repair").returncode == 0
    assert dropexp("compare").returncode == 0, "runs need no study"
    assert read_tree(precious) == before


def test_nothing_is_set_aside_through_a_link(runs: Path, precious: Path, dropexp: Dropexp) -> None:
    metrics = write_finished_run(runs, 0.5).path / METRICS
    metrics.write_text("")
    (runs / SET_ASIDE).symlink_to(precious)
    before = read_tree(precious)
    done = dropexp("runs", "check", "--repair")
    assert done.returncode == 1
    assert "is a link" in " ".join(done.stdout.split())
    assert (metrics.exists(), read_tree(precious)) == (True, before)
