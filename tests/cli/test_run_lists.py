from pathlib import Path

from dropexp.cli.run_lists import LIST_COLUMNS, format_removals, format_run_list
from dropexp.runs.files import SUMMARY
from dropexp.runs.listing import list_runs
from tests.run_folders import mark_diverged, write_finished_run, write_unfinished_run


def test_at_80_columns_the_losses_have_room_and_the_rest_is_named(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 0.9)
    write_finished_run(tmp_path, 0.7, "regulariser=dropout2d", "p=0.1")
    write_finished_run(tmp_path, 0.8, "optimiser=sgd", change=mark_diverged)
    lines = [str(line) for line in format_run_list(list_runs(tmp_path), 80)]
    assert lines[1].split()[:6] == ["run", "status", "epochs", "loss", "loss", "acc"]
    assert max(map(len, lines)) <= 80
    assert lines[5].startswith("no room for: ")
    assert lines[7] == "2 finished, 1 diverged"


def test_a_file_gets_every_column(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 0.9)
    lines = [str(line) for line in format_run_list(list_runs(tmp_path), None)]
    assert lines[1].split()[-2:] == ["seconds", "changed"]
    assert not any("no room" in line for line in lines)


def test_what_is_to_be_removed_is_shown_with_its_size_and_what_chose_it(tmp_path: Path) -> None:
    runs = [run for seed in range(2) if (run := write_finished_run(tmp_path, 0.9, f"seed={seed}"))]
    (first, second) = list_runs(tmp_path)
    sizes = {runs[0].run_id: 999, runs[1].run_id: 123_456}
    reasons = {runs[0].run_id: "status=finished", runs[1].run_id: "none-p0-s1"}
    lines = [line.plain for line in format_removals([first, second], sizes, reasons)]
    assert [line.split()[:2] for line in lines] == [
        [run.run_id, "finished"] for run in (first, second)
    ]
    assert [line.rsplit("  ", 2)[1].strip() for line in lines] == ["999 B", "123 kB"]
    assert lines[0].endswith("chosen by status=finished")
    assert lines[1].endswith("chosen by none-p0-s1")
    reasons[runs[0].run_id] = "status=interrupted changed<2026-01-31"
    lines = [line.plain for line in format_removals([first, second], sizes, reasons, 70)]
    assert lines[0].endswith("999 B")
    assert lines[1] == f"    chosen by {reasons[runs[0].run_id]}"


def test_results_are_explained_only_where_they_are_shown(tmp_path: Path) -> None:
    write_unfinished_run(tmp_path)
    texts = [str(line) for line in format_run_list(list_runs(tmp_path), 80)]
    assert texts[-1] == "1 interrupted"
    write_finished_run(tmp_path, 0.9, "seed=1")
    texts = [str(line) for line in format_run_list(list_runs(tmp_path), 80)]
    assert texts[-1].startswith("losses, acc and gap")


def test_columns_that_are_formatted_together_have_the_texts_of_single_cells(
    tmp_path: Path,
) -> None:
    for seed, loss in enumerate((0.9, 1234.5, -0.25, float("nan"))):
        write_finished_run(tmp_path, loss, f"seed={seed}", val_losses=(loss,))
    write_finished_run(tmp_path, 0.8, "optimiser=sgd", change=mark_diverged)
    write_unfinished_run(tmp_path, "seed=9")
    damaged = write_finished_run(tmp_path, 0.8, "seed=10")
    (damaged.path / SUMMARY).write_text("{}")
    runs = list_runs(tmp_path)
    together = [column for column in LIST_COLUMNS if column.cells]
    assert len(together) == 6
    for column in together:
        assert column.cells is not None
        assert column.cells(runs) == [column.cell(run) for run in runs]
