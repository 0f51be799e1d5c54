"""How progress is shown: a block on a terminal, one line in a notebook, few lines in a log."""

import io
import sys

import pytest

from dropexp.cli.console import CommandConsole
from dropexp.cli.progress_display import LogPace, ProgressDisplay, choose_display
from dropexp.cli.run_console import RunConsole
from dropexp.cli.sweep_console import SweepConsole
from dropexp.runs.studies import StudyRun
from dropexp.sweep.progress import EndedRun, Progress
from dropexp.training.progress import EpochProgress
from tests.made_up import AROUND, make_records, make_run

CURSOR_MOVES = ("\x1b[1A", "\x1b[2K", "\x1b[?25l")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("CI", "JPY_PARENT_PID", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-color")
    monkeypatch.setenv("COLUMNS", "100")
    return monkeypatch


@pytest.mark.parametrize(
    ("environment", "is_terminal", "is_dumb", "expected"),
    [
        ({}, True, False, ProgressDisplay.BLOCK),
        ({"JPY_PARENT_PID": "7"}, True, False, ProgressDisplay.LINE),
        ({"JPY_PARENT_PID": "7"}, False, False, ProgressDisplay.LOG),  # %%bash, subprocess
        ({}, False, False, ProgressDisplay.LOG),
        ({}, True, True, ProgressDisplay.LOG),
        ({"CI": "true"}, True, False, ProgressDisplay.LOG),
        ({"CI": "false"}, True, False, ProgressDisplay.BLOCK),
    ],
)
def test_the_display_is_chosen_by_what_the_output_can_show(
    environment: dict[str, str], is_terminal: bool, is_dumb: bool, expected: ProgressDisplay
) -> None:
    chosen = choose_display(is_terminal=is_terminal, is_dumb=is_dumb, environment=environment)
    assert chosen is expected


def test_colours_that_are_forced_make_no_file_a_terminal(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("FORCE_COLOR", "1")
    variables.setattr(sys, "stdout", io.StringIO())
    console = CommandConsole()
    assert (console.display, console.width) == (ProgressDisplay.LOG, None)


def report_run(epochs: int) -> str:
    """Report a whole run to a console on the present stdout; return what was written."""
    out = sys.stdout
    assert isinstance(out, io.StringIO)
    with RunConsole() as console:
        for record in make_records("none", 0.0, 0, epochs):
            console.report_step(EpochProgress(record.epoch, epochs, 5, 10, 0.1))
            console.report_epoch(record, epochs)
        console.note("done")
    return out.getvalue()


def test_a_notebook_has_one_line_that_is_rewritten(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("JPY_PARENT_PID", "7")
    variables.setenv("FORCE_COLOR", "1")
    variables.setattr(sys, "stdout", Terminal())
    text = report_run(200)
    assert text.count("\n") == 1  # of the note
    assert text.endswith("\rdone\n")
    assert not any(move in text for move in CURSOR_MOVES)
    parts = [part for part in text.split("\r") if part.strip()]
    assert len(parts) < 20  # at most two a second: a message each
    assert "epoch 200/200" in parts[-2]
    assert all(len(part) < 100 for part in parts)


def test_a_log_has_a_line_for_each_tenth(variables: pytest.MonkeyPatch) -> None:
    variables.setattr(sys, "stdout", io.StringIO())
    lines = report_run(200).splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [
        "1/200",
        *(f"{epoch}/200" for epoch in range(20, 201, 20)),
    ]


def test_a_log_shows_a_long_epoch_too_but_not_often() -> None:
    pace = LogPace(min_seconds=0.0)
    assert [share for share in range(0, 101, 5) if pace.is_due(share / 100)] == [
        *range(10, 101, 10)
    ]
    patient = LogPace(min_seconds=1000.0)
    assert [share for share in range(0, 101, 5) if patient.is_due(share / 100)] == [100]
    told = LogPace()
    told.note_line(0.55)
    assert [share for share in range(0, 101, 5) if told.is_due(share / 100)] == [
        60,
        70,
        80,
        90,
        100,
    ]


def make_progress(ended: int, total: int, failed: int = 0) -> Progress:
    fields = {**AROUND, "regulariser.name": "none", "regulariser.p": 0.0}
    summary = make_run(fields, 0, 2).compared.summary
    runs = [StudyRun(f"none-p0-s{n}-00000000", "none", n, 2) for n in range(ended)]
    done = [EndedRun(run, None if run.seed < failed else summary, "boom") for run in runs]
    return Progress(total, tuple(done), (), 60.0 if ended < total else None, ())


def report_sweep(total: int, failed: int = 0) -> str:
    out = sys.stdout
    assert isinstance(out, io.StringIO)
    with SweepConsole("big") as console:
        console.begin(make_progress(0, total))
        for ended in range(total + 1):
            console.report_progress(make_progress(ended, total, failed))
    return out.getvalue()


def test_a_log_of_a_big_sweep_has_a_line_for_each_tenth_and_each_failure(
    variables: pytest.MonkeyPatch,
) -> None:
    variables.setattr(sys, "stdout", io.StringIO())
    lines = report_sweep(300, failed=3).splitlines()
    failures, others = lines[:3], lines[3:]
    assert all("failed: boom" in line for line in failures)
    assert [line.split()[0] for line in others] == [f"{n}/300" for n in range(30, 301, 30)]
    assert others[0].endswith("1:00 left")
    variables.setattr(sys, "stdout", io.StringIO())
    lines = report_sweep(200).splitlines()
    assert [line.split()[0] for line in lines] == [f"{n}/200" for n in range(1, 201)]


def test_a_notebook_shows_a_sweep_in_one_line(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("JPY_PARENT_PID", "7")
    variables.setattr(sys, "stdout", Terminal())
    text = report_sweep(200)
    assert "\n" not in text
    assert "big  200/200 done" in text


def test_the_first_long_epoch_shows_how_far_it_is_and_the_time_left(
    variables: pytest.MonkeyPatch,
) -> None:
    out = Terminal()
    variables.setattr(sys, "stdout", out)
    with RunConsole() as console:
        console.report_step(EpochProgress(1, 10, 250, 1000, 30.0))
        text = out.getvalue()
    assert "epoch  1/10" in text
    assert "25% of it" in text
    assert "19:30 left" in text  # 90 s of this epoch, and nine of 120 s
