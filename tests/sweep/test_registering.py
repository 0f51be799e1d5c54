"""Registering a study: its runs and its question, and what is refused."""

from pathlib import Path

import pytest

from dropexp.config.study_files import get_registered_path
from dropexp.errors import ConfigError, UserError
from dropexp.runs.ledger import Purpose, read_ledger, record_end, record_request
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.registration import read_registration
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.registering import (
    adopt_registration,
    complete_question,
    compose_study,
    register_study,
)
from tests.run_folders import write_finished_run

WORDS = ("regulariser=none,dropout2d", "p=0.3", "model.width=8")


def register(runs: Path, name: str = "mine", *words: str) -> Path:
    runs.mkdir(exist_ok=True)
    register_study(compose_study(name, [*WORDS, *words], 6), NO_QUESTION, runs)
    return get_registered_path(runs, name)


def test_the_registered_name_trains_exactly_the_registered_runs(tmp_path: Path) -> None:
    register(tmp_path)
    registration = read_registration(tmp_path, "mine")
    assert registration is not None
    request = compose_sweep(["study=mine", f"runs_dir={tmp_path}"])
    assert sorted(config.run_id for config in request.configs) == list(registration.run_ids)
    assert {config.study for config in request.configs} == {"mine"}
    assert registration.seeds == tuple(range(6))
    assert registration.params["seed"] == "range(6)"
    assert request.question == registration.question
    assert compose_sweep(["study=mine"]).study_file is None  # another folder knows nothing of it


def test_seeds_are_those_asked_for_or_eight(tmp_path: Path) -> None:
    def list_seeds(words: list[str], seeds: int | None) -> list[int]:
        request = compose_study("mine", [*WORDS, *words], seeds)
        return sorted({config.seed for config in request.configs})

    assert list_seeds([], None) == list(range(8))
    assert list_seeds([], 3) == [0, 1, 2]
    assert list_seeds(["seed=5,7"], None) == [5, 7]
    assert list_seeds(["seed=5,7"], 1) == [0]


def test_a_ready_study_is_registered_under_its_name_or_another() -> None:
    ready = {config.run_id for config in compose_sweep(["study=quick"]).configs}
    own, other = compose_study("quick", [], None), compose_study("mine", ["study=quick"], None)
    for request in (own, other):
        assert {config.run_id for config in request.configs} == ready
        assert request.question.at is EpochChoice.LAST
    assert (own.study, other.study) == ("quick", "mine")
    changed = compose_study("mine", ["study=quick", "p=0.1"], 1)
    assert {config.regulariser.p for config in changed.configs} == {0.0, 0.1}


def test_defaults_are_written_down() -> None:
    assert complete_question(NO_QUESTION) == StudyQuestion(
        "test_loss", EpochChoice.BEST, None, TestChoice.AUTO, Correction.MAX_T
    )
    stated = StudyQuestion("test_acc", EpochChoice.LAST, 0.1, TestChoice.ANYTIME, Correction.HOLM)
    assert complete_question(stated) == stated
    with pytest.raises(UserError, match="cannot be used with --at last"):
        complete_question(StudyQuestion(metric="mc_test_loss", at=EpochChoice.LAST))


