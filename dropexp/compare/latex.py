r"""A comparison as a LaTeX table for a paper, no wider than ``\textwidth`` of an A4 article."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dropexp.compare.brackets import explain_brackets
from dropexp.compare.cells import Cell
from dropexp.compare.column_choice import choose_columns
from dropexp.compare.columns import ComparisonColumn, ComparisonTable, list_columns, make_table
from dropexp.compare.latex_widths import TEXT_WIDTH, count_lines, estimate_width
from dropexp.compare.notes import describe_claim, describe_notes
from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.runs.metric_types import Notation
from dropexp.terminal.plain_text import make_printable

_ALWAYS_SHOWN = ("setting", "difference", "verdict")
_SHOWN_WITH_ROOM = ("n", "adjusted_p", "test_acc", "loss_gap", "test_loss", "pairs_better")
"""The columns that are added while there is room, the most important first."""

_GAP = 8.0  # pt, between two columns
_MOST_LINES = 45
"""The most lines on one page: a table with more continues on the next one."""

_SCORE_INTERVAL = "The interval of P(better) is the score interval."

_MATH = {"−": "$-$", "±": r"$\pm$", "≥": r"$\ge$", "≤": r"$\le$", "·": r"$\cdot$"}
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **_MATH,
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_IN_LABELS = frozenset(" :-_./+")


def format_latex(
    comparison: Comparison,
    columns: Sequence[str] | None = None,
    *,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    r"""Return a table in LaTeX with booktabs: its caption says how to read it.

    Args:
        comparison: the comparison to show.
        columns: keys of the columns to show, from choose_keys; None: as many as ``\textwidth``
            has room for.
        caption: plain text, or LaTeX where it has a ``\`` or a ``$``; None: how to read it.
        label: for ``\ref``; None: ``tab:`` and the study's name.

    Raises:
        UserError: the caption or the label is not LaTeX.
    """
    table = _make_paper_table(comparison, columns)
    layout = _lay_out(table)
    rows = [_format_row(cells, layout) for cells in _format_cells(table)]
    heading = _format_row([column.heading for column in table.columns], layout, is_heading=True)
    explained = _explain_intervals(table, comparison)
    parts = _Parts(
        caption=_format_caption(caption, [*comparison.sentences, *explained]),
        label=_format_label(label, comparison),
        alignment=layout.alignment,
        heading=heading,
        rows=rows,
    )
    is_long = layout.num_lines > _MOST_LINES
    return "\n".join(
        [
            f"% needs \\usepackage{{booktabs{',longtable' if is_long else ''}}}",
            *layout.notes,
            # As comments: a note is for the author, not for the paper.
            *(f"% {make_printable(note.text)}" for note in describe_notes(comparison)),
            *(f"% {sentence}" for sentence in explained if caption is not None),
            *(_make_long_table(parts) if is_long else _make_float(parts)),
            "",
        ]
    )


@dataclass(frozen=True)
class _Layout:
    """How wide the columns are.

    Attributes:
        alignment: the columns in the language of LaTeX's ``tabular``.
        num_lines: how many lines the rows take.
        wrapped: the index of the column whose cells are wrapped; None for none.
        notes: a comment on a table that is too wide.
    """

    alignment: str
    num_lines: int
    wrapped: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Parts:
    """The parts of a table, in LaTeX."""

    caption: str
    label: str
    alignment: str
    heading: str
    rows: Sequence[str]


def _make_paper_table(comparison: Comparison, keys: Sequence[str] | None) -> ComparisonTable:
    if keys is not None:
        columns = choose_columns(comparison, keys, Notation.DOCUMENT)
        return make_table(comparison, [_for_paper(column, comparison) for column in columns])
    columns = [
        _for_paper(column, comparison) for column in list_columns(comparison, Notation.DOCUMENT)
    ]
    shown = {comparison.metric.key, *_ALWAYS_SHOWN}
    for key in _SHOWN_WITH_ROOM:
        wider = [column for column in columns if column.key in shown | {key}]
        if _measure_all(make_table(comparison, wider)) <= TEXT_WIDTH:
            shown.add(key)
    return make_table(comparison, [column for column in columns if column.key in shown])


def _for_paper(column: ComparisonColumn, comparison: Comparison) -> ComparisonColumn:
    """Return the column without what is for the author only: how many seeds to add."""
    if column.key != "verdict":
        return column
    return replace(
        column,
        cell=lambda row: Cell(describe_claim(comparison, row), verdict=row.verdict),
    )


def _format_cells(table: ComparisonTable) -> list[list[str]]:
    return [
        [_format_cell(column, cell) for column, cell in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]


def _format_cell(column: ComparisonColumn, cell: Cell) -> str:
    if not column.shows_interval:
        return cell.text
    return cell.in_short


def _measure_all(table: ComparisonTable) -> float:
    return sum(_measure(table)) + _GAP * (len(table.columns) - 1)


def _measure(table: ComparisonTable) -> list[float]:
    """Return the width of each column in pt."""
    lines = [[column.heading for column in table.columns], *_format_cells(table)]
    return [max(map(estimate_width, texts)) for texts in zip(*lines, strict=True)]


def _lay_out(table: ComparisonTable) -> _Layout:
    """Return the layout of a table; names are wrapped where it would be too wide."""
    letters = ["l" if column.is_text else "r" for column in table.columns]
    excess = _measure_all(table) - TEXT_WIDTH
    if excess <= 0:
        return _Layout("".join(letters), len(table.rows))
    index = next(i for i, column in enumerate(table.columns) if column.key == "setting")
    names = [row[index].text for row in table.rows]
    narrowest = max(estimate_width(word) for name in names for word in name.split())
    wanted = _measure(table)[index] - excess
    width = max(wanted, narrowest)
    letters[index] = f"p{{{width:.1f}pt}}"
    notes: tuple[str, ...] = ()
    if wanted < narrowest:
        notes = (
            f"% about {narrowest - wanted:.0f} pt wider than \\textwidth of an A4 article "
            f"({TEXT_WIDTH:.0f} pt): choose fewer columns with --columns",
        )
    num_lines = sum(count_lines(name, width) for name in names)
    return _Layout("".join(letters), num_lines, index, notes)


def _make_float(parts: _Parts) -> list[str]:
    return [
        "\\begin{table}",
        f"  \\caption{{{parts.caption}}}",
        f"  \\label{{{parts.label}}}",
        "  \\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        f"  \\begin{{tabular}}{{@{{}}{parts.alignment}@{{}}}}",
        "    \\toprule",
        f"    {parts.heading}",
        "    \\midrule",
        *(f"    {row}" for row in parts.rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]


def _make_long_table(parts: _Parts) -> list[str]:
    return [
        "{\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        f"\\begin{{longtable}}{{@{{}}{parts.alignment}@{{}}}}",
        f"  \\caption{{\\normalsize {parts.caption}}}\\label{{{parts.label}}} \\\\",
        f"  \\toprule {parts.heading} \\midrule \\endfirsthead",
        f"  \\toprule {parts.heading} \\midrule \\endhead",
        "  \\bottomrule \\endfoot",
        *(f"  {row}" for row in parts.rows),
        "\\end{longtable}}",
    ]


def _format_row(cells: Sequence[str], layout: _Layout, *, is_heading: bool = False) -> str:
    escaped = [_escape(cell) for cell in cells]
    if layout.wrapped is None or is_heading:
        return f"{' & '.join(escaped)} \\\\"
    escaped[layout.wrapped] = f"\\raggedright {escaped[layout.wrapped]}"
    # \raggedright gives \\ another meaning, which counts where the wrapped column is the last.
    return f"{' & '.join(escaped)} \\tabularnewline"


def _explain_intervals(table: ComparisonTable, comparison: Comparison) -> list[str]:
    """Return sentences on intervals in brackets, in a table that has others with ±."""
    explained = explain_brackets(table.columns, comparison)
    keys = {column.key for column in table.columns}
    is_score = any(row.better is not None for row in comparison.rows) and "better" in keys
    return [*explained, _SCORE_INTERVAL] if is_score else explained


def _format_caption(caption: str | None, sentences: Sequence[str]) -> str:
    if caption is None:
        return " ".join(map(_escape, sentences))
    if "\\" not in caption and "$" not in caption:
        return _escape(caption)
    bare = caption.replace("\\\\", "").replace("\\{", "").replace("\\}", "").replace("\\%", "")
    depth = lowest = 0
    for character in bare:
        depth += (character == "{") - (character == "}")
        lowest = min(lowest, depth)
    if depth or lowest or "%" in bare:
        raise UserError(
            f"--caption {caption} is no LaTeX: each {{ needs its }}, and a % is written \\%."
        )
    return caption


def _format_label(label: str | None, comparison: Comparison) -> str:
    if label is None:
        studies = comparison.studies
        name = comparison.named_study or (studies[0] if len(studies) == 1 else "comparison")
        kept = (character if _is_in_labels(character) else "-" for character in name)
        return f"tab:{''.join(kept)}"
    if not label or not all(map(_is_in_labels, label)):
        raise UserError(
            f"--label {label} is no label of LaTeX's. Allowed: letters, digits, spaces and "
            f"{' '.join(sorted(_IN_LABELS - {' '}))}; such as --label tab:results"
        )
    return label


def _is_in_labels(character: str) -> bool:
    return (character.isascii() and character.isalnum()) or character in _IN_LABELS


def _escape(text: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in make_printable(text))
    return escaped.replace(r"\textless{}=", r"$\le$")
