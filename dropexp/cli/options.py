"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RunsDir = Annotated[Path, typer.Option("--runs-dir", "-r", help="The folder of run folders.")]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The beginning of a run's id or of its last eight digits, or the path of its folder.",
        show_default=False,
    ),
]