@pytest.mark.parametrize(
    ("name", "words", "reason"),
    [
        ("a/b", [], "it names a file"),
        ("mine.yaml", [], "is a path"),
        ("mine", ["device=cpu"], "says where or how runs are trained"),
        ("mine", ["hydra/launcher=ray"], "says where or how runs are trained"),
        ("mine", ["study=other"], "study=other is no ready study"),
        ("mine", ["study=nowhere.yaml"], "cannot be read"),
        ("mine", ["p=2"], "p=2"),
    ],
)
def test_what_cannot_be_registered_gets_a_sentence(
    name: str, words: list[str], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        compose_study(name, [*WORDS, *words], None)


def test_a_study_can_only_be_registered_before_its_runs_end(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 0.5, "regulariser=none", "model.width=8", "seed=1")
    with pytest.raises(ConfigError, match=r"1 of the 12 runs of mine has ended in .*none-p0-s1-"):
        register(tmp_path)
    assert read_registration(tmp_path, "mine") is None


def test_a_run_that_has_ended_and_was_removed_has_ended(tmp_path: Path) -> None:
    run_id = compose_study("mine", WORDS, 6).configs[0].run_id
    record_request(tmp_path, None, [run_id], Purpose.SWEEP)
    record_end(tmp_path, run_id)
    with pytest.raises(ConfigError, match="has ended"):
        register(tmp_path)


@pytest.mark.parametrize(
    ("words", "question", "reason"),
    [
        (["regulariser=none"], NO_QUESTION, "no row to be tested: it needs a regulariser"),
        (["regulariser=dropout2d"], NO_QUESTION, "regulariser=none,dropout2d p=0.3"),
        (["seed=range(200,204)"], NO_QUESTION, r"6 or more.*'seed=range\(200,208\)'"),
        (["seed=5,9"], NO_QUESTION, "Ask for 8: seed=5,9,10,11,12,13,14,15$"),
        (["seed=range(5)"], NO_QUESTION, r"'seed=range\(8\)'"),
        (["p=0.3,0.5", "seed=range(6)"], StudyQuestion(test=TestChoice.ANYTIME), "needs 7 or more"),
        (["p=0.3,0.5", "seed=range(6)"], StudyQuestion(correction=Correction.HOLM), "needs 7"),
        (["seed=range(5)"], StudyQuestion(margin=0.1), "any verdict needs 6 or more"),
        (["seed=range(8)"], StudyQuestion(at=EpochChoice.MATCHED), "--at matched cannot be"),
    ],
)
def test_what_can_have_no_verdict_is_not_registered(
    words: list[str], question: StudyQuestion, reason: str, tmp_path: Path
) -> None:
    request = compose_study("mine", [*WORDS, *words], None)
    with pytest.raises(ConfigError, match=reason):
        register_study(request, question, tmp_path)
    assert read_registration(tmp_path, "mine") is None


def test_a_registered_study_is_replaced_until_its_runs_start(tmp_path: Path) -> None:
    file = register(tmp_path)
    first = file.read_text()
    registration, replaced = register_study(
        compose_study("mine", WORDS, 8), StudyQuestion(margin=0.1), tmp_path
    )
    assert replaced == file.with_name("mine.registered.1.yaml")
    assert replaced.read_text() == first
    assert read_registration(tmp_path, "mine") == registration
    ledger = read_ledger(tmp_path)
    numbers = {request.number for each in registration.run_ids if (request := ledger.asked(each))}
    assert len(numbers) == 1  # all runs belong to the new one, those of the old one too
    assert set(ledger.requests) == set(registration.run_ids)
    write_finished_run(tmp_path, 0.5, "regulariser=none", "model.width=8", "seed=1")
    with pytest.raises(ConfigError, match="has ended"):
        register(tmp_path)


def test_a_ready_study_is_registered_anew_from_the_ready_one(tmp_path: Path) -> None:
    place = f"runs_dir={tmp_path}"
    ready = compose_study("quick", [place], None)
    register_study(compose_study("quick", [place, "p=0.1"], None), ready.question, tmp_path)
    assert compose_study("quick", [place], None).configs == ready.configs


# --- the file on another machine ---------------------------------------------------------------


def test_a_sent_file_is_registered_where_it_is_trained(tmp_path: Path) -> None:
    file = register(tmp_path / "here")
    there = tmp_path / "there"
    there.mkdir()
    request = compose_sweep([f"study={file}", f"runs_dir={there}"])
    assert adopt_registration(request, there, dry_run=True) == []
    assert read_registration(there, "mine") is None
    assert adopt_registration(request, there, dry_run=False) == []
    assert get_registered_path(there, "mine").read_text() == file.read_text()
    assert adopt_registration(request, there, dry_run=False) == []  # again, as after a stop


def test_a_sent_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    file = register(tmp_path)
    file.write_text(file.read_text().replace("p: '0.3'", "p: '0.4'"))
    request = compose_sweep([f"study={file}"])
    with pytest.raises(ConfigError, match="was changed after it was registered"):
        adopt_registration(request, tmp_path, dry_run=True)


def test_two_registered_studies_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    file = register(tmp_path / "here")
    register(tmp_path / "there", "mine", "p=0.5")
    request = compose_sweep([f"study={file}"])
    with pytest.raises(ConfigError, match="has another registered study mine"):
        adopt_registration(request, tmp_path / "there", dry_run=False)


def test_a_file_that_comes_after_its_runs_is_no_registration(tmp_path: Path) -> None:
    file = register(tmp_path / "here")
    there = tmp_path / "there"
    write_finished_run(there, 0.5, "regulariser=none", "model.width=8", "seed=1")
    (warning,) = adopt_registration(compose_sweep([f"study={file}"]), there, dry_run=False)
    assert "1 of the registered runs had ended" in warning
    assert "mine is not registered there" in warning
    assert read_registration(there, "mine") is None


def test_a_sweep_of_other_runs_than_registered_is_warned_of(tmp_path: Path) -> None:
    file = register(tmp_path)
    request = compose_sweep([f"study={file}", "seed=5,6"])
    (warning,) = adopt_registration(request, tmp_path, dry_run=False)
    assert "10 of its 12 runs are missing, 2 runs added" in warning


def test_other_studies_have_nothing_to_keep(tmp_path: Path) -> None:
    assert adopt_registration(compose_sweep(["study=quick"]), tmp_path, dry_run=False) == []
    assert not (tmp_path / ".studies").exists()
