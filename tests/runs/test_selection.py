"""Filters and sorting of listed runs."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.errors import FilterError
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_runs
from dropexp.runs.selection import select_runs, sort_runs
from dropexp.runs.studies import Study, StudyMember, save_study
from tests.run_folders import write_finished_run


def short(runs: list[ListedRun]) -> set[str]:
    """A name for each run of the study, from its regulariser and p."""
    return {
        f"{run.values['regulariser.name']} {run.values['p']:g}"
        + (" sgd" if run.values["optimiser.name"] == "sgd" else "")
        for run in runs
    }


ALL = {"none 0", "none 0 sgd", "dropout2d 0.1", "dropout2d 0.3", "dropout2d 0.5", "dropconnect 0.3"}

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
    ("changed<=2001-01-01T18:30", set()),
    ("changed>=yesterday", ALL),
    ("changed!=2001-01-01,2001-01-02", ALL),
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
        ("p!=", "empty value"),
        ("p=0.1,", "empty value"),
        ("seed!=nan", "finite"),
        ("seed<inf", "finite"),
        ("status=finishd", "finished"),
        ("changed<tomorow", "is not a date"),
        ("changed<2026-02-30", "is not a date"),
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


def test_a_study_has_the_runs_that_its_sweeps_named_and_those_trained_for_it(
    tmp_path: Path,
) -> None:
    shared = write_finished_run(tmp_path, 1.0, "study=first")
    other = write_finished_run(tmp_path, 1.0, "seed=1", "study=second")
    members = tuple(StudyMember(run.run_id, 0, 0, 30) for run in (shared, other))
    runs = list_runs(tmp_path)
    save_study(tmp_path, Study("second", (), (dict(runs[0].config),), members))
    for study, members_of_it in (("first", [shared]), ("second", [shared, other])):
        names = {run.run_id for run in select_runs(runs, [f"study={study}"])}
        assert names == {run.run_id for run in members_of_it}
    assert select_runs(runs, ["study=third"]) == []
    assert [run.run_id for run in select_runs(runs, ["study!=first"])] == [other.run_id]
