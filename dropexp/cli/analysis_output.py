"""How analyses of compared runs, such as learning curves, are written: formats and files."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dropexp.cli.output_files import parse_suffix, write_output

if TYPE_CHECKING:
    from rich.text import Text

Result = TypeVar("Result")


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
    result: Result,
    format_: AnalysisFormat,
    output: Path | None,
    *,
    table: Callable[[Result, int | None], "Sequence[Text]"],
    csv: Callable[[Result], str],
    json: Callable[[Result], str],
    md: Callable[[Result], str],
) -> None:
    """Print an analysis, or write it to a file.

    Args:
        result: the analysis.
        format_: how it is written.
        output: the file; None prints.
        table: returns its lines for a terminal of a width in characters; None: any width.
        csv: returns it in this format, as do json and md.
        json: see csv.
        md: see csv.

    Raises:
        UserError: the file cannot be written.
    """
    from dropexp.cli.console import CommandConsole, print_text
    from dropexp.terminal.plain_text import make_printable

    if output is None and format_ is AnalysisFormat.TABLE:
        console = CommandConsole()
        console.print_lines(table(result, console.width))
        return
    if format_ is AnalysisFormat.TABLE:
        text = "".join(f"{make_printable(line.plain)}\n" for line in table(result, None))
    else:
        write = {AnalysisFormat.CSV: csv, AnalysisFormat.JSON: json, AnalysisFormat.MD: md}[format_]
        text = write(result)
    if output is None:
        print_text(text)
    elif write_output(output, text):
        print_text(f"written to {output}\n")
