"""Texts of run folders, of arguments and of errors cannot control the terminal."""

import io
import json
import re
from pathlib import Path
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from dropexp.cli.console import CommandConsole, SafeConsole, print_error
from dropexp.cli.sweep_console import SweepConsole
from dropexp.runs.studies import StudyRun
from dropexp.sweep.progress import Progress, RunningRun
from tests.conftest import run_dropexp
from tests.run_folders import write_finished_run

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")  # rich's: styles, cursor, begin of the line
EVIL = "\x1b]0;owned\x07\x9b2J\x1b[31m\u202e\r=2+3[red]x[/y]"

texts = st.text(st.characters(exclude_characters="\n"), min_size=1, max_size=30)


FEW = ("runs show none-p0-s0", "compare", "compare -f latex")
MORE = (
    "runs", "runs -f csv", "runs -f json", "compare -f csv", "compare -f json", "compare -f md",
    "report -o -", "runs check",
)  # fmt: skip


@pytest.mark.parametrize("commands", [FEW, pytest.param(MORE, marks=pytest.mark.slow)])
def test_no_command_prints_what_a_run_folder_holds_unescaped(
    tmp_path: Path, commands: tuple[str, ...]
) -> None:
    for seed in range(2):
        for setting in ("regulariser=none", "regulariser=dropout2d p=0.3"):
            words = [*setting.split(), f"seed={seed}"]
            path = write_finished_run(tmp_path / "runs", 0.5, *words).path
            config = yaml.safe_load((path / "config.yaml").read_text())
            config["study"] = EVIL
            config["model"]["head"] = EVIL + setting  # in the names of settings
            (path / "config.yaml").write_text(yaml.safe_dump(config))
            summary = json.loads((path / "summary.json").read_text())
            summary.pop("files", None)
            (path / "summary.json").write_text(json.dumps({**summary, "format": 4}))
            (path / "environment.json").write_text(json.dumps({"platform": EVIL}))
            check = {"name": EVIL, "meaning": EVIL, "passed": False, "value": 1, "bound": 2}
            (path / "audit.json").write_text(json.dumps({"checks": [check]}))
            (path / EVIL.replace("/", "")).touch()
    for command in commands:
        done = run_dropexp(tmp_path, *command.split())
        assert done.returncode in (0, 1), command + done.stderr
        assert "owned" in done.stdout or command in ("runs", "runs check"), command
        assert not CONTROL.search(done.stdout + done.stderr), command
    for argument in (EVIL, f"{EVIL}=3", f"p={EVIL}", f"study={EVIL}"):
        done = run_dropexp(tmp_path, "compare", argument)
        assert not CONTROL.search(done.stdout + done.stderr)


def find_controls(printed: str) -> list[str]:
    return CONTROL.findall(OWN.sub("", printed))


@given(text=texts)
def test_a_console_prints_no_control_character(text: str) -> None:
    for is_terminal in (True, False):
        safe = SafeConsole(file=io.StringIO(), force_terminal=is_terminal)
        console = CommandConsole(safe)
        console.print_line(Text(text, style="red"))
        console.print_sentence(Text.assemble(("a", "bold"), text))
        console.print_lines([Text(text)])
        assert isinstance(safe.file, io.StringIO)
        assert find_controls(safe.file.getvalue()) == []


@settings(max_examples=25)
@given(name=texts)
def test_the_live_view_of_a_sweep_prints_no_control_character(name: str) -> None:
    printed = io.StringIO()
    running = RunningRun(StudyRun("none-p0-s0-00000000", name, 0, 3), None, None)
    progress = Progress(total=2, ended=(), running=(running,), seconds_left=None, best=())
    safe = SafeConsole(file=printed, force_terminal=True)
    with SweepConsole(name, safe) as console:
        console.begin(progress)
        console.report_progress(progress)
        console.show_state(progress)
    assert find_controls(printed.getvalue()) == []


@given(text=texts)
def test_an_error_prints_no_control_character(text: str) -> None:
    with mock.patch("sys.stderr", io.StringIO()) as printed:
        print_error(text)
    assert find_controls(printed.getvalue()) == []


def test_many_lines_are_printed_as_one_by_one() -> None:
    lines = [Text(f"run {number} \x1b[31m {number * '·'}") for number in range(450)]
    lines[210].stylize("red", 0, 3)
    printed = []
    for parts in ([lines], [[line] for line in lines]):
        file = io.StringIO()
        console = CommandConsole(SafeConsole(file=file, width=80))
        for part in parts:
            console.print_lines(part)
        printed.append(file.getvalue())
    assert printed[0] == printed[1]
    assert printed[0].count("\n") == 450
