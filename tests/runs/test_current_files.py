"""Which runs of an index have the files that they had: two processes say what one says."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropexp.runs import current_files
from dropexp.runs.current_files import find_current
from dropexp.runs.files import METRICS, WEIGHTS
from dropexp.runs.index import RunIndex
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.listing import list_runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="one process elsewhere")


@pytest.fixture
def blocks(
    indexed_runs: Path, index_small_stores: None, monkeypatch: pytest.MonkeyPatch
) -> list[IndexedRuns]:
    """An index of six blocks; one run has changed since, another one has lost its weights."""
    list_runs(indexed_runs)
    names = {path.name for path in indexed_runs.iterdir()}
    found = sorted(RunIndex(indexed_runs).check(names), key=len)
    assert len(found) > 3
    os.truncate(indexed_runs / found[-1].run_ids[0] / METRICS, 5)
    (indexed_runs / found[0].run_ids[0] / WEIGHTS).write_bytes(b"")
    monkeypatch.setattr(current_files, "_FEWEST_FOR_TWO", 1)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # pytest-xdist has threads of its own
    return found


def check_alone(runs: Path, blocks: list[IndexedRuns], *, with_weights: bool) -> list[list[bool]]:
    """Return what one process finds."""
    return [
        current_files._check_block(str(runs), block, with_weights=with_weights) for block in blocks
    ]


def record_forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of the processes that are started from now on."""
    started: list[int] = []
    fork = os.fork

    def record() -> int:
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", record)
    return started


@pytest.mark.parametrize("with_weights", [False, True])
def test_two_processes_find_what_one_finds(
    indexed_runs: Path, blocks: list[IndexedRuns], *, with_weights: bool
) -> None:
    expected = check_alone(indexed_runs, blocks, with_weights=with_weights)
    assert sum(each.count(False) for each in expected) == 1 + with_weights
    for _ in range(20):
        checked = find_current(str(indexed_runs), blocks, with_weights=with_weights)
        assert list(map(list, checked)) == expected


def test_the_second_process_answers_and_is_gone_at_the_end(
    indexed_runs: Path, blocks: list[IndexedRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = check_alone(indexed_runs, blocks, with_weights=False)
    started = record_forks(monkeypatch)
    checked = find_current(str(indexed_runs), blocks)
    found = [list(next(checked))]
    os.waitid(os.P_PID, started[0], os.WEXITED | os.WNOWAIT)  # it has checked all other blocks
    monkeypatch.setattr(current_files, "_check_block", None)
    assert [*found, *map(list, checked)] == expected
    with pytest.raises(ChildProcessError):
        os.waitpid(started[0], os.WNOHANG)


def test_nobody_waits_for_a_second_process(
    indexed_runs: Path, blocks: list[IndexedRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = check_alone(indexed_runs, blocks, with_weights=False)

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fork", refuse)
        assert list(map(list, find_current(str(indexed_runs), blocks))) == expected
    monkeypatch.setattr(current_files, "_answer_backwards", lambda *_: os._exit(1))
    assert list(map(list, find_current(str(indexed_runs), blocks))) == expected


def test_a_second_process_ends_with_an_abandoned_check(
    indexed_runs: Path, blocks: list[IndexedRuns], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = record_forks(monkeypatch)
    checked = find_current(str(indexed_runs), blocks)
    assert isinstance(checked, Iterator)
    next(checked)
    checked.close()  # type: ignore[attr-defined]
    with pytest.raises(ChildProcessError):
        os.waitpid(started[0], os.WNOHANG)
