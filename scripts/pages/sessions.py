"""Commands that a page shows with their output, run again in a terminal of 80 columns.

A ``console`` block holds commands after ``$ ``, each followed by what it prints. All blocks of a
page are one session: they run in order, in one folder that is empty at the start.
"""

import os
import pty
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dropexp.compare import Question, compare, find_runs
from dropexp.report.charts import render_picture
from dropexp.report.charts.choices import build_chosen
from dropexp.runs.metric_types import EpochChoice
from pages.blocks import ROOT, Block, find_blocks

PAGES = [ROOT / "docs" / "tutorial" / "first-study.md"]
_ASSETS = ROOT / "docs" / "assets"
_PROMPT = "$ "


@dataclass(frozen=True)
class Step:
    """A command and the output that is shown for it."""

    command: str
    output: str


def find_steps(block: Block) -> list[Step]:
    """Return the commands of a ``console`` block with their outputs."""
    steps: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith(_PROMPT):
            steps.append(Step(line.removeprefix(_PROMPT), ""))
        elif steps:
            steps[-1] = Step(steps[-1].command, f"{steps[-1].output}{line}\n")
    return steps


def refresh(folder: Path | None = None) -> None:
    """Run the sessions of all pages, and write the new outputs and pictures into docs/.

    Args:
        folder: the folder to run in, which is kept; None: a temporary one.
    """
    for page in PAGES:
        with tempfile.TemporaryDirectory() as temporary:
            where = folder or Path(temporary)
            where.mkdir(parents=True, exist_ok=True)
            page.write_text(run_session(page, where), encoding="utf-8")
            draw_summary(where / "runs", where / f"{page.stem}-summary.png")
            for picture in where.glob("*.png"):
                shrink(picture, _ASSETS / picture.name)


def draw_summary(runs_dir: Path, picture: Path) -> None:
    """Draw the loss gap over epochs and the paired differences of a study, for the README."""
    comparison = compare(find_runs([], runs_dir), Question(at=EpochChoice.LAST))
    figures = build_chosen(comparison, ("gap", "differences"))
    grid = [figure.panels for figure in figures]
    picture.write_bytes(render_picture(grid, picture.suffix))


def shrink(picture: Path, smaller: Path) -> None:
    """Write a picture with 64 colours, enough for a chart, in a tenth of the bytes."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(64).save(smaller, optimize=True)


def run_session(page: Path, folder: Path) -> str:
    """Run the commands of a page and return its text with their new outputs.

    Args:
        page: read, not written.
        folder: the session's working folder.
    """
    text = page.read_text(encoding="utf-8")
    for block in find_blocks(page):
        if block.language == "console":
            shown = [
                f"{_PROMPT}{step.command}\n{run_in_terminal(step.command, folder)}"
                for step in find_steps(block)
            ]
            text = text.replace(block.text, "".join(shown), 1)
    return text


def run_in_terminal(command: str, folder: Path) -> str:
    """Return what a shell command prints to a terminal of 80 columns without colours.

    TERM=dumb, so that no progress bar is drawn over another.
    """
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        ["sh", "-c", command], cwd=folder, env=environment,
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    ):  # fmt: skip
        os.close(theirs)
        printed = b""
        try:
            while part := os.read(ours, 65536):
                printed += part
        except OSError:  # how Linux says that the other end is closed
            pass
    os.close(ours)
    lines = printed.decode().replace("\r\n", "\n").splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)
