"""What one run prints into a pipe, and the lines that it prints everywhere."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.console_runs import (
    COMMANDS,
    CONTROL,
    DIVERGING,
    FOLDER,
    RECORDS,
    RUN_ID,
    plain_console,
    record_of,
    run_through,
    summary_of,
    terminal,
    without_escapes,
)


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
        "from tests.cli.console_runs import RECORDS, run_through\n"
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
    )
    assert done.returncode == 0, done.stderr
    assert rb"a \u2192 b" in done.stdout
    assert done.stderr.rstrip() == rb"error: x \u2212 y"


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
