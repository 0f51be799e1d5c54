"""Learning curves as a terminal table, Markdown, CSV and JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.text import Text

from dropexp.compare.cells import estimate_cell
from dropexp.compare.data_files import replace_non_finite, write_csv, write_json
from dropexp.compare.learning.results import CurvePoint, LearningCurve, LearningCurves, WorthBounds
from dropexp.compare.learning.sentences import (
    answer_all,
    describe_curves,
    describe_laws,
    describe_worth,
    explain_worth,
)
from dropexp.compare.markdown import escape_markdown, format_markdown_list, format_plain_table
from dropexp.runs.metric_types import Notation
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.terminal.tables import Column, format_table, wrap_paragraphs


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One line of the table: a curve at one size."""

    curve: LearningCurve
    point: CurvePoint


def list_lines(curves: LearningCurves) -> list[CurveLine]:
    """Return the lines of the table, curve by curve, the smallest size first."""
    return [CurveLine(curve, point) for curve in curves.curves for point in curve.points]


def list_curve_columns(curves: LearningCurves, notation: Notation) -> list[Column[CurveLine]]:
    """Return the columns of the table of learning curves."""
    gap = METRIC_REGISTRY[curves.gap_key]
    # Documents show fractions in percent.
    is_percent = notation is Notation.DOCUMENT and curves.gap_key == "acc_gap"
    unit = " (%)" if is_percent else ""

    def show_result(line: CurveLine) -> str:
        cell = estimate_cell(line.point.result, curves.metric, notation)
        return cell.in_short

    def show_fitted(line: CurveLine) -> str:
        value = line.point.fitted
        return "" if math.isnan(value) else curves.format(value, notation)

    def show_worth(line: CurveLine) -> str:
        worth = line.curve.worth_at(line.point.size)
        if worth is None:
            return "baseline" if any(c.baseline == line.curve.name for c in curves.curves) else ""
        return describe_worth(worth)

    return [
        Column("setting", lambda line: line.curve.name, align="left", is_required=True, wrap_to=16),
        Column("images", lambda line: f"{line.point.size:,}", is_required=True),
        Column(curves.quantity.replace(" ", "\n", 1) + unit, show_result, is_required=True),
        Column("worth,\nin images", show_worth, is_required=True),
        Column(f"fitted{unit}", show_fitted),
        Column(
            gap.heading.replace(" ", "\n", 1) + unit,
            lambda line: estimate_cell(line.point.gap, gap, notation, shows_interval=False).text,
        ),
        Column("n", lambda line: str(line.point.result.n)),
    ]


def format_learning_curves(curves: LearningCurves, width: int | None) -> list[Text]:
    """Return learning curves as lines for a terminal: the table, the answer, the laws, the notes.

    Args:
        curves: what to show.
        width: of the terminal in characters; None shows every column.
    """
    lead = [describe_curves(curves), explain_worth(curves)]
    laws, answers = describe_laws(curves), answer_all(curves)
    return [
        *wrap_paragraphs(filter(None, lead), width, "dim"),
        Text(),
        *format_table(
            list_curve_columns(curves, Notation.TERMINAL),
            list_lines(curves),
            width=width,
            dropped_hint="-o table.csv has all",
        ),
        *([Text()] if answers else []),
        *wrap_paragraphs(answers, width, "bold"),
        *([Text(), *(Text(line) for line in laws)] if laws else []),
        *([Text()] if curves.notes else []),
        *wrap_paragraphs(curves.notes, width, "yellow"),
        *wrap_paragraphs(_list_left_out(curves), width, "dim"),
    ]


def _list_left_out(curves: LearningCurves) -> Sequence[str]:
    return curves.comparison.left_out


def format_learning_markdown(curves: LearningCurves) -> str:
    """Return learning curves as Markdown."""
    table = format_plain_table(list_curve_columns(curves, Notation.DOCUMENT), list_lines(curves))
    parts = [
        *map(escape_markdown, answer_all(curves)),
        *map(escape_markdown, filter(None, (describe_curves(curves), explain_worth(curves)))),
        table,
        format_markdown_list(describe_laws(curves)),
        format_markdown_list([*curves.notes, *_list_left_out(curves)]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def format_learning_csv(curves: LearningCurves) -> str:
    """Return learning curves as CSV, one line for each setting and size, numbers unrounded.

    ``worth_bounds`` says which ends of an interval of worth are known; the others are empty.
    """
    return write_csv(tabulate_curves(curves))


def tabulate_curves(curves: LearningCurves) -> list[dict[str, Any]]:
    """Return each setting at each size as CSV column → value; None for no finite number."""
    return [replace_non_finite(_tabulate(line)) for line in list_lines(curves)]


def _tabulate(line: CurveLine) -> dict[str, Any]:
    point, worth = line.point, line.curve.worth_at(line.point.size)
    gap = point.gap
    row: dict[str, Any] = {
        "setting": line.curve.name,
        "train_size": point.size,
        "n": point.result.n,
        "result": point.result.value,
        "result_low": point.result.low,
        "result_high": point.result.high,
        "fitted": point.fitted,
        "gap": gap and gap.value,
        "gap_low": gap and gap.low,
        "gap_high": gap and gap.high,
        "baseline": line.curve.baseline,
        "worth_bounds": worth and worth.bounds,
        "worth": worth and worth.value,
        "worth_low": worth and worth.low,
        "worth_high": worth and worth.high,
        "worth_at_least": None,
        "worth_at_most": None,
    }
    if worth is not None and worth.bounds is WorthBounds.LOWER:
        row["worth_at_least"] = worth.bound
    if worth is not None and worth.bounds is WorthBounds.UPPER:
        row["worth_at_most"] = worth.bound
    return row


def format_learning_json(curves: LearningCurves) -> str:
    """Return learning curves as JSON: the answers, the laws and every size; null for no number."""
    plain: Mapping[str, Any] = {
        "metric": curves.metric.key,
        "result": curves.quantity,
        "at": curves.comparison.at,
        "confidence": curves.comparison.confidence,
        "answers": answer_all(curves),
        "answer_size": curves.answer_size,
        "notes": [*curves.notes, *_list_left_out(curves)],
        "laws": {
            curve.name: curve.law and {**asdict(curve.law), "seeds": curve.seeds}
            for curve in curves.curves
        },
        "rows": tabulate_curves(curves),
    }
    return write_json(plain)
