"""Named sets of runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.errors import ConfigError, StoreError
from dropexp.runs import studies
from dropexp.runs.studies import Study, StudyMember

NONE = {"regulariser.name": "none", "regulariser.p": 0.0, "train.epochs": 5}
LONGER = {**NONE, "train.epochs": 9}
ONE, TWO, THREE = (StudyMember(f"none-p0-s{seed}-00000000", 0, seed, 5) for seed in range(3))


def test_a_study_grows_under_its_name(tmp_path: Path) -> None:
    studies.save_study(tmp_path, Study("mine", (("seed=0,1",),), (NONE,), (ONE, TWO)))
    joined = studies.save_study(tmp_path, Study("mine", (("seed=1,2",),), (NONE,), (TWO, THREE)))
    assert [run.run_id for run in joined.runs] == [one.run_id for one in (ONE, TWO, THREE)]
    assert {run.setting for run in joined.runs} == {"none"}
    assert joined.sweeps == (("seed=0,1",), ("seed=1,2",))
    assert studies.read_study(tmp_path, "mine") == joined


def test_settings_that_differ_keep_different_names_when_they_meet(tmp_path: Path) -> None:
    other = StudyMember("none-p0-s0-11111111", 0, 0, 9)
    studies.save_study(tmp_path, Study("mine", (), (NONE,), (ONE,)))
    both = Study("mine", (), (LONGER, NONE), (other, replace(TWO, setting=1)))
    joined = studies.save_study(tmp_path, both)
    assert {run.run_id: run.setting for run in joined.runs} == {
        ONE.run_id: "none train.epochs=5",
        TWO.run_id: "none train.epochs=5",
        other.run_id: "none train.epochs=9",
    }


def test_the_one_last_swept_comes_first(tmp_path: Path) -> None:
    import os

    for age, name in enumerate(["new", "old", "older"]):
        studies.save_study(tmp_path, Study(name, (), (), ()))
        path = tmp_path / studies.FOLDER / f"{name}.json"
        os.utime(path, (1000 - age, 1000 - age))
    assert studies.list_study_names(tmp_path) == ["new", "old", "older"]
    assert studies.list_study_names(tmp_path / "nowhere") == []


def test_an_unknown_study_names_the_near_ones(tmp_path: Path) -> None:
    studies.save_study(tmp_path, Study("regularisers", (), (), ()))
    with pytest.raises(ConfigError, match="regularisers"):
        studies.read_study(tmp_path, "regulariser")


WITHOUT_MEMBERS = '{"name": "x", "sweeps": [], "settings": [], "members": [{}]}'


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "x"}', WITHOUT_MEMBERS])
def test_a_damaged_study_is_a_sentence(tmp_path: Path, content: str) -> None:
    studies.save_study(tmp_path, Study("x", (), (), ()))
    (tmp_path / studies.FOLDER / "x.json").write_text(content)
    with pytest.raises(StoreError, match="cannot be read"):
        studies.read_study(tmp_path, "x")


def test_a_name_for_a_sweep_is_that_of_its_settings() -> None:
    assert studies.make_study_name([NONE, LONGER]) == studies.make_study_name([LONGER, NONE])
    assert studies.make_study_name([NONE]) != studies.make_study_name([LONGER])
