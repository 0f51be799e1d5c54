"""The file of ``--output``: its format, by its suffix, and its text."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from dropexp.errors import UserError

Format = TypeVar("Format", bound=StrEnum)
_STANDARD_OUTPUT = Path("-")


def parse_suffix(output: Path | None, formats: Mapping[str, Format]) -> Format | None:
    """Return the format of a file's suffix; None where no file is named.

    Raises:
        UserError: the suffix belongs to no format.
    """
    if output is None or output == _STANDARD_OUTPUT:
        return None
    if output.suffix.lower() not in formats:
        raise UserError(
            f"--output {output} has no known suffix. Allowed: {', '.join(formats)}; or choose a "
            f"format with --format."
        )
    return formats[output.suffix.lower()]


def write_output(output: Path, text: str) -> bool:
    """Write text to a file, or to standard output for ``-``; return whether it was a file.

    Raises:
        UserError: the file cannot be written.
    """
    if output == _STANDARD_OUTPUT:
        from dropexp.cli.console import print_text

        print_text(text)
        return False
    if output.is_dir():
        raise UserError(f"--output {output} is a folder. Name a file.")
    try:
        output.write_text(text, encoding="utf-8", errors="backslashreplace")  # paths may be none
    except OSError as error:
        raise UserError(f"--output {output} cannot be written: {error.strerror}.") from None
    return True
