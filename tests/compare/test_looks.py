"""Which test speaks, which seeds and rows it counts: what the ledger and the filters allow."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dropexp.compare import FoundRuns, Question, compare
from dropexp.compare.data_files import format_csv, format_json
from dropexp.compare.decisions import decide
from dropexp.compare.notes import describe_verdict
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Comparison, Pair
from dropexp.compare.rules import Rule, TestKind
from dropexp.config.compose import compose_run
from dropexp.errors import UserError
from dropexp.report.answer import answer
from dropexp.runs.files import SUMMARY
from dropexp.runs.ledger import LEDGER, Purpose, read_ledger, record_end, record_request
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.question_types import Correction, TestChoice
from dropexp.runs.removal import remove_run
from dropexp.runs.studies import save_study
from dropexp.runs.write import RunFolder
from dropexp.statistics import Verdict
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_study
from dropexp.training.run import run
from tests.builders import RecordingView
from tests.compare.test_mc_dropout import make_measured
from tests.run_folders import compare_folder, write_finished_run, write_unfinished_run

Asking = Callable[..., list[str]]
ROW = "dropout2d p=0.3"


@pytest.fixture
def ask(tmp_path: Path) -> Asking:
    """Ask for the runs of a sweep and end them: ``better`` by 0.3 nats in every seed."""

    def ask(
        *overrides: str,
        study: str = "first",
        purpose: Purpose = Purpose.SWEEP,
        ends: bool = True,
        leave: Sequence[str] = (),
    ) -> list[str]:
        request = compose_sweep([*overrides, f"study={study}"])
        save_study(tmp_path, make_study(request))
        ids = [config.run_id for config in request.configs]
        record_request(tmp_path, study, ids, purpose)
        for config in request.configs if ends else ():
            if config.run_id in leave or (tmp_path / config.run_id).exists():
                continue
            loss = 1.0 + config.seed / 50 - (0.3 + config.seed / 90) * bool(config.regulariser.p)
            _write(
                tmp_path,
                config.run_id,
                loss,
                [
                    *_words(config.regulariser.name, config.regulariser.p),
                    f"seed={config.seed}",
                    f"study={study}",
                ],
            )
        return ids

    return ask


def _words(name: str, p: float) -> list[str]:
    return [f"regulariser={name}"] + ([f"p={p}"] if p else [])


def _write(runs: Path, run_id: str, loss: float, overrides: list[str]) -> None:
    before = (runs / LEDGER).read_bytes()
    folder = write_finished_run(runs, loss, *overrides)
    assert folder.run_id == run_id
    setting = read_ledger(runs).setting_of(run_id)
    (runs / LEDGER).write_bytes(before)  # the helper's own ledger is another
    record_end(runs, run_id, setting)


def get_row(comparison: Comparison, name: str = ROW) -> tuple[TestKind, Verdict | None, int]:
    """Return the test, the verdict of a row and its number of pairs."""
    found = comparison.row(name)
    return comparison.test.kind, found.verdict, len(found.pairs)


SWEEP = ("regulariser=none,dropout2d", "p=0.3")


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


def test_a_filter_on_seeds_counts_the_first_ones_only(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(12)")

    first = compare_folder(tmp_path, "seed<7")
    later = compare_folder(tmp_path, "seed>=4")

    assert get_row(first) == (TestKind.ANYTIME, Verdict.BETTER, 7)
    assert "a filter leaves out 5 seeds" in first.test.reason
    assert get_row(later) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)
    assert later.row(ROW).uncounted == 8
    assert later.row(ROW).seeds_outside == 4
    nothing = later.sentences[1]
    assert nothing.startswith("Nothing is tested: 8 pairs are not counted: ")
    assert "results on 4 other seeds, asked for earlier, outside this table" in nothing
    assert "dropexp study register" in nothing
    assert describe_verdict(later, later.row(ROW)) == "not counted"
    assert "not counted" in format_csv(later)
    assert '"verdict": "not counted"' in format_json(later)
    assert "too few seeds" not in format_csv(later)
    assert (
        answer(later)[1] == f"No setting is tested. {nothing.removeprefix('Nothing is tested: ')}"
    )


def test_a_filter_on_results_counts_nothing_after_the_first_seed_it_leaves_out(
    ask: Asking, tmp_path: Path
) -> None:
    ask(*SWEEP, "seed=range(12)")

    comparison = compare_folder(tmp_path, "test_loss!=0.7")  # the best seed of the row

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)


def test_a_removed_seed_ends_what_the_test_counts(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    removed = compare_folder(tmp_path).row(ROW).setting.completed[6]
    assert remove_run(RunFolder(tmp_path, removed.run_id)) == ""

    comparison = compare_folder(tmp_path)

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.BETTER, 6)
    assert comparison.row(ROW).uncounted == 1
    (method,) = [text for text in comparison.sentences if "not counted" in text]
    assert "1 pair is not counted" in method
    assert "With all runs trained, they count." in method
    assert f"Means are over n runs, the test is over pairs: {ROW} (6 pairs, n = 7)." in method


def test_a_removed_row_still_counts_in_the_correction(ask: Asking, tmp_path: Path) -> None:
    ask("regulariser=none,dropout2d", "p=0.3,0.5", "seed=range(8)")
    for removed in compare_folder(tmp_path).row("dropout2d p=0.5").setting.completed:
        assert remove_run(RunFolder(tmp_path, removed.run_id)) == ""

    comparison = compare_folder(tmp_path)

    assert (comparison.test.kind, comparison.tests) == (TestKind.ANYTIME, 2)
    assert comparison.row(ROW).evidence_needed == 40


def test_a_failed_run_is_skipped(ask: Asking, tmp_path: Path) -> None:
    ids = ask(*SWEEP, "seed=range(9)", ends=False)
    failed = next(run_id for run_id in ids if run_id.startswith("dropout2d-p0.3-s4"))
    ask(*SWEEP, "seed=range(9)", leave=[failed])
    folder = write_unfinished_run(tmp_path / "elsewhere", *_words("dropout2d", 0.3), "seed=4")
    folder.path.rename(tmp_path / failed)
    RunFolder(tmp_path, failed).write("error.txt", "out of memory\n")

    assert get_row(compare_folder(tmp_path)) == (TestKind.PLANNED, Verdict.BETTER, 8)


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


def test_seeds_count_in_the_order_in_which_they_were_asked_for(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=10,11,12,13")
    ask(*SWEEP, "seed=0,1,2,3")

    seeds = [pair.seed for pair in compare_folder(tmp_path).row(ROW).pairs]

    assert seeds == [10, 11, 12, 13, 0, 1, 2, 3]


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


# --- what seeds may not be chosen by --------------------------------------------------------------


def remove(runs: Path, comparison: Comparison, seeds: Sequence[int]) -> None:
    """Remove the runs of these seeds, of the row and of its baseline."""
    for name in ("none", ROW):
        for done in comparison.row(name).setting.runs:
            if done.seed in seeds:
                assert remove_run(RunFolder(runs, done.run_id)) == ""


def test_removing_a_study_does_not_make_the_next_one_the_first(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    remove(tmp_path, compare_folder(tmp_path), range(8))
    ask(*SWEEP, "seed=range(8,16)", study="again")

    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)


def test_removing_all_but_a_few_seeds_makes_no_pilot_of_them(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    remove(tmp_path, compare_folder(tmp_path), range(3, 8))
    ask(*SWEEP, "seed=range(8,16)", study="again")

    assert get_row(compare_folder(tmp_path, "study=again"))[1] is Verdict.TOO_FEW_SEEDS


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


def test_with_a_margin_a_few_earlier_seeds_are_not_left_out(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(4)", study="idea")
    ask(*SWEEP, "seed=range(4,12)")

    comparison = compare_folder(tmp_path, "study=first", margin=1.0)

    assert get_row(comparison) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)


def test_a_seed_trained_again_without_its_audit_is_missing(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    [forced] = [r for r in compare_folder(tmp_path).row(ROW).setting.runs if r.seed == 3]
    path = tmp_path / forced.run_id / SUMMARY
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "audit": "skipped"}))

    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 3)


def test_a_removed_run_outside_studies_is_missing(tmp_path: Path) -> None:
    for seed in range(10):
        for words in (["regulariser=none"], _words("dropout2d", 0.3)):
            run_id = compose_run([*words, f"seed={seed}"]).run_id
            record_request(tmp_path, None, [run_id], Purpose.SWEEP)
            loss = 1.0 + seed / 50 - (0.3 + seed / 90) * (len(words) - 1)
            _write(tmp_path, run_id, loss, [*words, f"seed={seed}"])
    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.BETTER, 10)
    [removed] = [r for r in compare_folder(tmp_path).row(ROW).setting.runs if r.seed == 4]
    assert remove_run(RunFolder(tmp_path, removed.run_id)) == ""

    assert len(compare_folder(tmp_path).row(ROW).pairs) == 4


def test_seeds_chosen_by_the_baselines_results_do_not_count(ask: Asking, tmp_path: Path) -> None:
    ask("regulariser=none", "seed=range(30)", study="baseline")
    ask("regulariser=dropout2d", "p=0.3", "seed=3,5,8,13,17,20,24,29", study="chosen")

    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 0)


def test_the_first_seeds_of_a_baseline_that_is_there_count(ask: Asking, tmp_path: Path) -> None:
    ask("regulariser=none", "seed=range(30)", study="baseline")
    ask("regulariser=dropout2d", "p=0.3", "seed=range(8)", study="chosen")

    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.BETTER, 8)


def test_seeds_on_which_a_metric_was_measured_by_choice_do_not_count() -> None:
    runs = [
        make_measured(name, seed, 8 if name == "none" or seed % 4 else None)
        for name in ("none", "dropout2d")
        for seed in range(12)
    ]
    comparison = compare(FoundRuns(tuple(runs)), Question(metric=METRIC_REGISTRY["mc_test_loss"]))

    assert comparison.test.kind is TestKind.ANYTIME
    assert "lack the metric" in comparison.test.reason
    assert comparison.row(ROW).pairs == ()


def test_a_verdict_has_the_direction_of_its_evidence() -> None:
    differences = [-0.1, -0.11, -0.09, -0.1, -0.12, -0.1, -0.11, -0.1, 2.0]
    pairs = tuple(Pair(seed, 0.0, each) for seed, each in enumerate(differences))

    [decision] = decide({"row": PairedComparison(pairs, 1)}, Rule(TestKind.ANYTIME)).values()

    assert decision.difference.value > 0
    assert decision.verdict is Verdict.BETTER
