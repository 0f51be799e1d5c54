"""Whether a comparison answers the registered question, and which question a study states."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import find_runs
from dropexp.compare.question import Question
from dropexp.compare.rules import TestKind
from dropexp.compare.stated_question import NO_OPTIONS, QuestionOptions, ask, spell_stated
from dropexp.errors import UserError
from dropexp.runs.ledger import LEDGER, Purpose, record_end, record_request
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.registration import Registration, save_registration, seal
from dropexp.runs.studies import Study, save_study
from dropexp.runs.study_question import StudyQuestion
from dropexp.statistics import Verdict
from tests.run_folders import DROPOUT, NONE, compare_folder, write_finished_run, write_study

QUESTION = StudyQuestion("test_loss", EpochChoice.BEST, None, TestChoice.AUTO, Correction.MAX_T)
LOSSES = {NONE: [0.9, 0.8, 0.9], DROPOUT: [0.7, 0.7, 0.6]}


def register(runs: Path, **changes: object) -> None:
    """Register the runs that the folder holds."""
    found = find_runs([], runs).list_runs()
    registration = Registration(
        name="mine",
        on="2026-11-26",
        commit="1234567890",
        version="0.1.0",
        question=QUESTION,
        params={"seed": "range(3)"},
        seeds=(0, 1, 2),
        run_ids=tuple(sorted(run.listed.run_id for run in found)),
    )
    save_registration(runs, seal(replace(registration, **changes)))  # type: ignore[arg-type]


def find_sentence(runs: Path, *arguments: str, **question: object) -> str:
    sentences = compare_folder(runs, *arguments, **question).sentences
    found = [each for each in sentences if "the study mine" in each]
    assert len(found) <= 1
    return found[0] if found else ""


def test_the_registered_question_is_said_to_be_it(tmp_path: Path) -> None:
    write_study(tmp_path, LOSSES)
    assert find_sentence(tmp_path) == ""
    register(tmp_path)
    assert find_sentence(tmp_path) == (
        "This is the study mine as registered on 2026-11-26 (commit 1234567)."
    )


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"metric": METRIC_REGISTRY["test_acc"]}, "metric test_acc and not test_loss"),
        ({"at": EpochChoice.LAST}, "at last and not best"),
        ({"margin": 0.01}, "margin 0.01 and not none"),
        ({"test": TestChoice.ANYTIME}, "test anytime and not auto"),
        ({"correction": Correction.HOLM}, "correction holm and not max-t"),
        ({"baseline": "dropout2d p=0.3"}, "--baseline dropout2d p=0.3"),
    ],
)
def test_another_question_is_said_to_differ(
    tmp_path: Path, question: dict[str, object], words: str
) -> None:
    write_study(tmp_path, LOSSES)
    register(tmp_path)
    sentence = find_sentence(tmp_path, **question)
    assert sentence == (
        f"This differs from the study mine registered on 2026-11-26 (commit 1234567): {words}."
    )


def test_runs_that_were_added_or_are_missing_are_said(tmp_path: Path) -> None:
    write_study(tmp_path, LOSSES)
    register(tmp_path)
    assert "seed 2 missing" in find_sentence(tmp_path, "seed=0,1")
    assert "seeds 1 and 2 missing" in find_sentence(tmp_path, "seed=0")
    assert "3 runs" not in find_sentence(tmp_path, "seed=0")
    for setting in (NONE, DROPOUT):
        write_finished_run(tmp_path, 0.6, *setting.split(), "seed=3")
    assert find_sentence(tmp_path).endswith(": seed 3 added.")
    for seed in range(3):
        write_finished_run(tmp_path, 0.6, "regulariser=dropout", "p=0.3", f"seed={seed}")
    assert "setting dropout p=0.3 added; seed 3 added" in find_sentence(tmp_path)
    only = find_sentence(tmp_path, "regulariser=none", "seed=0,1,2")
    assert ": runs dropout2d-p0.3-s0-" in only
    assert only.endswith("missing.")


def test_a_changed_file_is_said(tmp_path: Path) -> None:
    write_study(tmp_path, LOSSES)
    register(tmp_path)
    path = tmp_path / ".studies" / "mine.registered.yaml"
    path.write_text(path.read_text().replace("at: best", "at: last"))
    sentence = find_sentence(tmp_path, at=EpochChoice.LAST)
    assert "the file of mine was changed after it was registered" in sentence


def test_a_damaged_file_is_said_and_the_table_is_made(tmp_path: Path) -> None:
    write_study(tmp_path, LOSSES)
    register(tmp_path)
    (tmp_path / ".studies" / "mine.registered.yaml").write_text("registered: {}")
    comparison = compare_folder(tmp_path)
    assert len(comparison.rows) == 2
    assert comparison.sentences[-1].startswith("The registered study mine cannot be read: ")


def test_runs_of_no_registered_study_are_not_spoken_of(tmp_path: Path) -> None:
    write_study(tmp_path, LOSSES)
    register(tmp_path, run_ids=("none-p0-s7-00000000",))
    assert find_sentence(tmp_path) == ""


# --- the question that a study states ----------------------------------------------------------


@pytest.fixture
def stated(tmp_path: Path) -> Path:
    question = StudyQuestion("test_acc", EpochChoice.LAST, 0.02, TestChoice.ANYTIME, None)
    save_study(tmp_path, Study("mine", (), (), (), question))
    return tmp_path


def test_a_study_states_the_question_of_its_comparison(stated: Path) -> None:
    question = ask(["study=mine"], stated, QuestionOptions())
    assert question.metric is METRIC_REGISTRY["test_acc"]
    assert (question.at, question.margin) == (EpochChoice.LAST, 0.02)
    assert (question.test, question.correction) == (TestChoice.ANYTIME, Correction.MAX_T)
    assert question.stated == (
        "The study mine asks for metric test_acc, the last epoch, margin 0.02, the anytime "
        "test; options such as --at replace that."
    )
    assert ask([str(stated), "study=mine"], Path("elsewhere"), QuestionOptions()) == question


@pytest.mark.parametrize(
    "arguments", [[], ["p=0.3"], ["study=other"], ["study=mine,other"], ["study=mine", "study=x"]]
)
def test_without_the_one_study_the_question_is_the_default(
    stated: Path, arguments: list[str]
) -> None:
    assert ask(arguments, stated, QuestionOptions()) == Question()


def test_options_come_before_what_a_study_states(stated: Path) -> None:
    options = QuestionOptions(
        at=EpochChoice.BEST, test=TestChoice.PLANNED, margin=0.5, correction=Correction.HOLM
    )
    question = ask(["study=mine"], stated, options)
    assert (question.at, question.test) == (EpochChoice.BEST, TestChoice.PLANNED)
    assert (question.margin, question.correction) == (0.5, Correction.HOLM)
    assert question.stated.startswith("The study mine asks for metric test_acc; ")
    assert "The margin was given after results were seen" in question.stated
    same = ask(["study=mine"], stated, QuestionOptions(margin=0.02))
    assert "after results were seen" not in same.stated


def test_the_stated_question_can_be_asked_where_the_file_is_missing(
    stated: Path, tmp_path: Path
) -> None:
    given = QuestionOptions(test=TestChoice.PLANNED)
    options = spell_stated(ask(["study=mine"], stated, given), given)
    assert options == ["--metric", "test_acc", "--at", "last", "--margin", "0.02"]
    assert spell_stated(ask(["study=other"], stated, NO_OPTIONS), NO_OPTIONS) == []


def test_a_margin_belongs_to_its_metric(stated: Path) -> None:
    options = QuestionOptions(metric=METRIC_REGISTRY["test_loss"])
    question = ask(["study=mine"], stated, options)
    assert (question.margin, question.at) == (None, EpochChoice.LAST)


def test_an_epoch_at_which_the_metric_is_unknown_is_not_taken_over(stated: Path) -> None:
    options = QuestionOptions(metric=METRIC_REGISTRY["mc_test_loss"])
    assert ask(["study=mine"], stated, options).at is EpochChoice.BEST
    matched = ask(["study=mine"], stated, QuestionOptions(at=EpochChoice.MATCHED))
    assert (matched.metric, matched.margin) == (None, None)
    with pytest.raises(UserError, match="mc_test_loss cannot be used with --at last"):
        ask([], stated, replace(options, at=EpochChoice.LAST))


# --- the family of a registered study ----------------------------------------------------------


@pytest.fixture
def two_studies(tmp_path: Path) -> Path:
    """A swept study with two regularisers on seeds 0 to 6, then one with one, on 100 to 106."""
    strong = "regulariser=dropout2d p=0.5"
    asked: list[tuple[str, Purpose, list[str]]] = []
    for name, purpose, first, settings in (
        ("first", Purpose.SWEEP, 0, (NONE, DROPOUT, strong)),
        ("second", Purpose.REGISTERED, 100, (NONE, DROPOUT)),
    ):
        run_ids = []
        for place, setting in enumerate(settings):
            for seed in range(first, first + 7):
                loss = 0.9 - 0.1 * place - 0.001 * seed**2 % 0.07
                words = (*setting.split(), f"seed={seed}", f"study={name}")
                run_ids.append(write_finished_run(tmp_path, loss, *words).run_id)
        asked.append((name, purpose, run_ids))
    (tmp_path / LEDGER).unlink()
    for name, purpose, run_ids in asked:
        record_request(tmp_path, name, run_ids, purpose)
        for run_id in run_ids:
            record_end(tmp_path, run_id)
    return tmp_path


def test_a_registered_study_is_a_family_of_its_own(two_studies: Path) -> None:
    comparison = compare_folder(two_studies, "study=second")
    assert comparison.test.kind is TestKind.PLANNED
    assert comparison.tests == 1
    row = next(row for row in comparison.rows if row.baseline is not None)
    assert [pair.seed for pair in row.pairs] == list(range(100, 107))
    assert row.verdict is Verdict.BETTER
    assert comparison.left_out == (
        "7 runs of these settings on other seeds are no part of the registered study.",
    )


def test_a_part_of_a_registered_study_is_a_filter(two_studies: Path) -> None:
    comparison = compare_folder(two_studies, "study=second", "seed<106")
    assert comparison.test.kind is TestKind.ANYTIME
    assert "a filter leaves out" in comparison.test.reason


def test_other_runs_beside_a_registered_study_end_its_plan(two_studies: Path) -> None:
    comparison = compare_folder(two_studies)
    assert comparison.test.kind is TestKind.ANYTIME
    assert comparison.tests == 2


def test_fresh_seeds_that_were_not_registered_are_no_family_of_their_own(
    two_studies: Path,
) -> None:
    path = two_studies / LEDGER
    path.write_text(path.read_text().replace("registered", "sweep"))
    assert compare_folder(two_studies, "study=second").test.kind is TestKind.ANYTIME
