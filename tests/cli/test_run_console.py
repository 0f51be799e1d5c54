import dataclasses
import io
import math
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from dropexp.cli.console import print_error
from dropexp.cli.run_console import RunConsole
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.training.progress import EpochProgress

RUN_ID = "dropout2d-p0.3-s0-1a2b3c4d"
FOLDER = Path("a folder") / ("deep" * 30) / RUN_ID
COMMANDS = [
    ("dropexp compare", "all finished runs side by side"),
    (f"tensorboard --logdir {'long' * 30}", "the curves in a browser"),
]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def record_of(epoch: int, val_loss: float | None = None) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        lr=1e-3,
        p=0.3,
        noisy_train_loss=1.5 / epoch,
        train_loss=1 / epoch,
        train_acc=0.987 - 0.1 / epoch,
        val_loss=0.4 + abs(epoch - 12) / 100 if val_loss is None else val_loss,
        val_acc=0.876 - 0.1 / epoch,
        seconds=0.08,
    )


RECORDS = [record_of(epoch) for epoch in range(1, 31)]
DIVERGING = [*RECORDS[:8], record_of(9, val_loss=math.nan)]


def summary_of(records: list[EpochRecord]) -> RunSummary:
    finite = [record for record in records if record.is_finite]
    best = find_best_epoch(records)
    return RunSummary(
        run_id=RUN_ID,
        status=RunStatus.COMPLETED if finite == records else RunStatus.DIVERGED,
        regulariser="dropout2d",
        p=0.3,
        seed=0,
        parameters=98442,
        seconds=2.46,
        peak_memory_mb=512.3,
        audit=AuditOutcome.PASSED,
        best=SelectedEpoch.from_record(best, 0.47, 0.861) if best else None,
        last=SelectedEpoch.from_record(records[-1], 0.81, 0.842),
        config_hash="0" * 64,
        results_version=1,
    )


def plain_console(width: int = 80) -> tuple[RunConsole, io.StringIO]:
    out = io.StringIO()
    return RunConsole(Console(file=out, width=width, _environ={})), out


def terminal(width: int = 80, **environment: str) -> tuple[RunConsole, io.StringIO]:
    out = io.StringIO()
    environment = {"TERM": "xterm-256color"} | environment
    console = Console(file=out, width=width, height=50, force_terminal=True, _environ=environment)
    return RunConsole(console), out


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def run_through(console: RunConsole, records: list[EpochRecord]) -> None:
    with console:
        console.start(RUN_ID, ["data digits", "model small_cnn"])
        console.report_audit("audit passed")
        for record in records:
            console.report_epoch(record, 30)
        console.show_run(summary_of(records), records, FOLDER, COMMANDS, is_reused=False)


# --- no terminal ---------------------------------------------------------------------------


def test_pipe_gets_plain_lines() -> None:
    console, out = plain_console()
    run_through(console, RECORDS)
    assert not console.interactive
    assert CONTROL.search(out.getvalue()) is None
    assert out.getvalue().isascii()
    assert all(line == line.rstrip() for line in out.getvalue().splitlines())


