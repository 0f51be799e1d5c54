"""What early stopping explains of each regulariser's gain: terminal table, Markdown, CSV, JSON."""

import math
from typing import Any

from rich.text import Text

from dropexp.compare.cells import estimate_cell
from dropexp.compare.data_files import replace_non_finite, write_csv, write_json
from dropexp.compare.early_stopping import StoppingRow, StoppingShares
from dropexp.compare.markdown import escape_markdown, format_plain_table
from dropexp.compare.notes import describe_still_improving, describe_too_few
from dropexp.compare.results import Row
from dropexp.compare.rules import TestKind
from dropexp.runs.metric_types import Metric, Notation
from dropexp.statistics import Estimate
from dropexp.terminal.tables import Column, format_table, wrap_paragraphs

_EXCEPT = "Those of early stopping alone and of the share are for one look at the seeds. "


def describe_shares(shares: StoppingShares) -> list[str]:
    """Return the sentences above the table: what is compared, and how to read it."""
    metric, rule = shares.metric, shares.last.rule
    side = "below" if metric.sign > 0 else "above"
    return [
        f"{metric.name[0].upper()}{metric.name[1:]}, paired with the baseline seed by seed; {side} "
        f"0 is {metric.improvement}. Gain: the difference where both train to the last epoch. "
        "Early stopping alone: the baseline at its lowest validation loss less itself at its last "
        "epoch. Share: early stopping alone / gain.",
        "Both stopped: the difference where both are at their lowest validation loss, what is left "
        f"beside early stopping. Equal fit: the difference in {shares.matched.metric.name} at the "
        f"first epoch with a training loss of at most {shares.matched.target:.3g}, which every run "
        "reaches.",
        f"{rule.confidence:.0%} intervals, each for one row; that of the share is Fieller's. "
        f"{_EXCEPT if shares.last.test.kind is TestKind.ANYTIME else ''}"
        f"Verdicts: {shares.last.test.kind} test, {rule.correction_name}, p <= {rule.alpha:g}, as "
        "dropexp compare --at last, best and matched.",
    ]


def describe_limits(shares: StoppingShares) -> list[str]:
    """Return the sentences below the table: too few seeds, baselines with nothing to stop."""
    names = {row.baseline for row in shares.rows}
    baselines = [row for row in shares.last.rows if row.setting.name in names]
    return [
        *describe_too_few(shares.last, [row.last for row in shares.rows]),
        *(
            f"Early stopping has nothing to stop where the baseline still improves. {text}"
            for text in describe_still_improving(baselines)
        ),
    ]


def list_share_columns(shares: StoppingShares, notation: Notation) -> list[Column[StoppingRow]]:
    """Return the columns of the table of shares."""

    def show(estimate: Estimate | None, metric: Metric) -> str:
        cell = estimate_cell(estimate, metric, notation, is_signed=True)
        return cell.in_short

    def show_row(row: Row | None, metric: Metric) -> str:
        if row is None or row.verdict is None:
            return ""
        return f"{show(row.difference, metric)} {row.verdict}"

    metric, at_fit = shares.metric, shares.matched.metric
    return [
        Column("setting", lambda each: each.name, align="left", is_required=True, wrap_to=24),
        Column("gain", lambda each: show_row(each.last, metric), align="left", is_required=True),
        Column("early stopping alone", lambda each: show(each.alone, metric), is_required=True),
        Column("share", lambda each: _show_share(each.share), is_required=True),
        Column("both stopped", lambda each: show_row(each.best, metric), align="left"),
        Column("equal fit", lambda each: show_row(each.matched, at_fit), align="left"),
    ]


def _show_share(share: Estimate | None) -> str:
    if share is None:
        return "no gain"
    if not math.isfinite(share.low):
        return f"{share.value:.0%}"
    return f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def format_shares(shares: StoppingShares, width: int | None) -> list[Text]:
    """Return the answer as lines for a terminal.

    Args:
        shares: what to show.
        width: of the terminal in characters; None shows every column.
    """
    return [
        *wrap_paragraphs(describe_shares(shares), width, "dim"),
        Text(),
        *format_table(
            list_share_columns(shares, Notation.TERMINAL),
            shares.rows,
            width=width,
            dropped_hint="-o table.csv has all",
        ),
        *_format_limits(shares, width),
    ]


def _format_limits(shares: StoppingShares, width: int | None) -> list[Text]:
    limits = describe_limits(shares)
    return [Text(), *wrap_paragraphs(limits, width)] if limits else []


def format_shares_markdown(shares: StoppingShares) -> str:
    """Return the answer as Markdown."""
    table = format_plain_table(list_share_columns(shares, Notation.DOCUMENT), shares.rows)
    above, below = (
        [escape_markdown(text) for text in texts]
        for texts in (describe_shares(shares), describe_limits(shares))
    )
    return "\n\n".join([*above, table, *below]) + "\n"


def format_shares_csv(shares: StoppingShares) -> str:
    """Return the answer as CSV, one line for each setting, numbers unrounded."""
    return write_csv(tabulate_shares(shares))


def tabulate_shares(shares: StoppingShares) -> list[dict[str, Any]]:
    """Return each setting as CSV column → value; None for no value."""
    return [replace_non_finite(_tabulate(row)) for row in shares.rows]


def format_shares_json(shares: StoppingShares) -> str:
    """Return the answer as JSON."""
    return write_json(
        {
            "metric": shares.metric.key,
            "equal_fit_metric": shares.matched.metric.key,
            "equal_fit_train_loss": shares.matched.target,
            "sentences": [*describe_shares(shares), *describe_limits(shares)],
            "rows": tabulate_shares(shares),
        }
    )


def _tabulate(row: StoppingRow) -> dict[str, Any]:
    estimates = {
        "gain": row.last.difference,
        "early_stopping_alone": row.alone,
        "share": row.share,
        "both_stopped": row.best.difference,
        "equal_fit": row.matched.difference if row.matched else None,
    }
    verdicts = {
        "gain_verdict": row.last.verdict,
        "both_stopped_verdict": row.best.verdict,
        "equal_fit_verdict": row.matched.verdict if row.matched else None,
    }
    cells: dict[str, Any] = {"setting": row.name, "baseline": row.baseline, "n": row.alone.n}
    for name, estimate in estimates.items():
        for suffix, field in (("", "value"), ("_low", "low"), ("_high", "high")):
            cells[name + suffix] = getattr(estimate, field, None)
    return cells | verdicts
