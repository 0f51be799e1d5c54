"""The ledger: the order of requests and ends, whatever is asked for twice or cut short."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.errors import StoreError
from dropexp.runs.ledger import (
    LEDGER,
    End,
    Ledger,
    Purpose,
    Request,
    read_ledger,
    record_end,
    record_request,
    record_withdrawal,
)


def test_a_folder_without_a_ledger_knows_nothing(tmp_path: Path) -> None:
    ledger = read_ledger(tmp_path)

    assert ledger == Ledger({}, {})
    assert (ledger.asked("a"), ledger.ended("a"), ledger.runs_of(None)) == (None, None, [])


def test_requests_and_ends_keep_their_order(tmp_path: Path) -> None:
    record_request(tmp_path, "first", ["a", "b"], Purpose.SWEEP)
    record_end(tmp_path, "a")
    record_request(tmp_path, None, ["c"], Purpose.SEQUENTIAL)
    record_end(tmp_path, "c")

    ledger = read_ledger(tmp_path)

    assert ledger.asked("b") == Request(0, "first", Purpose.SWEEP)
    assert ledger.ended("a") == 1
    assert ledger.asked("c") == Request(2, None, Purpose.SEQUENTIAL)
    assert ledger.ended("b") is None
    assert ledger.runs_of("first") == ["a", "b"]
    assert ledger.runs_of(None) == ["c"]


def test_the_first_request_and_the_first_end_count(tmp_path: Path) -> None:
    record_request(tmp_path, "first", ["a"], Purpose.REGISTERED)
    record_end(tmp_path, "a")
    record_request(tmp_path, "second", ["a", "b"], Purpose.SWEEP)
    record_end(tmp_path, "a")

    ledger = read_ledger(tmp_path)

    assert ledger.asked("a") == Request(0, "first", Purpose.REGISTERED)
    assert ledger.runs_of("second") == ["b"]
    assert ledger.ended("a") == 1


def test_asking_again_adds_no_line(tmp_path: Path) -> None:
    record_request(tmp_path, "s", ["a"], Purpose.SWEEP)
    before = (tmp_path / LEDGER).read_bytes()
    record_request(tmp_path, "s", ["a"], Purpose.SWEEP)

    assert (tmp_path / LEDGER).read_bytes() == before


def test_an_id_within_another_id_is_not_taken_for_it(tmp_path: Path) -> None:
    record_request(tmp_path, None, ["none-p0-s10-12345678"], Purpose.SWEEP)
    record_request(tmp_path, None, ["none-p0-s1-12345678", "s10"], Purpose.SWEEP)

    assert set(read_ledger(tmp_path).requests) == {
        "none-p0-s10-12345678",
        "none-p0-s1-12345678",
        "s10",
    }


@given(cut=st.integers(1, 60))
def test_a_line_cut_short_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    runs = tmp_path_factory.mktemp("runs")
    record_request(runs, "s", ["a"], Purpose.SWEEP)
    record_request(runs, "s", ["b"], Purpose.SWEEP)
    path = runs / LEDGER
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - min(cut, 50)])

    record_end(runs, "a")

    ledger = read_ledger(runs)
    assert ledger.asked("a") is not None
    assert ledger.ended("a") is not None


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(100):
            pool.submit(record_end, tmp_path, f"run-{number}")

    assert len(read_ledger(tmp_path).ends) == 100


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / LEDGER).mkdir()

    with pytest.raises(StoreError, match=LEDGER):
        record_end(tmp_path, "a")


def test_a_withdrawn_study_has_asked_for_nothing_that_lacks_results(tmp_path: Path) -> None:
    record_request(tmp_path, "mine", ["a", "b"], Purpose.REGISTERED)
    record_request(tmp_path, "mine", ["swept"], Purpose.SWEEP)
    record_request(tmp_path, "other", ["c"], Purpose.REGISTERED)
    record_end(tmp_path, "a")
    record_withdrawal(tmp_path, "mine")
    assert set(read_ledger(tmp_path).requests) == {"a", "swept", "c"}
    record_request(tmp_path, None, ["a", "b"], Purpose.SWEEP)
    first, again = (read_ledger(tmp_path).asked(run_id) for run_id in ("a", "b"))
    assert first is not None
    assert again is not None
    assert (first.purpose, again.purpose) == (Purpose.REGISTERED, Purpose.SWEEP)
    assert again.number == 5


def test_many_ends_are_read_as_one_by_one(tmp_path: Path) -> None:
    record_request(tmp_path, "s", ["a", "b"], Purpose.SWEEP)
    record_end(tmp_path, "a", "1234")
    record_end(tmp_path, "b", "1234")
    record_end(tmp_path, "c")
    with (tmp_path / LEDGER).open("a") as file:
        file.write('{"ended":"cut\n{"setting":"5678","ended":"d"}\n{"ended":"a","setting":"9"}\n')
    record_end(tmp_path, "e")
    record_end(tmp_path, "b", "0000")
    record_end(tmp_path, "e")
    assert read_ledger(tmp_path).ends == {
        "a": End(1, "1234"),
        "b": End(2, "1234"),
        "c": End(3, None),
        "d": End(5, "5678"),
        "e": End(7, None),
    }
