"""What one run shows on a terminal: a block that is updated in place, colours, errors."""

import dataclasses
import re
import sys
import time

import pytest

from dropexp.cli.console import print_error
from dropexp.training.progress import EpochProgress
from tests.cli.console_runs import (
    COMMANDS,
    DIVERGING,
    FOLDER,
    HIDE_CURSOR,
    RECORDS,
    RUN_ID,
    SHOW_CURSOR,
    plain_console,
    record_of,
    run_through,
    summary_of,
    terminal,
    without_escapes,
)


def test_terminal_gets_progress_and_curves() -> None:
    console, out = terminal()
    run_through(console, RECORDS)
    text = without_escapes(out.getvalue())
    assert console.interactive
    assert "epoch 30/30" in text
    assert "train loss 0.033   val loss 0.580   loss gap +0.547   val acc 0.873" in text
    assert "loss in nats" in text
    assert "best 12" in text


def test_terminal_lines_fit() -> None:
    console, out = terminal(width=62)
    console.start(RUN_ID, ["many words " * 20])
    for record in RECORDS:
        console.report_epoch(record, 30)
    console.warn("many words " * 20)
    console.close()
    assert max(map(len, without_escapes(out.getvalue()).splitlines())) <= 62


@pytest.mark.parametrize(
    ("width", "text"), [(100, "40% of it, 1:12 left; run 57:12 left"), (40, "40%, run 57:12 left")]
)
def test_a_long_epoch_shows_its_share_and_the_time_left(width: int, text: str) -> None:
    """120 s an epoch: 72 s of this one and 28 more epochs are left."""
    console, out = terminal(width=width)
    within = EpochProgress(epoch=2, epochs=30, steps_done=400, steps=1000, seconds=48.0)
    with console:
        console.report_epoch(dataclasses.replace(record_of(1), seconds=120.0), 30)
        console.report_step(within)
    shown = without_escapes(out.getvalue())
    assert "epoch  2/30" in shown
    assert text in shown
    console, out = terminal(width=width)
    with console:
        console.report_step(dataclasses.replace(within, epoch=1))  # no epoch has ended yet
    assert re.search(r"40%.*run 59:12 left", without_escapes(out.getvalue()))
    plain, out = plain_console()
    plain.report_step(within)
    assert out.getvalue() == ""


def test_narrow_or_dumb_terminal_gets_no_chart() -> None:
    for console, out in (terminal(width=50), terminal(TERM="dumb"), plain_console()):
        console.show_run(summary_of(RECORDS), RECORDS, FOLDER, COMMANDS, is_reused=False)
        assert "loss in nats\n" not in out.getvalue()


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError])
def test_cursor_comes_back(interruption: type[BaseException]) -> None:
    def interrupted() -> None:
        with console:
            console.report_epoch(RECORDS[0], 30)
            assert out.getvalue().rfind(HIDE_CURSOR) > out.getvalue().rfind(SHOW_CURSOR)
            raise interruption

    console, out = terminal()
    with pytest.raises(interruption):
        interrupted()
    assert out.getvalue().rfind(SHOW_CURSOR) > out.getvalue().rfind(HIDE_CURSOR)
    console.close()


def test_progress_is_drawn_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    console, out = terminal()
    with console:
        for epoch in range(1, 1001):
            now += 0.01
            console.report_epoch(record_of(epoch), 1000)
    drawn = {int(epoch) for epoch in re.findall(r"epoch +(\d+)/1000", out.getvalue())}
    assert 15 <= len(drawn) <= 25
    assert {1, 1000} <= drawn


def test_no_color_is_respected() -> None:
    console, out = terminal(NO_COLOR="1")
    run_through(console, DIVERGING)
    colours = {
        int(code)
        for codes in re.findall(r"\x1b\[([0-9;]*)m", out.getvalue())
        for code in codes.split(";")
        if code
    }
    assert colours <= {0, 1, 2}  # bold and dim at most


def test_divergence_is_red() -> None:
    console, out = terminal()
    console.show_run(summary_of(DIVERGING), DIVERGING, FOLDER, [], is_reused=False)
    assert "\x1b[31mDiverged at epoch 9" in out.getvalue()


def test_messages_are_not_read_as_markup() -> None:
    console, out = plain_console()
    text = "hydra.sweeper=[a,b] [red]x[/red] :smile: 'quoted' 12"
    console.note(text)
    console.warn(text)
    console.report_audit(text)
    assert out.getvalue() == f"{text}\nwarning: {text}\n  audit  {text}\n"


def test_error_goes_to_stderr_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    message = f"data.name=[bold]mnist[/bold] {'is not known ' * 20}end"
    print_error(message)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {message}\n"


def test_error_wraps_between_words_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "40"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    message = f"it is not known; {'write another one ' * 5}"
    print_error(message)
    lines = without_escapes(capsys.readouterr().err).splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(lines).split() == ["error:", *message.split()]


def test_error_is_red_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_error("it is wrong")
    assert capsys.readouterr().err == "\x1b[31merror: it is wrong\x1b[0m\n"


def test_remaining_time_is_the_mean_epoch_times_the_epochs_left() -> None:
    console, out = terminal()
    slow = dataclasses.replace(RECORDS[9], seconds=200.0)
    with console:
        console.report_epoch(slow, 30)
    assert "1:06:40 left" in without_escapes(out.getvalue())
