"""A comparison as CSV and JSON, which hold every number, and as Markdown and LaTeX to paste."""

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dropexp.compare.results import ESTIMATES, Comparison, Row
from dropexp.compare.table import diverged_sentences, missing_sentences, verdict_words
from dropexp.statistics import Estimate
from dropexp.terminal.numbers import format_number

_ENDS = ("", "_low", "_high")


def as_csv(comparison: Comparison) -> str:
    """One line a setting; an estimate has three columns, and a cell without a number is empty.

    The columns are the same for every comparison but for the fields, which follow ``setting``.
    """
    fields = _fields_to_name(comparison)
    rows = [_csv_row(row, fields) for row in comparison.rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: "" if _is_nothing(value) else value for key, value in row.items()} for row in rows
    )
    return file.getvalue()


def as_json(comparison: Comparison) -> str:
    """Everything: the question, how it was tested, each row with its pairs; null for no number."""
    plain = {
        "metric": comparison.metric,
        "at": comparison.at,
        "alpha": comparison.alpha,
        "confidence": comparison.confidence,
        "matched_train_loss": comparison.target,
        "sentences": comparison.sentences,
        "left_out": comparison.left_out,
        "shared": comparison.shared,
        "axes": comparison.axes,
        "rows": [_json_row(row) for row in comparison.rows],
    }
    return json.dumps(_without_nothing(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(comparison: Comparison) -> str:
    """A table for a pull request, with how to read it above."""
    head, *rows = _paper_table(comparison)
    lines = [
        *(f"{markdown_escaped(sentence)}\n" for sentence in comparison.sentences),
        markdown_row(head),
        markdown_row(["---", *["---:"] * (len(head) - 2), "---"]),
        *(markdown_row(row) for row in rows),
    ]
    notes = [f"- {markdown_escaped(note)}" for note in _notes(comparison)]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def as_latex(comparison: Comparison) -> str:
    """A table for a paper: booktabs, the reading of it as the caption, the rest as comments."""
    head, *rows = _paper_table(comparison)
    caption = " ".join(_latex(sentence) for sentence in comparison.sentences)
    lines = [
        "% needs \\usepackage{booktabs}",
        *(f"% {note}" for note in _notes(comparison)),
        "\\begin{table}",
        f"  \\caption{{{caption}}}",
        "  \\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
        f"  \\begin{{tabular}}{{l{'r' * (len(head) - 2)}l}}",
        "    \\toprule",
        f"    {_latex_row(head)}",
        "    \\midrule",
        *(f"    {_latex_row(row)}" for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


# --- every number -------------------------------------------------------------------------


def _fields_to_name(comparison: Comparison) -> list[str]:
    own = dict.fromkeys(
        key
        for row in comparison.rows
        for key in row.setting.fields
        if key.startswith("regulariser.")
    )
    return [*own, *(axis for axis in comparison.axes if axis not in own)]


def _csv_row(row: Row, fields: Sequence[str]) -> dict[str, Any]:
    setting = row.setting
    found: dict[str, Any] = {"setting": setting.name}
    found |= {key: _csv_field(setting.fields.get(key)) for key in fields}
    found |= {
        "n": row.n,
        "seeds": _seeds([member.seed for member in setting.members]),
        "diverged_seeds": _seeds(setting.diverged_seeds),
        "missing_seeds": _seeds(setting.missing_seeds),
        "unproven_seeds": _seeds(setting.unproven),
    }
    for key in ESTIMATES:
        found |= _three(key, row.estimates.get(key))
    found |= {"parameters": row.parameters, "baseline": row.baseline, "pairs": len(row.pairs)}
    found |= _three("difference", row.difference)
    found |= {"pairs_better": row.pairs_better if row.pairs else None}
    found |= _three("better", row.better)
    return found | {
        "p_value": row.p_value,
        "adjusted_p": row.adjusted_p,
        "verdict": row.verdict,
        "pairs_needed": row.pairs_needed,
        "underfits": None if row.baseline is None else row.underfits,
    }


def _three(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    values = (None,) * 3 if estimate is None else (estimate.value, estimate.low, estimate.high)
    return {f"{name}{end}": value for end, value in zip(_ENDS, values, strict=True)}


def _json_row(row: Row) -> dict[str, Any]:
    setting = row.setting
    return {
        "setting": setting.name,
        "fields": setting.fields,
        "n": row.n,
        "runs": {str(member.seed): member.run_id for member in setting.members},
        "diverged": {str(member.seed): member.run_id for member in setting.diverged},
        "missing_seeds": setting.missing_seeds,
        "unproven_seeds": setting.unproven,
        "estimates": {key: asdict(estimate) for key, estimate in row.estimates.items()},
        "parameters": row.parameters,
        "baseline": row.baseline,
        "pairs": [asdict(pair) for pair in row.pairs],
        "pairs_better": row.pairs_better,
        "difference": row.difference and asdict(row.difference),
        "better": row.better and asdict(row.better),
        "p_value": row.p_value,
        "adjusted_p": row.adjusted_p,
        "verdict": row.verdict,
        "pairs_needed": row.pairs_needed,
        "underfits": row.underfits,
    }


def _seeds(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def _csv_field(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, bool | list) else value


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _without_nothing(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_without_nothing(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "items"):
        return {key: _without_nothing(each) for key, each in value.items()}
    return value


# --- to paste -----------------------------------------------------------------------------


def _paper_table(comparison: Comparison) -> list[list[str]]:
    """The heading and the rows, plain text: what a reader of a paper asks for."""
    decides = comparison.metric.value
    shown = [
        key
        for key in _PAPER_ESTIMATES
        if key != decides and any(key in row.estimates for row in comparison.rows)
    ]
    head = ["setting", "n", decides.replace("_", " "), "vs baseline", "better in", "p (Holm)"]
    head += [*(key.replace("_", " ") for key in shown), "verdict"]
    return [head, *(_paper_row(comparison, row, shown) for row in comparison.rows)]


_PAPER_ESTIMATES = ("test_loss", "test_acc", "val_loss", "loss_gap", "test_ece")


def _paper_row(comparison: Comparison, row: Row, shown: Sequence[str]) -> list[str]:
    """Intervals for what decides only: a page is no wider."""
    return [
        row.setting.name,
        str(row.n),
        _with_interval(row.estimates.get(comparison.metric.value)),
        _with_interval(row.difference, "+"),
        f"{row.pairs_better} of {len(row.pairs)}" if row.pairs else "",
        "" if _is_nothing(row.adjusted_p) else f"{row.adjusted_p:.3g}",
        *(_mean(row.estimates.get(key)) for key in shown),
        verdict_words(comparison, row),
    ]


def _mean(estimate: Estimate | None) -> str:
    return "" if estimate is None or math.isnan(estimate.value) else format_number(estimate.value)


def _with_interval(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None or math.isnan(estimate.value):
        return ""
    if math.isnan(estimate.low):
        return format_number(estimate.value, sign)
    low, high = format_number(estimate.low, sign), format_number(estimate.high, sign)
    return f"{format_number(estimate.value, sign)} [{low}, {high}]"


def _notes(comparison: Comparison) -> list[str]:
    missing = missing_sentences(comparison)
    return [*diverged_sentences(comparison), *missing, *comparison.left_out]


def markdown_row(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(map(markdown_escaped, cells))} |"


def markdown_escaped(text: str) -> str:
    """Text whose signs Markdown leaves alone: names such as spatial_dropout and table bars."""
    return re.sub(r"([|_*<])", r"\\\1", text)


def _latex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(_latex_number(cell) for cell in cells)} \\\\"


def _latex_number(cell: str) -> str:
    """A hyphen before a digit is a minus."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", _latex(cell))


_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _latex(text: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return escaped.replace(r"\textless{}=", r"$\le$")
