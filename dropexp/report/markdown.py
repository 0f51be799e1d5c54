"""A comparison as Markdown, for a pull request or a paper's appendix."""

from collections.abc import Iterable

from dropexp.compare.formats import markdown_escaped, markdown_row
from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.report.answer import answer, place
from dropexp.report.cells import Table, detail_table, main_table
from dropexp.report.page import lacking


def markdown(comparison: Comparison, known: Provenance) -> str:
    """The answer, the tables, what is missing, commands and versions."""
    first, *more = answer(comparison)
    parts = [
        f"## {place(comparison.shared)}",
        f"**{markdown_escaped(first)}**",
        *map(markdown_escaped, more),
        _table(main_table(comparison)),
        *(f"*{markdown_escaped(sentence)}*" for sentence in comparison.sentences),
        "### All measurements",
        _table(detail_table(comparison)),
        "### What failed or is missing",
        _list(lacking(comparison)) or "Nothing.",
        "### Reproduce",
        "```\n" + "\n".join(known.commands) + "\n```",
        _list(f"{name}: {version}" for name, version in known.versions.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(table: Table) -> str:
    headings = ["setting", *(column.heading for column in table.columns)]
    lines = [headings, ["---", *("--:" for _ in table.columns)]]
    for name, cells in zip(table.names, table.cells, strict=True):
        lines.append([name, *(cell.words for cell in cells)])
    return "\n".join(markdown_row(line) for line in lines)


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {markdown_escaped(item)}" for item in items)
