"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RunsDir = Annotated[Path, typer.Option("--runs-dir", "-r", help="The folder of run folders.")]
