"""Which rows a test counts where several studies share settings."""

from pathlib import Path

from dropexp.compare.rules import TestKind
from dropexp.runs.question_types import Correction
from dropexp.statistics import Verdict
from tests.compare.asking import ROW, SWEEP, Asking, get_row
from tests.run_folders import compare_folder


def test_the_family_is_the_whole_study_whatever_a_filter_shows(ask: Asking, tmp_path: Path) -> None:
    ask("regulariser=none,dropout2d", "p=0.1,0.3,0.5,0.7", "seed=range(8)")
    whole = compare_folder(tmp_path, correction=Correction.HOLM)

    part = compare_folder(tmp_path, "p=0,0.3", correction=Correction.HOLM)

    assert [each.setting.name for each in part.rows] == ["none", ROW]
    assert whole.tests == part.tests == 4
    assert part.row(ROW).adjusted_p == whole.row(ROW).adjusted_p == 4 * 2 / 2**8
    assert part.test.kind is TestKind.PLANNED
    by_id = [run.run_id for each in part.rows for run in each.setting.runs]
    assert compare_folder(tmp_path, *by_id, correction=Correction.HOLM).tests == 4


def test_a_smaller_study_that_reuses_runs_keeps_the_first_studys_rows(
    ask: Asking, tmp_path: Path
) -> None:
    ask("regulariser=none,dropout2d", "p=0.1,0.3,0.5", "seed=range(8)")
    ask(*SWEEP, "seed=range(8)", study="picked")

    assert compare_folder(tmp_path, "study=picked").tests == 3


def test_a_later_and_larger_study_does_not_change_an_earlier_one(
    ask: Asking, tmp_path: Path
) -> None:
    ask(*SWEEP, "seed=range(8)")
    ask("regulariser=none,dropout2d", "p=0.1,0.3,0.5", "seed=range(8)", study="larger")

    first = compare_folder(tmp_path, "study=first")
    larger = compare_folder(tmp_path, "study=larger")

    assert (first.tests, first.test.kind) == (1, TestKind.PLANNED)
    assert (larger.tests, larger.test.kind) == (3, TestKind.ANYTIME)


def test_rows_of_another_study_that_lack_results_do_not_count_for_a_shared_setting(
    ask: Asking, tmp_path: Path
) -> None:
    """Its seeds of the shared setting count; what else it asked for is not the first study's."""
    ask(*SWEEP, "seed=range(8)")
    ask("regulariser=none,dropout2d,dropout", "p=0.3", "seed=20", study="other", ends=False)
    other = ask(*SWEEP, "seed=20", study="other")

    comparison = compare_folder(tmp_path, "study=first")

    assert {path.name for path in tmp_path.iterdir()} >= set(other)
    assert comparison.tests == 1


def test_other_seeds_of_a_shared_baseline_do_not_matter(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    ask("regulariser=none", "seed=range(20)", study="more")

    assert get_row(compare_folder(tmp_path, "study=first")) == (TestKind.PLANNED, Verdict.BETTER, 8)


def test_a_later_study_of_other_seeds_leaves_the_earlier_verdict_and_gets_none_of_its_own(
    ask: Asking, tmp_path: Path
) -> None:
    ask(*SWEEP, "seed=range(8)")
    ask(*SWEEP, "seed=range(8,16)", study="again")

    first = compare_folder(tmp_path, "study=first")
    again = compare_folder(tmp_path, "study=again")
    together = compare_folder(tmp_path)

    assert get_row(first) == (TestKind.PLANNED, Verdict.BETTER, 8)
    assert get_row(again) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)
    assert get_row(together) == (TestKind.ANYTIME, Verdict.BETTER, 16)


def test_runs_of_another_study_that_a_filter_hides_do_not_lack_results(
    ask: Asking, tmp_path: Path
) -> None:
    sweep = ("regulariser=none,dropout2d", "p=0.1,0.3")
    ask(*sweep, "seed=range(8)")
    ask(*sweep, "seed=range(8,16)", study="again")

    reason = compare_folder(tmp_path, "study=first", "p=0.3").test.reason

    assert "a filter leaves out 8 runs that other studies asked for" in reason


def test_a_few_seeds_that_gave_the_idea_are_left_out_of_the_study_that_tests_it(
    ask: Asking, tmp_path: Path
) -> None:
    ask(*SWEEP, "seed=range(5)", study="idea")
    ask(*SWEEP, "seed=range(5,13)")

    comparison = compare_folder(tmp_path, "study=first")

    assert get_row(comparison) == (TestKind.PLANNED, Verdict.BETTER, 8)
    assert any("5 pairs of these settings on seeds outside" in s for s in comparison.sentences)
    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.BETTER, 13)
    # A filter on seeds of the study itself stays one.
    assert compare_folder(tmp_path, "study=first", "seed<12").test.kind is TestKind.ANYTIME


def test_seeds_of_studies_that_ran_at_the_same_time_are_no_pilot(
    ask: Asking, tmp_path: Path
) -> None:
    for seed in range(9):
        ask(*SWEEP, f"seed={seed}", study=f"s{seed}", ends=False)
    for seed in range(9):
        ask(*SWEEP, f"seed={seed}", study=f"s{seed}")

    chosen = ",".join(f"s{seed}" for seed in range(9) if seed != 1)
    comparison = compare_folder(tmp_path, f"study={chosen}")

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 1)


def test_with_a_margin_a_few_earlier_seeds_are_left_out_too(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(4)", study="idea")
    ask(*SWEEP, "seed=range(4,12)")

    comparison = compare_folder(tmp_path, "study=first", margin=1.0)

    assert get_row(comparison) == (TestKind.PLANNED, Verdict.PRACTICALLY_EQUAL, 8)
