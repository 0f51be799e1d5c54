"""How a comparison is written: on a terminal, and in the formats of files."""

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dropexp.cli.table_options import TableOptions
    from dropexp.compare.results import Comparison

_WIDEST_CHART = 100  # characters


class ComparisonFormat(StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    LATEX = "latex"


def print_table(comparison: "Comparison", layout: "TableOptions", *, with_curves: bool) -> None:
    """Print a comparison on the terminal.

    Args:
        comparison: the comparison to print.
        layout: the options of its table.
        with_curves: whether to draw validation curves below the table.
    """
    from dropexp.cli.console import CommandConsole
    from dropexp.compare.table import format_comparison

    console = CommandConsole()
    columns = layout.choose_keys(comparison)
    console.print_lines(format_comparison(comparison, console.width, columns))
    if with_curves:
        from dropexp.compare.terminal_chart import draw_curves

        width = min(console.width or _WIDEST_CHART, _WIDEST_CHART)
        console.print_lines([draw_curves(comparison, width)])


def format_comparison_as(
    comparison: "Comparison", format_: ComparisonFormat, layout: "TableOptions"
) -> str:
    """Return a comparison as text in a format.

    Args:
        comparison: the comparison to write.
        format_: how it is written.
        layout: the options of its table.
    """
    columns = layout.choose_keys(comparison)
    match format_:
        case ComparisonFormat.TABLE:
            from dropexp.compare.table import format_comparison
            from dropexp.terminal.plain_text import make_printable

            lines = format_comparison(comparison, None, columns)
            return "".join(f"{make_printable(line.plain)}\n" for line in lines)
        case ComparisonFormat.CSV:
            from dropexp.compare.data_files import format_csv

            return format_csv(comparison, columns)
        case ComparisonFormat.JSON:
            from dropexp.compare.data_files import format_json

            return format_json(comparison)
        case ComparisonFormat.MD:
            from dropexp.compare.markdown import format_markdown

            return format_markdown(comparison, columns)
        case ComparisonFormat.LATEX:
            from dropexp.compare.latex import format_latex

            return format_latex(comparison, columns, caption=layout.caption, label=layout.label)
