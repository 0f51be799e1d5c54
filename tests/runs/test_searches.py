"""The file of a search holds what a report shows of it."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.errors import StoreError
from dropexp.runs.searches import (
    ConfirmedPair,
    ConfirmedSetting,
    SearchRecord,
    TriedSetting,
    read_search,
    save_search,
)
from dropexp.runs.studies import Study, list_study_names, save_study

TRIED = TriedSetting("dropout p=0.3", "dropout", {"p": "0.3"}, {0: -0.01, 1: None}, False)
CONFIRMED = ConfirmedSetting(
    "dropout p=0.3",
    "dropout",
    {"p": "0.3"},
    "better",
    0.03,
    (ConfirmedPair(1000, -0.02, -0.02, -math.inf, math.inf),),
)
RECORD = SearchRecord(
    "mine", ("regulariser=dropout",), 0, "150 runs", "best", 12.5, 3, 20, (TRIED,), (CONFIRMED,)
)


def test_a_search_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_search(tmp_path, RECORD)
    assert read_search(tmp_path, "mine") == RECORD
    assert read_search(tmp_path, "other") is None


def test_the_file_of_a_search_is_no_study(tmp_path: Path) -> None:
    save_study(tmp_path, Study("mine", (), (), ()))
    save_search(tmp_path, RECORD)
    assert list_study_names(tmp_path) == ["mine"]


def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    save_search(tmp_path, RECORD)
    path = tmp_path / ".studies" / "mine.tune.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StoreError, match=r"mine\.tune\.json cannot be read"):
        read_search(tmp_path, "mine")


def test_the_command_of_a_search_makes_it_again() -> None:
    assert RECORD.command == (
        "tune", "regulariser=dropout", "study=mine", "--budget", "150runs",
    )  # fmt: skip
    other = replace(RECORD, first_seed=7, budget="1,500 runs", confirm="each")
    assert other.command[2:] == (
        "seed=7", "study=mine", "--budget", "1500runs", "--confirm", "each",
    )  # fmt: skip
