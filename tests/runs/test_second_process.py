"""What a second process computes, and what happens where it does not."""

import os
import sys
from collections.abc import Callable

import pytest

from dropexp.runs.second_process import compute_beside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="one process elsewhere")


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork although pytest-xdist has threads of its own."""
    monkeypatch.setattr("threading.active_count", lambda: 1)


def test_a_value_comes_from_another_process() -> None:
    collect = compute_beside(lambda: (os.getpid(), "x" * 100_000))
    process, text = collect()
    assert process != os.getpid()
    assert text == "x" * 100_000
    with pytest.raises(ChildProcessError):
        os.waitpid(process, os.WNOHANG)


def end_process() -> None:
    os._exit(9)


def close_all_files() -> None:
    os.closerange(3, 1000)


@pytest.mark.parametrize("end", [end_process, close_all_files])
def test_what_is_not_delivered_is_computed_here(end: Callable[[], None]) -> None:
    here = os.getpid()

    def compute() -> int:
        if os.getpid() != here:
            end()
        return os.getpid()

    assert compute_beside(compute)() == here


def test_an_error_is_raised_here(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("no curve")

    collect = compute_beside(fail)
    with pytest.raises(ValueError, match="no curve"):
        collect()
    assert capfd.readouterr() == ("", "")


def test_where_no_process_can_start_everything_is_computed_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    assert compute_beside(os.getpid)() == os.getpid()
