"""Arguments of the functions, from plain values to what the commands' options are parsed to."""

from collections.abc import Mapping
from enum import StrEnum
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from dropexp.cli.options import make_choice_parser
from dropexp.config.paths import parse_path

Choice = TypeVar("Choice", bound=StrEnum)


def parse_choice(option: str, choices: type[Choice], text: str | None) -> Choice | None:
    """Return the choice that a text names; None for None.

    Args:
        option: of the command, such as ``--at``.
        choices: that are allowed.
        text: as given.

    Raises:
        UserError: the text is none of the choices.
    """
    return None if text is None else make_choice_parser(option, choices)(text)


def parse_runs_dir(runs_dir: str | PathLike[str]) -> Path:
    """Return the folder of runs.

    Raises:
        UserError: it cannot be the path of a folder.
    """
    return parse_path(Path(runs_dir), f"runs_dir={runs_dir}")


def spell_options(options: Mapping[str, Any]) -> list[str]:
    """Return options as the words of a command line; those that are None are left out."""
    given = {name: value for name, value in options.items() if value is not None}
    return [word for name, value in given.items() for word in (f"--{name}", str(value))]


def spell_runs_dir(runs_dir: str | PathLike[str]) -> str | None:
    """Return the folder of runs as an option's value; None for the default one."""
    return None if fspath(runs_dir) == "runs" else fspath(runs_dir)