def test_pipe_gets_about_every_tenth_epoch_with_the_first_and_the_last() -> None:
    console, out = plain_console()
    run_through(console, RECORDS)
    lines = [line for line in out.getvalue().splitlines() if line.startswith("epoch ")]
    assert [int(line[6:8]) for line in lines] == [1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    assert lines[1] == (
        "epoch  3/30  train_loss 0.333  val_loss 0.490  loss_gap +0.157  val_acc 0.843"
    )


def test_pipe_gets_the_first_epoch_of_a_resumed_run_and_the_one_that_diverged() -> None:
    console, out = plain_console()
    for record in [*RECORDS[12:19], record_of(20, val_loss=math.inf)]:
        console.report_epoch(record, 30)
    assert re.findall(r"epoch (\d+)/30", out.getvalue()) == ["13", "15", "18", "20"]
    assert "val_loss inf" in out.getvalue()


@pytest.mark.parametrize("epochs", [1, 2, 10, 11])
def test_short_runs_have_a_line_for_every_epoch_or_nearly(epochs: int) -> None:
    console, out = plain_console()
    for epoch in range(1, epochs + 1):
        console.report_epoch(record_of(epoch), epochs)
    shown = [int(epoch) for epoch in re.findall(r"epoch +(\d+)/", out.getvalue())]
    assert shown[0] == 1
    assert shown[-1] == epochs
    assert len(shown) >= min(epochs, 7)


def test_c_locale_does_not_crash() -> None:
    program = (
        "from dropexp.cli.console import print_error\n"
        "from dropexp.cli.run_console import RunConsole\n"
        "from rich.console import Console\n"
        "from tests.cli.test_run_console import RECORDS, run_through\n"
        "run_through(RunConsole(), RECORDS)\n"
        "run_through(RunConsole(Console(force_terminal=True, width=80)), RECORDS)\n"
        "RunConsole().note('a \\u2192 b')\n"
        "print_error('x \\u2212 y')\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program],
        env={"LC_ALL": "C", "TERM": "xterm", "PATH": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert rb"a \u2192 b" in done.stdout
    assert done.stderr.rstrip() == rb"error: x \u2212 y"


# --- the table -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 80, 140])
@pytest.mark.parametrize("interactive", [True, False])
def test_numbers_are_never_cut_off(width: int, interactive: bool) -> None:
    console, out = terminal(width) if interactive else plain_console(width)
    console.show_run(summary_of(RECORDS), RECORDS, FOLDER, COMMANDS, is_reused=False)
    text = without_escapes(out.getvalue())
    rows = [line for line in text.splitlines() if line.startswith(("best  ", "last  "))]
    assert [re.sub(" +", " ", row) for row in rows] == [
        "best 12 0.083 0.400 0.470 0.979 0.868 0.861 +0.317 +0.111",
        "last 30 0.033 0.580 0.810 0.984 0.873 0.842 +0.547 +0.111",
    ]
    assert "…" not in text


def test_the_table_fits_80_columns_and_its_headings_stand_over_the_numbers() -> None:
    console, out = plain_console()
    console.show_run(summary_of(RECORDS), RECORDS, Path("runs"), [], is_reused=False)
    lines = out.getvalue().splitlines()
    first = next(i for i, line in enumerate(lines) if line.endswith("loss      acc"))
    assert max(map(len, lines)) <= 80
    ends = [[match.end() for match in re.finditer(r"\S+", line)] for line in lines[first:][:4]]
    assert ends[1] == ends[2][1:] == ends[3][1:]
    assert ends[0] == ends[1][1:]


def test_huge_losses_stay_readable() -> None:
    records = [record_of(1), record_of(2, val_loss=123456789.0)]
    console, out = plain_console()
    console.show_run(summary_of(records), records, FOLDER, [], is_reused=False)
    assert " 1.23e+08 " in out.getvalue()


def test_what_the_numbers_mean_and_what_the_run_cost_are_said() -> None:
    console, out = plain_console()
    console.show_run(summary_of(RECORDS), RECORDS, FOLDER, COMMANDS, is_reused=False)
    assert "best = lowest validation loss; losses in nats; train measured in eval mode" in (
        out.getvalue()
    )
    assert (
        "30 epochs in 2.5 s, 98,442 parameters, peak memory 512 MB, audit passed" in out.getvalue()
    )


@pytest.mark.parametrize("interactive", [True, False])
def test_paths_and_commands_are_whole_lines(interactive: bool) -> None:
    console, out = terminal() if interactive else plain_console()
    console.show_run(summary_of(RECORDS), RECORDS, FOLDER, COMMANDS, is_reused=False)
    lines = without_escapes(out.getvalue()).splitlines()
    assert f"folder  {FOLDER}" in lines
    for command, words in COMMANDS:
        assert any(line[8:].startswith(command) and line.endswith(f"  # {words}") for line in lines)


def test_reused_run_says_how_to_start_over() -> None:
    console, out = plain_console()
    console.show_run(summary_of(RECORDS), RECORDS, FOLDER, COMMANDS, is_reused=True)
    header = out.getvalue().splitlines()[1]
    assert header.startswith(f"{RUN_ID} is finished and was not trained again")
    assert "force=true" in header
    assert "\nbest " in out.getvalue()


def test_diverged_run_says_at_which_epoch_and_where_to_look() -> None:
    console, out = plain_console()
    console.show_run(summary_of(DIVERGING), DIVERGING, FOLDER, COMMANDS, is_reused=False)
    assert "Diverged at epoch 9: a loss is no longer a finite number" in out.getvalue()
    assert str(FOLDER / "metrics.csv") in out.getvalue()
    assert re.search(r"^best +8 ", out.getvalue(), flags=re.MULTILINE)
    assert re.search(r"^last +9 +0.111 +nan ", out.getvalue(), flags=re.MULTILINE)


def test_run_that_diverged_at_once_has_no_best_epoch() -> None:
    records = [record_of(1, val_loss=math.nan)]
    for console, out in (plain_console(), terminal()):
        console.show_run(summary_of(records), records, FOLDER, COMMANDS, is_reused=False)
        assert "Diverged at epoch 1" in out.getvalue()
        assert re.search(r"^best +\d", out.getvalue(), flags=re.MULTILINE) is None
        assert "\nlast " in out.getvalue()
        assert "1 epoch in" in out.getvalue()


# --- a terminal ----------------------------------------------------------------------------


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


# --- messages ------------------------------------------------------------------------------


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
