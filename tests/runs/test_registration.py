"""Registered studies: their file, their hash, and their names."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from dropexp.config.study_files import get_registered_path, read_study_file
from dropexp.errors import ConfigError
from dropexp.runs.ledger import Purpose, read_ledger, record_end
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.registration import (
    Registration,
    find_damage,
    list_registered_names,
    parse_registration,
    read_question,
    read_registration,
    refuse_used_name,
    save_registration,
    seal,
    withdraw_registration,
)
from dropexp.runs.studies import Study, StudyMember, save_study
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion

QUESTION = StudyQuestion("test_acc", EpochChoice.LAST, 0.01, TestChoice.AUTO, Correction.MAX_T)
RUN_IDS = ("dropout2d-p0.3-s0-00000000", "none-p0-s0-00000000")
MINE = seal(
    Registration(
        name="mine",
        on="2026-11-26",
        commit="1234567890abcdef-dirty",
        version="0.1.0",
        question=QUESTION,
        params={"regulariser": "none,dropout2d", "p": "0.3", "seed": "0"},
        seeds=(0,),
        run_ids=RUN_IDS,
    )
)


def test_a_registration_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = save_registration(tmp_path, MINE)
    assert path == get_registered_path(tmp_path, "mine")
    found = read_registration(tmp_path, "mine")
    assert found == MINE
    assert found.is_intact
    assert find_damage(found) == ""
    assert found.short_commit == "commit 1234567-dirty"
    assert list_registered_names(tmp_path) == ["mine"]
    assert not list(path.parent.glob("*.part"))


def test_registering_asks_for_the_runs(tmp_path: Path) -> None:
    save_registration(tmp_path, MINE)
    requests = [read_ledger(tmp_path).asked(run_id) for run_id in RUN_IDS]
    assert [(each.study, each.purpose) for each in requests if each] == [
        ("mine", Purpose.REGISTERED)
    ] * 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at: last", "at: best"),
        ("margin: 0.01", "margin: 0.1"),
        ("2026-11-26", "2026-11-27"),
        ("1234567890", "2234567890"),
        ("p: '0.3'", "p: '0.4'"),
        ("none-p0-s0-00000000", "none-p0-s0-11111111"),
        ("name: mine", "name: yours"),
    ],
)
def test_every_change_of_the_file_is_found(tmp_path: Path, old: str, new: str) -> None:
    path = save_registration(tmp_path, MINE)
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    found = read_registration(tmp_path, "mine")
    assert found is not None
    assert "was changed after it was registered" in find_damage(found)


def test_the_layout_of_the_file_does_not_count(tmp_path: Path) -> None:
    path = save_registration(tmp_path, MINE)
    plain = yaml.safe_load(path.read_text())
    path.write_text(json.dumps(plain, indent=4, sort_keys=True))
    assert read_registration(tmp_path, "mine") == MINE


def test_a_registered_study_is_never_overwritten(tmp_path: Path) -> None:
    path = save_registration(tmp_path, MINE)
    before = path.read_text()
    with pytest.raises(ConfigError, match=r"is registered in .* already"):
        save_registration(tmp_path, seal(replace(MINE, seeds=(1,))))
    assert path.read_text() == before
    refuse_used_name(tmp_path, "mine")  # nobody has begun to train it, so it may be replaced


def test_a_registered_study_is_withdrawn_while_nobody_trains_it(tmp_path: Path) -> None:
    path = save_registration(tmp_path, MINE)
    text = path.read_text()
    kept = withdraw_registration(tmp_path, "mine")
    assert kept == path.with_name("mine.registered.1.yaml")
    assert kept.read_text() == text
    assert list_registered_names(tmp_path) == []
    assert [read_ledger(tmp_path).asked(run_id) for run_id in RUN_IDS] == [None, None]
    assert withdraw_registration(tmp_path, "mine") is None
    save_registration(tmp_path, MINE)
    request = read_ledger(tmp_path).asked(RUN_IDS[0])
    assert request is not None
    assert request.number == 2  # after the first registration and its withdrawal
    assert withdraw_registration(tmp_path, "mine") == path.with_name("mine.registered.2.yaml")


@pytest.mark.parametrize("use", ["ended", "swept", "swept otherwise", "shared"])
def test_a_registered_study_in_use_is_never_withdrawn(tmp_path: Path, use: str) -> None:
    path = save_registration(tmp_path, MINE)
    fields = {"regulariser.name": "none", "regulariser.p": 0.0}
    if use == "ended":
        record_end(tmp_path, RUN_IDS[0])
        words = "1 run of it has started"
    elif use == "shared":
        save_registration(tmp_path, seal(replace(MINE, name="yours")))
        words = "the registered study yours shares runs with it"
    else:
        name, run_id = ("other", RUN_IDS[1]) if use == "swept" else ("mine", "none-p0-s9-00000000")
        save_study(tmp_path, Study(name, (), (fields,), (StudyMember(run_id, 0, 0, 3),)))
        words = f"the sweep study={name} has asked for its runs"
    for refuse in (refuse_used_name, withdraw_registration):
        with pytest.raises(ConfigError, match=words):
            refuse(tmp_path, "mine")
    assert path.is_file()


def test_a_study_with_runs_cannot_be_registered(tmp_path: Path) -> None:
    fields = {"regulariser.name": "none", "regulariser.p": 0.0}
    save_study(tmp_path, Study("mine", (), (fields,), (StudyMember(RUN_IDS[1], 0, 0, 3),)))
    with pytest.raises(ConfigError, match=r"has 1 run in .* already"):
        refuse_used_name(tmp_path, "mine")
    refuse_used_name(tmp_path, "yours")


@pytest.mark.parametrize("key", ["name", "date", "hash", "seeds", "runs", "commit", "version"])
def test_an_incomplete_registration_says_so(tmp_path: Path, key: str) -> None:
    path = save_registration(tmp_path, MINE)
    plain = yaml.safe_load(path.read_text())
    del plain["registered"][key]
    path.write_text(yaml.safe_dump(plain))
    with pytest.raises(ConfigError, match=r"registered is incomplete|it names a file"):
        parse_registration(read_study_file(path))


def test_the_question_of_a_study_is_the_registered_one_first(tmp_path: Path) -> None:
    assert read_question(tmp_path, "mine") == NO_QUESTION
    stated = StudyQuestion(metric="test_loss")
    save_study(tmp_path, Study("mine", (), (), (), stated))
    assert read_question(tmp_path, "mine") == stated
    save_registration(tmp_path, MINE)
    assert read_question(tmp_path, "mine") == QUESTION


def test_a_folder_without_studies_has_none(tmp_path: Path) -> None:
    assert list_registered_names(tmp_path / "nowhere") == []
    assert read_registration(tmp_path, "mine") is None
