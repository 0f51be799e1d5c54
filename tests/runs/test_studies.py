"""Named sets of runs."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.config.study_files import FOLDER
from dropexp.errors import ConfigError, StoreError
from dropexp.runs import studies
from dropexp.runs.ledger import LEDGER, Purpose, read_ledger, record_request
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.studies import Study, StudyMember
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion

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
    both = Study("mine", (), (LONGER, NONE), (other, TWO._replace(setting=1)))
    joined = studies.save_study(tmp_path, both)
    assert {run.run_id: run.setting for run in joined.runs} == {
        ONE.run_id: "none train.epochs=5",
        TWO.run_id: "none train.epochs=5",
        other.run_id: "none train.epochs=9",
    }


def test_studies_are_listed_as_the_ledger_has_them_whatever_the_times_of_their_files(
    tmp_path: Path,
) -> None:
    for name in ("b", "c", "a"):
        studies.save_study(tmp_path, Study(name, (), (), ()))
    assert studies.list_study_names(tmp_path) == ["a", "b", "c"]
    assert studies.list_studies_as_asked(tmp_path) == ["a", "b", "c"], "the ledger knows none"
    assert studies.list_study_names(tmp_path / "nowhere") == []
    for name in ("c", "a", "gone"):
        record_request(tmp_path, name, [f"none-p0-s0-{name}"], Purpose.SWEEP)
    os.utime(tmp_path / FOLDER / "c.json", (4e9, 4e9))  # a clock in the future
    assert studies.list_studies_as_asked(tmp_path) == ["b", "c", "a"]
    assert studies.find_last_study(tmp_path) == "a"


def test_the_study_last_asked_for_is_the_ledgers(tmp_path: Path) -> None:
    assert studies.find_last_study(tmp_path) is None
    for name in ("first", "second"):
        studies.save_study(tmp_path, Study(name, (), (), ()))
        record_request(tmp_path, name, [f"none-p0-s0-{name}"], Purpose.SWEEP)
    os.utime(tmp_path / FOLDER / "first.json", (4e9, 4e9))  # a clock in the future
    assert studies.find_last_study(tmp_path) == "second"
    before = read_ledger(tmp_path)
    for _ in range(2):  # none of its runs is new
        record_request(tmp_path, "first", ["none-p0-s0-first"], Purpose.SWEEP, is_study=True)
    assert studies.find_last_study(tmp_path) == "first"
    assert len((tmp_path / LEDGER).read_text().splitlines()) == 3
    assert read_ledger(tmp_path) == before
    (tmp_path / FOLDER / "first.json").unlink()
    assert studies.find_last_study(tmp_path) == "second"


def test_a_study_that_is_swept_again_is_not_written(tmp_path: Path) -> None:
    study = Study("mine", (("seed=0,1",),), (NONE, LONGER), (ONE, TWO))
    studies.save_study(tmp_path, study)
    path = tmp_path / FOLDER / "mine.json"
    before = path.stat()
    assert studies.save_study(tmp_path, study) == study
    assert (path.stat().st_ino, path.stat().st_size) == (before.st_ino, before.st_size)
    grown = studies.save_study(tmp_path, replace(study, members=(ONE, TWO, THREE)))
    assert path.stat().st_ino != before.st_ino
    assert studies.read_study(tmp_path, "mine") == grown


def test_settings_are_the_same_if_their_values_are_equal() -> None:
    kept = {**NONE, "regulariser.p": 0, "model.hidden": [8, 4], "model.options": {"a": [1]}}
    same = {**NONE, "regulariser.p": 0.0, "model.hidden": (8, 4), "model.options": {"a": (1.0,)}}
    merged = Study("mine", (), (NONE, kept), ()).merge(
        Study("mine", (), (same, LONGER), (ONE._replace(setting=0), TWO._replace(setting=1)))
    )
    assert merged.settings == (NONE, kept, LONGER)
    assert [member.setting for member in merged.members] == [1, 2]


def test_an_unknown_study_names_the_near_ones(tmp_path: Path) -> None:
    studies.save_study(tmp_path, Study("regularisers", (), (), ()))
    with pytest.raises(ConfigError, match="regularisers"):
        studies.read_study(tmp_path, "regulariser")


WITHOUT_MEMBERS = '{"name": "x", "sweeps": [], "settings": [], "members": [{}]}'


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "x"}', WITHOUT_MEMBERS])
def test_a_damaged_study_is_a_sentence(tmp_path: Path, content: str) -> None:
    studies.save_study(tmp_path, Study("x", (), (), ()))
    (tmp_path / FOLDER / "x.json").write_text(content)
    with pytest.raises(StoreError, match="cannot be read"):
        studies.read_study(tmp_path, "x")


def test_a_name_for_a_sweep_is_that_of_its_settings() -> None:
    assert studies.make_study_name([NONE, LONGER]) == studies.make_study_name([LONGER, NONE])
    assert studies.make_study_name([NONE]) != studies.make_study_name([LONGER])


def test_a_study_keeps_the_question_of_its_last_sweep_that_states_one(tmp_path: Path) -> None:
    asked = StudyQuestion(metric="test_acc", at=EpochChoice.LAST, margin=0.01)
    studies.save_study(tmp_path, Study("mine", (), (NONE,), (ONE,), asked))
    joined = studies.save_study(tmp_path, Study("mine", (), (NONE,), (TWO,)))
    assert joined.question == studies.read_study(tmp_path, "mine").question == asked
    other = StudyQuestion(metric="test_loss")
    assert studies.save_study(tmp_path, Study("mine", (), (NONE,), (ONE,), other)).question == other


def test_the_file_of_an_older_version_has_no_question(tmp_path: Path) -> None:
    studies.save_study(tmp_path, Study("mine", (), (NONE,), (ONE,)))
    path = tmp_path / FOLDER / "mine.json"
    plain = json.loads(path.read_text())
    del plain["question"]
    path.write_text(json.dumps(plain))
    assert studies.read_study(tmp_path, "mine").question == NO_QUESTION


def test_a_question_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    studies.save_study(tmp_path, Study("mine", (), (NONE,), (ONE,)))
    path = tmp_path / FOLDER / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "question": {"at": "end"}}))
    with pytest.raises(StoreError, match="at is 'end'"):
        studies.read_study(tmp_path, "mine")
