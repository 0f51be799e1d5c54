"""Options and arguments that several commands share."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

TAKES_OVERRIDES = {"ignore_unknown_options": True}
"""Passes an unknown option such as ``--epochs=3`` on as an override; its error says what to do."""

MARGIN_HELP = "Call differences within ±SIZE practically equal; in the metric's unit, such as 0.01."


def _expand_home(folder: Path) -> Path:
    return folder.expanduser()


RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir", "-r", metavar="FOLDER", help="Folder of the runs.", callback=_expand_home
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="OVERRIDES", help="group=choice or key=value.", show_default=False),
]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Prefix of a run's id or of its hash, or a run folder.",
        show_default=False,
    ),
]


def format_place(runs_dir: str) -> str:
    """Return a runs folder as the argument of a proposed command; empty for the default one."""
    return "" if runs_dir == "runs" else f" {quote(runs_dir)}"
