"""The options that choose the rows' order and the columns of a comparison's table."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.comparison_output import ComparisonFormat
from dropexp.errors import UserError

if TYPE_CHECKING:
    from dropexp.compare.results import Comparison

SortOption = Annotated[
    str | None,
    typer.Option(
        "--sort",
        "-s",
        metavar="KEY",
        help="effect (largest improvement first), name, or a column; -KEY: descending. Default: "
        "name, or effect for more than 12 settings.",
    ),
]
ReverseOption = Annotated[bool, typer.Option("--reverse", help="Reverse the order.")]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        "-c",
        metavar="NAMES",
        help="Columns to show, separated by commas: names of csv columns, or headings. "
        "Default: all for csv, as many as there is room for in a table and in latex.",
    ),
]
CaptionOption = Annotated[
    str | None,
    typer.Option(
        "--caption",
        metavar="TEXT",
        help="Caption of the latex table: plain text, or LaTeX where it has a \\ or a $.",
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option("--label", metavar="NAME", help="Label of the latex table. Default: tab:STUDY."),
]


@dataclass(frozen=True)
class TableOptions:
    """The values of the options above, in their order."""

    sort_key: str | None = None
    reverse: bool = False
    columns: str | None = None
    caption: str | None = None
    label: str | None = None

    def refuse_unused(self, format_: ComparisonFormat) -> None:
        """Raise UserError where an option has no meaning for a format.

        Raises:
            UserError: names the option, and the formats that it is for.
        """
        for option, value in (("--caption", self.caption), ("--label", self.label)):
            if value is not None and format_ is not ComparisonFormat.LATEX:
                raise UserError(f"{option} is for --format latex, not for {format_}.")
        if self.columns is not None and format_ is ComparisonFormat.JSON:
            raise UserError(
                "--columns is for table, csv, md and latex: json holds every number of a setting."
            )

    def sort(self, comparison: "Comparison") -> "Comparison":
        """Return the comparison with its rows in the order that is asked for."""
        from dropexp.compare.sorting import sort_rows

        return sort_rows(comparison, self.sort_key, reverse=self.reverse)

    def choose_keys(self, comparison: "Comparison") -> list[str] | None:
        """Return the keys of the columns that are asked for; None for the default ones."""
        from dropexp.compare.column_choice import choose_keys

        if self.columns is None:
            return None
        return choose_keys(comparison, [name.strip() for name in self.columns.split(",")])
