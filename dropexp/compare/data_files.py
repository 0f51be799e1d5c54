"""A comparison as CSV and JSON: every number unrounded, and fractions in [0, 1]."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dropexp.compare.compared_runs import ComparedRuns
from dropexp.compare.headline import describe_choice
from dropexp.compare.notes import NOT_COUNTED, is_not_counted
from dropexp.compare.results import Comparison, Row
from dropexp.config.setting import is_of_regulariser
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, Verdict
from dropexp.terminal.plain_text import escape_in_json, make_csv_cell, make_csv_text


def tabulate(comparison: Comparison) -> list[dict[str, Any]]:
    """Return each setting as CSV column → value, in the order of rows; None for no value.

    An estimate has three columns: the value, and the low and the high end of its interval. Every
    comparison has the same columns, except for the fields of settings, which follow ``setting``.
    """
    fields = _distinguishing_fields(comparison)
    metrics = list(dict.fromkeys((*METRIC_REGISTRY, comparison.metric.key)))
    if comparison.source:
        metrics = [comparison.metric.key]
    return [_csv_row(row, fields, metrics) for row in comparison.rows]


def format_csv(comparison: Comparison, columns: Sequence[str] | None = None) -> str:
    """Return a comparison as CSV, one line for each setting; a missing number is an empty cell.

    A text that a spreadsheet program would run as a formula has an apostrophe before it.

    Args:
        comparison: the comparison to write.
        columns: the columns to write, of those of tabulate; None: all.
    """
    return write_csv(tabulate(comparison), columns)


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Return rows as CSV; see format_csv.

    Args:
        rows: column → value, at least one; all with the same columns.
        columns: the columns to write; None: all.
    """
    names = list(rows[0]) if columns is None else columns
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(make_csv_text, names))
    writer.writerows([make_csv_cell(row[name]) for name in names] for row in rows)
    return file.getvalue()


def format_json(comparison: Comparison) -> str:
    """Return a comparison as JSON: the question, the test, and each row; null for no number."""
    plain = {
        "metric": comparison.metric.key,
        "at": None if comparison.source else comparison.at,
        "source": comparison.source or None,
        "test": comparison.test.kind,
        "test_reason": comparison.test.reason,
        "correction": comparison.rule.correction_name,
        "tests": comparison.tests,
        "alpha": comparison.alpha,
        "margin": comparison.rule.margin,
        "confidence": comparison.confidence,
        "matched_train_loss": comparison.target,
        "headline": _describe_headline(comparison),
        "sentences": comparison.sentences,
        "left_out": comparison.left_out,
        "shared": comparison.shared,
        "axes": comparison.axes,
        "rows": [_json_row(row) for row in comparison.rows],
    }
    return write_json(plain)


def write_json(plain: Mapping[str, Any]) -> str:
    """Return plain values as JSON; null for a number that is not finite."""
    finite = replace_non_finite(plain)
    text = json.dumps(finite, indent=2, ensure_ascii=False, allow_nan=False)
    return escape_in_json(text) + "\n"


def _describe_headline(comparison: Comparison) -> dict[str, Any] | None:
    """Return the row that validation results choose, and its size without the luck of the choice.

    ``held_out`` is null where no seed can be held out.
    """
    headline = describe_choice(comparison)
    if headline is None:
        return None
    return {
        "setting": headline.row.setting.name,
        "candidates": headline.candidates,
        "is_stable": headline.is_stable,
        "held_out": headline.held_out.value,
    }


def _distinguishing_fields(comparison: Comparison) -> list[str]:
    """Return the regularisers' own fields, and those in which settings differ."""
    if comparison.source:
        return list(comparison.rows[0].setting.fields)
    own = dict.fromkeys(
        key for row in comparison.rows for key in row.setting.fields if is_of_regulariser(key)
    )
    return [*own, *(axis for axis in comparison.axes if axis not in own)]


def _csv_row(row: Row, fields: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    setting = row.setting
    cells: dict[str, Any] = {"setting": setting.name}
    prefix = "setting." if setting.own_name else ""  # a column of a file may have any name
    cells |= {f"{prefix}{key}": setting.fields.get(key) for key in fields}
    cells |= {
        "n": row.n,
        "seeds": _join(setting.completed.seeds),
        "diverged_seeds": _join(setting.diverged_seeds),
        "missing_seeds": _join(setting.missing_seeds),
        "unproven_seeds": _join(setting.unproven_seeds),
    }
    for key in metrics:
        cells |= _estimate_cells(key, row.estimates.get(key))
    cells |= {
        "parameters": row.parameters or None,
        "baseline": row.baseline,
        "pairs": len(row.pairs),
    }
    cells |= _estimate_cells("difference", row.difference)
    cells |= {"pairs_better": row.pairs_better if row.pairs else None}
    cells |= _estimate_cells("better", row.better)
    half = row.other_half
    return cells | {
        "p_value": row.p_value,
        "adjusted_p": row.adjusted_p,
        "verdict": _name_verdict(row, row.verdict),
        "evidence": row.evidence,
        "evidence_needed": row.evidence_needed,
        "more_seeds_low": row.forecast and row.forecast.low,
        "more_seeds_high": row.forecast and row.forecast.high,
        "still_open": row.forecast and row.forecast.still_open,
        "uncounted_pairs": row.uncounted if row.pairs else None,
        "selection_score": row.selection_score,
        "other_at": half and half.at,
        **_estimate_cells("other_difference", half.difference if half else None),
        "other_verdict": half and _name_verdict(row, half.verdict),
        "underfits": None if row.baseline is None else str(row.underfits),
    }


def _name_verdict(row: Row, verdict: Verdict | None) -> str | None:
    """Return a verdict in the words of the table."""
    return NOT_COUNTED if is_not_counted(row) else verdict


def _estimate_cells(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _name_runs(runs: ComparedRuns) -> dict[str, str]:
    """Return the id of each run by its seed."""
    return dict(zip(map(str, runs.seeds), runs.run_ids, strict=True))


def _json_row(row: Row) -> dict[str, Any]:
    setting = row.setting
    return {
        "setting": setting.name,
        "fields": setting.fields,
        "n": row.n,
        "runs": _name_runs(setting.completed),
        "diverged": _name_runs(setting.diverged),
        "missing_seeds": setting.missing_seeds,
        "unproven_seeds": setting.unproven_seeds,
        "estimates": {key: asdict(estimate) for key, estimate in row.estimates.items()},
        "parameters": row.parameters,
        "baseline": row.baseline,
        "pairs": [pair._asdict() for pair in row.pairs],
        "pairs_better": row.pairs_better,
        "difference": row.difference and asdict(row.difference),
        "better": row.better and asdict(row.better),
        "p_value": row.p_value,
        "adjusted_p": row.adjusted_p,
        "verdict": _name_verdict(row, row.verdict),
        "evidence": row.evidence,
        "evidence_needed": row.evidence_needed,
        "more_seeds": row.forecast and asdict(row.forecast),
        "uncounted_pairs": row.uncounted,
        "selection_score": row.selection_score,
        "other_half": row.other_half
        and asdict(row.other_half) | {"verdict": _name_verdict(row, row.other_half.verdict)},
        "underfits": row.underfits,
    }


def _join(seeds: Sequence[int]) -> str:
    return " ".join(map(str, seeds))


def replace_non_finite(value: Any) -> Any:
    """Return plain values with None in place of NaN and infinity, which JSON lacks."""
    if isinstance(value, list | tuple):
        return [replace_non_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: replace_non_finite(each) for key, each in value.items()}
    return value
