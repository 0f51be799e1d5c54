"""Run folders of every status become rows; filters, sorting, ids, tables."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.errors import FilterError, RunIdError, RunsDirError
from dropexp.runs.export import to_csv, to_json
from dropexp.runs.listing import ListedRun, ListedStatus, find_run, list_runs
from dropexp.runs.selection import select_runs, sort_runs
from dropexp.runs.write import CONFIG, ERROR, SUMMARY, RunFolder
from tests.run_folders import make_record, mark_diverged, write_finished_run, write_unfinished_run


def statuses(runs: Path) -> dict[str, ListedStatus]:
    return {run.run_id: run.status for run in list_runs(runs)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[ListedRun]:
    """Four finished runs, one that diverged, one that was interrupted."""
    runs = tmp_path_factory.mktemp("runs")
    write_finished_run(runs, 0.9, "study=first")
    write_finished_run(runs, 0.7, "regulariser=dropout2d", "p=0.1", "data.train_size=200")
    write_finished_run(runs, 0.5, "regulariser=dropout2d", "p=0.3", "seed=1", "study='400'")
    write_finished_run(
        runs, 0.6, "regulariser=dropconnect", "p=0.3", "regulariser.mask=batch", "model=mlp"
    )
    write_finished_run(runs, 0.8, "optimiser=sgd", change=mark_diverged)
    write_unfinished_run(runs, "regulariser=dropout2d", "p=0.5", "train/early_stopping=patience")
    return list_runs(runs)


def short(runs: list[ListedRun]) -> set[str]:
    """A name for each run of the study, from its regulariser and p."""
    return {
        f"{run.values['regulariser.name']} {run.values['p']:g}"
        + (" sgd" if run.values["optimiser.name"] == "sgd" else "")
        for run in runs
    }


ALL = {"none 0", "none 0 sgd", "dropout2d 0.1", "dropout2d 0.3", "dropout2d 0.5", "dropconnect 0.3"}


# --- reading ----------------------------------------------------------------------------------


def test_each_folder_has_the_status_of_its_files(tmp_path: Path) -> None:
    expected = {
        write_finished_run(tmp_path, 1.0).run_id: ListedStatus.FINISHED,
        write_finished_run(
            tmp_path, 1.0, "seed=1", change=mark_diverged
        ).run_id: ListedStatus.DIVERGED,
        write_unfinished_run(tmp_path, "seed=2").run_id: ListedStatus.INTERRUPTED,
    }
    failed = write_unfinished_run(tmp_path, "seed=3")
    failed.write(ERROR, "Traceback")
    no_json = write_finished_run(tmp_path, 1.0, "seed=4")
    no_json.write(SUMMARY, "{")
    no_yaml = write_finished_run(tmp_path, 1.0, "seed=5")
    no_yaml.write(CONFIG, "a: [")
    no_config = write_finished_run(tmp_path, 1.0, "seed=6")
    (no_config.path / CONFIG).unlink()
    expected |= {failed.run_id: ListedStatus.FAILED}
    expected |= {folder.run_id: ListedStatus.DAMAGED for folder in (no_json, no_yaml, no_config)}
    assert statuses(tmp_path) == expected


def test_a_run_whose_lock_is_held_is_running(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    begun = RunFolder(tmp_path, "none-p0-s1-00000000")
    with folder.lock(), begun.lock():
        assert set(statuses(tmp_path).values()) == {ListedStatus.RUNNING}
        assert len(statuses(tmp_path)) == 2
    assert statuses(tmp_path) == {folder.run_id: ListedStatus.INTERRUPTED}


def test_looking_at_a_folder_writes_nothing_to_it(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    before = {path.name for path in folder.path.iterdir()}
    list_runs(tmp_path)
    assert {path.name for path in folder.path.iterdir()} == before


def test_what_is_not_a_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "none-p0-s0-00000000").mkdir()
    (tmp_path / "none-p0-s0-11111111").touch()
    assert list_runs(tmp_path) == []
    with pytest.raises(RunsDirError, match="nowhere"):
        list_runs(tmp_path / "nowhere")


def test_a_damaged_folder_says_what_is_wrong_and_keeps_its_config(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0).write(SUMMARY, "{")
    (run,) = list_runs(tmp_path)
    assert "summary.json is damaged" in run.problem
    assert run.values["data.train_size"] == 400


def test_epochs_of_an_unfinished_run_are_the_whole_lines_of_its_metrics(tmp_path: Path) -> None:
    folder = write_unfinished_run(tmp_path)
    folder.write_metrics([make_record(1, 1.0), make_record(2, 1.0)])
    with (folder.path / "metrics.csv").open("a") as file:
        file.write("3,0.00")
    assert [run.epochs for run in list_runs(tmp_path)] == [2]


# --- filters and sorting ------------------------------------------------------------------------

FILTERS = [
    ("p=0.30", {"dropout2d 0.3", "dropconnect 0.3"}),
    ("p=1e-1,0.5", {"dropout2d 0.1", "dropout2d 0.5"}),
    ("p>=0.3", {"dropout2d 0.3", "dropout2d 0.5", "dropconnect 0.3"}),
    ("p<0.1", {"none 0", "none 0 sgd"}),
    ("p!=0.3,0", {"dropout2d 0.1", "dropout2d 0.5"}),
    ("data.train_size<400", {"dropout2d 0.1"}),
    ("regulariser=dropout2d", {"dropout2d 0.1", "dropout2d 0.3", "dropout2d 0.5"}),
    ("regulariser.mask=batch", {"dropconnect 0.3"}),
    ("regulariser.mask!=batch", set()),
    ("model=mlp", {"dropconnect 0.3"}),
    ("optimiser=sgd", {"none 0 sgd"}),
    ("optimiser/schedule=constant", ALL),
    ("seed=1.0", {"dropout2d 0.3"}),
    ("study=first", {"none 0"}),
    ("study=400", {"dropout2d 0.3"}),
    ("status=interrupted,diverged", {"none 0 sgd", "dropout2d 0.5"}),
    ("train.clip=null", ALL),
    ("train.clip<3", set()),
    ("train.early_stopping.patience>0", {"dropout2d 0.5"}),
    ("model.shortcut=false", ALL),
    ("model.shortcut=0", set()),
    ("model.hidden=[800,800]", {"dropconnect 0.3"}),
    ("test_loss<=0.6", {"dropout2d 0.3", "dropconnect 0.3"}),
    ("last.test_loss=0.9", {"none 0"}),
    ("changed>2001-01-01", ALL),
]


@pytest.mark.parametrize(("word", "expected"), FILTERS, ids=[word for word, _ in FILTERS])
def test_a_filter_accepts(study: list[ListedRun], word: str, expected: set[str]) -> None:
    assert short(select_runs(study, [word])) == expected


def test_all_filters_must_be_passed(study: list[ListedRun]) -> None:
    assert short(select_runs(study, ["regulariser=dropout2d", "p>0.2", "seed=0"])) == {
        "dropout2d 0.5"
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("p", "key=value"),
        ("dropout2d", "key=value"),
        ("data.trainsize=3", "data.train_size"),
        ("modle=mlp", "model"),
        ("train=default", "train is not a field"),
        ("p>=abc", "abc"),
        ("p>0.1,0.3", "several"),
        ("status=finishd", "finished"),
    ],
)
def test_what_is_not_a_filter_is_refused(study: list[ListedRun], word: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        select_runs(study, [word])


NUMBERS = st.one_of(st.integers(-3, 500), st.floats(-1, 1), st.sampled_from([0.1, 0.3, 0.5, 400]))


@given(
    key=st.sampled_from(["p", "seed", "data.train_size", "test_loss", "train.epochs"]),
    number=NUMBERS,
)
def test_less_and_not_less_part_the_runs_that_have_a_number(
    study: list[ListedRun], key: str, number: float
) -> None:
    def chosen(relation: str) -> set[str]:
        return {run.run_id for run in select_runs(study, [f"{key}{relation}{number!r}"])}

    having = {run.run_id for run in study if key != "test_loss" or run.summary is not None}
    assert chosen("<") | chosen(">=") == having
    assert chosen("<") & chosen(">=") == set()
    assert chosen("<=") == chosen("<") | chosen("=")
    assert chosen(">") == having - chosen("<=")


@given(words=st.lists(st.sampled_from(["0", "0.1", "0.3", "0.50", "7"]), min_size=1))
def test_several_values_accept_what_each_accepts(study: list[ListedRun], words: list[str]) -> None:
    together = short(select_runs(study, [f"p={','.join(words)}"]))
    assert together == set().union(*(short(select_runs(study, [f"p={word}"])) for word in words))
    assert short(select_runs(study, [f"p!={','.join(words)}"])) == ALL - together


@pytest.mark.parametrize("key", ["test_loss", "-test_loss"])
def test_runs_are_sorted_and_those_without_a_value_go_last(
    study: list[ListedRun], key: str
) -> None:
    losses = [run.values["best.test_loss"] for run in sort_runs(study, key)]
    assert losses[-1] is None
    assert losses[:-1] == sorted(losses[:-1], reverse=key.startswith("-"))
    reversed_ = [run.values["best.test_loss"] for run in sort_runs(study, key, reverse=True)]
    assert reversed_ == [*losses[-2::-1], None]
    with pytest.raises(FilterError, match="test_loss"):
        sort_runs(study, "tst_loss")


# --- ids --------------------------------------------------------------------------------------


def test_a_run_is_found_by_what_is_unique(tmp_path: Path) -> None:
    one = write_finished_run(tmp_path, 1.0, "regulariser=dropout2d", "p=0.3")
    for seed in (1, 2):
        write_finished_run(tmp_path, 1.0, f"seed={seed}")
    for text in (one.run_id, "drop", one.run_id[-8:], one.run_id[-8:-4]):
        assert find_run(tmp_path, text).path == one.path
    for text in (str(one.path), str(one.path / CONFIG)):
        assert find_run(tmp_path / "nowhere", text).path == one.path
    with pytest.raises(RunIdError, match=r"none-p0-s1-\w+, none-p0-s2-\w+; give more"):
        find_run(tmp_path, "none")
    with pytest.raises(RunIdError, match=f"Did you mean {one.run_id}"):
        find_run(tmp_path, "dropuot2d-p0.3-s0")


def test_an_id_that_another_one_begins_with_is_itself(tmp_path: Path) -> None:
    whole = write_finished_run(tmp_path, 1.0)
    assert find_run(tmp_path, whole.run_id).path == whole.path


# --- export -----------------------------------------------------------------------------------


def test_csv_and_json_hold_every_field_and_result(study: list[ListedRun]) -> None:
    rows = json.loads(to_json(study, study))
    for run, row, text in zip(
        study, rows, csv.DictReader(io.StringIO(to_csv(study, study))), strict=True
    ):
        assert {key: row[key] for key in run.values} == run.values
        assert row.keys() == text.keys()
        assert float(text["p"]) == row["p"]
        assert text["best.test_loss"] == ("" if run.summary is None else str(row["best.test_loss"]))
    assert {row["regulariser.mask"] for row in rows} == {"batch", None}
    assert json.loads(to_json([], study)) == []
    assert to_csv([], study).count("\n") == 1
