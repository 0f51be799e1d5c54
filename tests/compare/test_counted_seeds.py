"""Which seeds a test counts: the first ones, whatever was filtered, removed or chosen since."""

import json
from collections.abc import Sequence
from pathlib import Path

from dropexp.compare import FoundRuns, Question, compare
from dropexp.compare.data_files import format_csv, format_json
from dropexp.compare.notes import describe_verdict
from dropexp.compare.results import Comparison
from dropexp.compare.rules import TestKind
from dropexp.config.compose import compose_run
from dropexp.report.answer import answer
from dropexp.runs.files import SUMMARY
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.removal import remove_run
from dropexp.runs.write import RunFolder
from dropexp.statistics import Verdict
from tests.compare.asking import ROW, SWEEP, Asking, get_row, name_setting, write_ended
from tests.compare.test_mc_dropout import make_measured
from tests.run_folders import compare_folder, write_unfinished_run


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
    folder = write_unfinished_run(tmp_path / "elsewhere", *name_setting("dropout2d", 0.3), "seed=4")
    folder.path.rename(tmp_path / failed)
    RunFolder(tmp_path, failed).write("error.txt", "out of memory\n")

    assert get_row(compare_folder(tmp_path)) == (TestKind.PLANNED, Verdict.BETTER, 8)


def test_seeds_count_in_the_order_in_which_they_were_asked_for(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=10,11,12,13")
    ask(*SWEEP, "seed=0,1,2,3")

    seeds = [pair.seed for pair in compare_folder(tmp_path).row(ROW).pairs]

    assert seeds == [10, 11, 12, 13, 0, 1, 2, 3]


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


def test_a_seed_trained_again_without_its_audit_is_missing(ask: Asking, tmp_path: Path) -> None:
    ask(*SWEEP, "seed=range(8)")
    [forced] = [r for r in compare_folder(tmp_path).row(ROW).setting.runs if r.seed == 3]
    path = tmp_path / forced.run_id / SUMMARY
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, "audit": "skipped"}))

    assert get_row(compare_folder(tmp_path)) == (TestKind.ANYTIME, Verdict.TOO_FEW_SEEDS, 3)


def test_a_removed_run_outside_studies_is_missing(tmp_path: Path) -> None:
    for seed in range(10):
        for words in (["regulariser=none"], name_setting("dropout2d", 0.3)):
            run_id = compose_run([*words, f"seed={seed}"]).run_id
            record_request(tmp_path, None, [run_id], Purpose.SWEEP)
            loss = 1.0 + seed / 50 - (0.3 + seed / 90) * (len(words) - 1)
            write_ended(tmp_path, run_id, loss, [*words, f"seed={seed}"])
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
    comparison = compare(FoundRuns.of(runs), Question(metric=METRIC_REGISTRY["mc_test_loss"]))

    assert comparison.test.kind is TestKind.ANYTIME
    assert "lack the metric" in comparison.test.reason
    assert comparison.row(ROW).pairs == ()
