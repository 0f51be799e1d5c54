"""The file of a search holds what a report shows of it."""

import json
import math
import os
from dataclasses import asdict, replace
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
from tests.conftest import Dropexp

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


TRIED_PLAIN = asdict(TRIED)
HOSTILE: dict[str, str | bytes] = {
    "a list": "[]",
    "nested deep": "[" * 100_000,
    "nested in mappings": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "many numbers": f"[{'1,' * 200_000}1]",
    "ten megabytes of text": json.dumps({**asdict(RECORD), "budget": "x" * 10_000_000}),
    "no UTF-8": b"\xff\xfe",
    **{
        f"{key}={value!r:.9}": json.dumps({**asdict(RECORD), key: value})
        for key, value in (
            ("study", "other"),
            ("seconds", -1.0),
            ("seconds", math.inf),
            ("seconds", math.nan),
            ("batches", -1),
            ("runs", 10**30),
            ("first_seed", "0"),
            ("tried", [1]),
            ("tried", [{**TRIED_PLAIN, "values": {"p": ["0.3"]}}]),
            ("tried", [{**TRIED_PLAIN, "differences": {"first": 0.1}}]),
            ("tried", [{**TRIED_PLAIN, "differences": {"9" * 5000: 0.1}}]),
            ("tried", [{**TRIED_PLAIN, "differences": {"0": math.nan}}]),
            ("tried", [{**TRIED_PLAIN, "more": 1}]),
            ("confirmed", [{**asdict(CONFIRMED), "pairs": [{"seed": 0}]}]),
        )
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_somebody_has_made_up_is_a_sentence(tmp_path: Path, name: str) -> None:
    save_search(tmp_path, RECORD)
    content = HOSTILE[name]
    raw = content if isinstance(content, bytes) else content.encode()
    (tmp_path / ".studies" / "mine.tune.json").write_bytes(raw)
    with pytest.raises(StoreError, match=r"mine\.tune\.json cannot be read.* Remove it: ") as error:
        read_search(tmp_path, "mine")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    save_search(tmp_path, RECORD)
    path = tmp_path / ".studies" / "mine.tune.json"
    path.rename(path.with_name("other.json"))
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("other.json")
        case _:
            path.mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        read_search(tmp_path, "mine")


def test_tune_says_in_one_sentence_that_the_file_of_its_search_is_damaged(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    (tmp_path / "runs" / ".studies").mkdir(parents=True)
    (tmp_path / "runs" / ".studies" / "mine.tune.json").write_text("[" * 100_000)
    done = dropexp("tune", "study=mine", "regulariser=dropout2d")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith("Remove it: dropexp tune makes it anew from the runs of the search.")


def test_the_command_of_a_search_makes_it_again() -> None:
    assert RECORD.command == (
        "tune", "regulariser=dropout", "study=mine", "--budget", "150runs",
    )  # fmt: skip
    other = replace(RECORD, first_seed=7, budget="1,500 runs", confirm="each")
    assert other.command[2:] == (
        "seed=7", "study=mine", "--budget", "1500runs", "--confirm", "each",
    )  # fmt: skip
