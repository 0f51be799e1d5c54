"""A comparison as a LaTeX table for a paper."""

from collections.abc import Sequence

from dropexp.compare.columns import make_main_table
from dropexp.compare.notes import describe_notes
from dropexp.compare.results import Comparison

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "±": r"$\pm$",
    "≥": r"$\ge$",
    "·": r"$\cdot$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def format_latex(comparison: Comparison) -> str:
    """Return the main table in LaTeX with booktabs: its caption says how to read it."""
    table = make_main_table(comparison)
    caption = " ".join(map(_escape, comparison.sentences))
    rows = [
        [
            cell.with_interval if column.shows_interval else cell.text
            for column, cell in zip(table.columns, row, strict=True)
        ]
        for row in table.rows
    ]
    alignment = "".join("l" if column.is_text else "r" for column in table.columns)
    lines = [
        "% needs \\usepackage{booktabs}",
        # As comments: a note is for the author, not for the paper.
        *(f"% {note.text}" for note in describe_notes(comparison)),
        "\\begin{table}",
        f"  \\caption{{{caption}}}",
        "  \\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        f"  \\begin{{tabular}}{{{alignment}}}",
        "    \\toprule",
        f"    {_format_row([column.heading for column in table.columns])}",
        "    \\midrule",
        *(f"    {_format_row(row)}" for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _format_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(_escape, cells))} \\\\"


def _escape(text: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return escaped.replace(r"\textless{}=", r"$\le$")
