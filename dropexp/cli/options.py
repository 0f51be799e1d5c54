"""Options and arguments that several commands share."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dropexp.config.paths import CONFIG_DIR_VARIABLE, parse_path
from dropexp.errors import UserError

if TYPE_CHECKING:
    from dropexp.cli.progress_display import Verbosity

TAKES_OVERRIDES = {"ignore_unknown_options": True}
"""Passes an unknown option such as ``--epochs=3`` on as an override; its error says what to do."""

MARGIN_HELP = "Call differences within ±SIZE practically equal; in the metric's unit, such as 0.01."


Choice = TypeVar("Choice", bound=StrEnum)


def make_choice_parser(option: str, choices: type[Choice]) -> Callable[[str], Choice]:
    """Return a parser of an option's values, with the words of the other errors.

    Args:
        option: its name, such as ``--at``.
        choices: the values that are allowed.
    """

    def parse(text: str) -> Choice:
        if text not in set(choices):
            allowed = ", ".join(choices)
            raise UserError(f"{option} {text} is not known. Allowed: {allowed}.")
        return choices(text)

    return parse


def list_choices(choices: type[StrEnum]) -> Callable[[], list[str]]:
    """Return what completes the values of an option in a shell."""
    return lambda: [str(choice) for choice in choices]


def parse_margin(text: str) -> float:
    """Return the number that ``--margin`` names.

    Raises:
        UserError: the text is no number.
    """
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"--margin {text} is no number: write the largest difference that makes no difference "
            f"to you, in the metric's unit, such as --margin 0.01"
        ) from None


def _parse_folder(folder: Path) -> Path:
    return parse_path(folder, f"--runs-dir {folder}")


RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs-dir", "-r", metavar="FOLDER", help="Folder of the runs.", callback=_parse_folder
    ),
]


def _complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    from dropexp.cli.completion import complete_override

    return complete_override(ctx, incomplete)


def complete_study(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the studies whose names begin so; see completion."""
    from dropexp.cli import completion

    return completion.complete_study(ctx, incomplete)


def complete_filter(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the filters that begin so; see completion."""
    from dropexp.cli import completion

    return completion.complete_filter(ctx, incomplete)


def complete_run_id(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the run ids that begin so; see completion."""
    from dropexp.cli import completion

    return completion.complete_run_id(ctx, incomplete)


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="OVERRIDES",
        help="group=choice or key=value.",
        show_default=False,
        autocompletion=_complete_override,
    ),
]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Prefix of a run's id or of its hash, or a run folder.",
        show_default=False,
        autocompletion=complete_run_id,
    ),
]
TrustOption = Annotated[
    bool,
    typer.Option("--trust", help="Use the code and the folders that the recorded files name."),
]


def _use_config_dir(folder: Path | None) -> Path | None:
    from dropexp.config.added_files import use_config_dir

    if folder is not None:
        use_config_dir(folder)
    return folder


ConfigDirOption = Annotated[
    Path | None,
    typer.Option(
        "--config-dir",
        "-cd",
        metavar="FOLDER",
        envvar=CONFIG_DIR_VARIABLE,
        show_envvar=False,
        callback=_use_config_dir,
        help="Add the groups, studies and modules of this folder.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print a line for every epoch or run that ends.")
]


def choose_verbosity(*, quiet: bool, verbose: bool) -> "Verbosity":
    """Return how much to print.

    Raises:
        UserError: both options are given.
    """
    from dropexp.cli.progress_display import Verbosity

    if quiet and verbose:
        raise UserError("--quiet and --verbose exclude each other; give one of them.")
    if quiet:
        return Verbosity.QUIET
    return Verbosity.VERBOSE if verbose else Verbosity.NORMAL


def format_place(runs_dir: str) -> str:
    """Return a runs folder as the argument of a proposed command; empty for the default one."""
    return "" if runs_dir == "runs" else f" {quote(runs_dir)}"
