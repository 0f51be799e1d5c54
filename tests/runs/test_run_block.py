"""Runs of a setting taken together: a block says what each of its runs says."""

from pathlib import Path

import pytest

from dropexp.errors import FilterError
from dropexp.runs.ledger import Purpose, read_ledger, record_request
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_blocks, list_runs
from dropexp.runs.run_block import RunBlock, list_ids, list_rows
from dropexp.runs.selection import select_blocks, select_runs
from dropexp.runs.studies import Study, StudyMember, save_study
from tests.runs.indexed import describe

pytestmark = pytest.mark.usefixtures("index_small_stores")

FIELDS = {"regulariser.name": "none", "regulariser.p": 0.0}


def sort_by_name(blocks: list[RunBlock]) -> list[ListedRun]:
    return sorted(list_rows(blocks), key=lambda run: run.run_id)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_blocks_hold_the_runs_of_a_list_by_setting(indexed_runs: Path, *, is_indexed: bool) -> None:
    expected = describe(list_runs(indexed_runs))
    if not is_indexed:
        (indexed_runs / ".index.sqlite").unlink()
    blocks = list_blocks(indexed_runs)
    # Three settings of three seeds, and with seed 1 data.seed=1 may follow the seed as well.
    assert sorted(map(len, blocks)) == [1, 1, 1, 1, 1, 2, 3, 3]
    assert describe(sort_by_name(blocks)) == expected
    for block in blocks:
        assert list(block.run_ids) == [run.run_id for run in block] == list_ids(block.split())
        assert [block[place].values for place in range(len(block))] == [run.values for run in block]
        assert list(block.read("best.val_loss")) == [run.get("best.val_loss") for run in block]


@pytest.mark.parametrize(
    "texts",
    [
        ["regulariser=dropout2d"],
        ["regulariser!=dropout2d", "seed<2"],
        ["study=first"],
        ["study!=first", "status=finished"],
        ["study=first,second"],
        ["data.seed=1"],
        ["seed=1", "p=0.1"],
        ["best.val_loss<0.8", "run_id=none"],
        ["changed>2020-01-01"],
        ["optimiser=sgd"],
        ["train.epochs>0"],
    ],
)
def test_a_filter_accepts_of_a_block_what_it_accepts_run_by_run(
    indexed_runs: Path, texts: list[str]
) -> None:
    members = tuple(
        StudyMember(run.run_id, 0, 0, 1) for run in list_runs(indexed_runs) if run.get("seed") == 2
    )
    save_study(indexed_runs, Study("second", (), (FIELDS,), members))
    blocks = list_blocks(indexed_runs)
    expected = select_runs(list_runs(indexed_runs), texts)
    assert describe(sort_by_name(select_blocks(blocks, texts))) == describe(expected)


def test_a_number_that_is_none_is_refused_of_a_field_that_runs_share(indexed_runs: Path) -> None:
    with pytest.raises(FilterError, match="is not a number"):
        select_blocks(list_blocks(indexed_runs), ["train.epochs<many"])


def test_a_ledger_keeps_the_first_request_and_the_order(tmp_path: Path) -> None:
    for study, run_ids in (("a", ["x", "y"]), ("b", ["z", "y", "w"])):
        record_request(tmp_path, study, run_ids, Purpose.SWEEP)
    requests = read_ledger(tmp_path).requests
    assert [(run_id, request.study) for run_id, request in requests.items()] == [
        ("x", "a"),
        ("y", "a"),
        ("z", "b"),
        ("w", "b"),
    ]
