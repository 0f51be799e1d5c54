"""Draw commands and what they print to a terminal as a picture, by rich."""

import os
import pty
import re
import subprocess
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from illustrations.png import write_png

_COLUMNS = 94
_SCALE = 1.25
_CONTROLS = re.compile(r"(\r\n|\r|\n|\x1b\[\d*[AJK]|\x1b\[\?\d+[hl])")
"""Line ends, cursor up, erasing, and showing or hiding the cursor."""


def draw_terminal(commands: Sequence[str], folder: Path, picture: Path) -> None:
    """Run commands in a terminal, one after the other, and draw what they print.

    Args:
        commands: shell commands.
        folder: the working folder of the commands.
        picture: the PNG to write.
    """
    console = Console(record=True, width=_COLUMNS, file=StringIO())
    for index, command in enumerate(commands):
        console.print(Text(f"{chr(10) if index else ''}$ {command}", style="bold green"))
        for line in replay(run_in_terminal(command, folder)):
            console.print(Text.from_ansi(line), no_wrap=True)
    write_png(console.export_svg(title="dropexp"), picture, _SCALE)


def run_in_terminal(command: str, folder: Path) -> str:
    """Run a shell command in a pseudo-terminal and return everything that it prints."""
    ours, theirs = pty.openpty()
    # Waiting threads sleep: on a busy machine that trains several times faster.
    passive_waiting = {"OMP_WAIT_POLICY": "PASSIVE"}
    terminal = {"COLUMNS": str(_COLUMNS), "LINES": "50", "TERM": "xterm-256color"}
    environment = {**os.environ, **passive_waiting, **terminal}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, stdout=theirs, stderr=theirs, stdin=theirs
    ) as process:
        os.close(theirs)
        parts = []
        try:
            while part := os.read(ours, 1 << 16):
                parts.append(part)
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
    if process.returncode:
        raise RuntimeError(f"{command} failed:\n{b''.join(parts).decode()}")
    return b"".join(parts).decode()


def replay(printed: str) -> list[str]:
    """Return the lines that a terminal shows at the end, with their colours.

    Understands the cursor movements of rich's live display: up, and erase a line.
    """
    lines = [""]
    row = 0
    for part in _CONTROLS.split(printed):
        if part.endswith("\n"):
            row += 1
            if row == len(lines):
                lines.append("")
        elif part == "\r" or re.fullmatch(r"\x1b\[\?\d+[hl]|\x1b\[\d*J", part):
            continue
        elif match := re.fullmatch(r"\x1b\[(\d*)([AK])", part):
            if match[2] == "A":
                row -= int(match[1] or 1)
            else:
                lines[row] = ""
        else:
            lines[row] += part
    while lines and not lines[-1]:
        lines.pop()
    return lines
