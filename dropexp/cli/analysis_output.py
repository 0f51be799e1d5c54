"""How analyses of compared runs, such as learning curves, are written: formats and files."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.compare import parse_suffix, write_output

if TYPE_CHECKING:
    from rich.text import Text


class AnalysisFormat(StrEnum):
    """How an analysis is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"


_FORMAT_OF_SUFFIX = {
    ".txt": AnalysisFormat.TABLE,
    ".csv": AnalysisFormat.CSV,
    ".json": AnalysisFormat.JSON,
    ".md": AnalysisFormat.MD,
}

AnalysisFormatOption = Annotated[
    AnalysisFormat | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table, csv, json or md. Default: from the suffix of FILE, or table.",
    ),
]
AnalysisOutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help='Write to FILE ("-" for standard output): .txt, .csv, .json or .md.',
    ),
]
AnalysisPlotOption = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the charts to FILE: .png, .svg or .pdf."),
]


def choose_format(format_: AnalysisFormat | None, output: Path | None) -> AnalysisFormat:
    """Return the format that the options ask for.

    Raises:
        UserError: the suffix of the file belongs to no format.
    """
    return format_ or parse_suffix(output, _FORMAT_OF_SUFFIX) or AnalysisFormat.TABLE


def write_analysis(
    format_: AnalysisFormat,
    output: Path | None,
    format_lines: Callable[[int | None], "Sequence[Text]"],
    writers: Mapping[AnalysisFormat, Callable[[], str]],
) -> None:
    """Print an analysis, or write it to a file.

    Args:
        format_: how it is written.
        output: the file; None prints.
        format_lines: returns the lines for a terminal of a width in characters; None: any width.
        writers: of the other formats.

    Raises:
        UserError: the file cannot be written.
    """
    from dropexp.cli.console import CommandConsole, print_text
    from dropexp.terminal.plain_text import make_printable

    if output is None and format_ is AnalysisFormat.TABLE:
        console = CommandConsole()
        console.print_lines(format_lines(console.width))
        return
    if format_ is AnalysisFormat.TABLE:
        text = "".join(f"{make_printable(line.plain)}\n" for line in format_lines(None))
    else:
        text = writers[format_]()
    if output is None:
        print_text(text)
    elif write_output(output, text):
        print_text(f"written to {output}\n")
