"""Which test speaks, which seeds and rows it counts: what the ledger and the filters allow."""

from pathlib import Path

import pytest

from dropexp.compare.decisions import decide
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.compare.rules import Rule, TestKind
from dropexp.config.compose import compose_run
from dropexp.errors import UserError
from dropexp.runs.ledger import LEDGER, Purpose, read_ledger
from dropexp.runs.question_types import TestChoice
from dropexp.statistics import Verdict
from dropexp.training.run import run
from tests.builders import RecordingView
from tests.compare.asking import ROW, SWEEP, Asking, get_row
from tests.run_folders import compare_folder


def test_a_sweep_that_was_asked_for_at_once_is_planned(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")

    comparison = compare_folder(tmp_path)

    assert get_row(comparison) == (TestKind.PLANNED, Verdict.BETTER, 8)
    assert comparison.row(ROW).adjusted_p == 2 / 2**8
    assert "every run was asked for before the first of them had ended" in comparison.test.reason


def test_seeds_that_are_added_later_make_it_anytime(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    ask(*SWEEP, "seed=range(10)")

    comparison = compare_folder(tmp_path)

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.BETTER, 10)
    assert "4 runs were asked for after others had ended" in comparison.test.reason
    assert comparison.row(ROW).evidence_needed == 20


def test_a_part_of_what_was_asked_for_is_anytime_until_all_have_ended(
    ask: Asking, tmp_path: Path
) -> None:
    ids = ask(*SWEEP, "seed=range(8)", ends=False)
    ask(*SWEEP, "seed=range(8)", leave=ids[-2:])
    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.BETTER, 7)
    assert "2 runs were asked for and lack results" in compare_folder(tmp_path).test.reason

    ask(*SWEEP, "seed=range(8)")

    assert get_row(compare_folder(tmp_path)) == (TestKind.PLANNED, Verdict.BETTER, 8)


@pytest.mark.parametrize(
    ("purpose", "reason"),
    [(Purpose.SEQUENTIAL, "until rows were decided"), (Purpose.CONFIRMATION, "confirm")],
)
def test_seeds_that_answer_to_results_are_never_planned(
    ask: Asking, tmp_path: Path, purpose: Purpose, reason: str
) -> None:
    ask(*SWEEP, "seed=range(8)", purpose=purpose)

    comparison = compare_folder(tmp_path)

    assert comparison.test.kind is TestKind.ANYTIME
    assert reason in comparison.test.reason


def test_a_registered_study_is_planned(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)", purpose=Purpose.REGISTERED, ends=False)
    ask(*SWEEP, "seed=range(8)")

    assert get_row(compare_folder(tmp_path))[0] is TestKind.PLANNED


def test_a_folder_without_a_ledger_is_anytime(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    (tmp_path / LEDGER).unlink()

    comparison = compare_folder(tmp_path)

    assert comparison.test.kind is TestKind.ANYTIME
    assert "nothing records when 16 runs were asked for" in comparison.test.reason


def test_runs_of_two_folders_are_anytime(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    other = tmp_path / "other"
    other.mkdir()
    for moved in compare_folder(tmp_path).row(ROW).setting.runs[6:]:
        (tmp_path / moved.run_id).rename(other / moved.run_id)
    for line in (tmp_path / LEDGER).read_text().splitlines(keepends=True):
        with (other / LEDGER).open("a") as file:
            file.write(line)

    comparison = compare_folder(tmp_path, str(tmp_path), str(other))

    assert comparison.test.kind is TestKind.ANYTIME


def test_what_a_search_tried_is_not_tested(ask: Asking, tmp_path: Path) -> None:
    ask("regulariser=none,dropout2d", "p=0.3,0.5", "seed=range(8)", purpose=Purpose.SEARCH)
    assert [each.verdict for each in compare_folder(tmp_path).rows] == [
        None,
        Verdict.EXPLORATION,
        Verdict.EXPLORATION,
    ]
    ask(*SWEEP, "seed=range(100,108)", purpose=Purpose.CONFIRMATION)

    comparison = compare_folder(tmp_path)

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.BETTER, 8)
    assert [pair.seed for pair in comparison.row(ROW).pairs] == list(range(100, 108))
    assert comparison.tests == 1
    assert comparison.row("dropout2d p=0.5").verdict is Verdict.EXPLORATION
    assert any("exploration" in sentence for sentence in comparison.sentences)


def test_a_test_that_was_asked_for_says_what_speaks_against_it(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    assert compare_folder(tmp_path, test=TestChoice.ANYTIME).test.kind is TestKind.ANYTIME
    ask(*SWEEP, "seed=range(10)")

    forced = compare_folder(tmp_path, test=TestChoice.PLANNED)

    assert (forced.test.kind, len(forced.row(ROW).pairs)) == (TestKind.PLANNED, 10)
    assert "although 4 runs were asked for after others had ended" in forced.test.reason
    assert "its error rate does not hold" in forced.test.reason


def test_a_margin_makes_small_differences_practically_equal(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")

    assert get_row(compare_folder(tmp_path, margin=1.0))[1] is Verdict.PRACTICALLY_EQUAL
    assert get_row(compare_folder(tmp_path, margin=0.1))[1] is Verdict.BETTER
    with pytest.raises(UserError, match="--margin -1"):
        compare_folder(tmp_path, margin=-1.0)


def test_the_real_ledger_of_a_trained_run_has_its_request_and_its_end(tmp_path: Path) -> None:
    config = compose_run(["data.train_size=50", "train.epochs=1", f"runs_dir={tmp_path}"])
    run(config, RecordingView())

    ledger = read_ledger(tmp_path)
    request, end = ledger.asked(config.run_id), ledger.ended(config.run_id)
    assert request is not None
    assert end is not None
    assert request.number < end


def test_a_verdict_has_the_direction_of_its_evidence() -> None:
    differences = [-0.1, -0.11, -0.09, -0.1, -0.12, -0.1, -0.11, -0.1, 2.0]
    pairs = tuple(Pair(seed, 0.0, each) for seed, each in enumerate(differences))

    [decision] = decide({"row": PairedComparison(pairs, 1)}, Rule(TestKind.ANYTIME)).values()

    assert decision.difference.value > 0
    assert decision.verdict is Verdict.BETTER
