"""The sites and the checks of an audit as tables for a terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dropexp.terminal.tables import Column, format_table, wrap_text

if TYPE_CHECKING:
    from dropexp.training.audit_report import AuditReport

_NARROWEST_MEANING = 30

Check = Mapping[str, Any]
"""A check as audit.json holds it; the oldest files have no relation."""


def format_audit(checks: Sequence[Check], width: int | None) -> list[Text]:
    """Return one line for each check: whether it passed, its value, its bound, its meaning.

    Below, what usually causes the checks that failed.

    Args:
        checks: as audit.json holds them.
        width: of the terminal in characters; None shows everything. What a failed check means is
            shown on every terminal.

    Raises:
        KeyError, TypeError, ValueError: a check is damaged.
    """
    lines = format_table(_COLUMNS, checks, width=width, row_style=_row_style)
    if any("no room for" in line.plain for line in lines):
        failed = [check for check in checks if not check["passed"]]
        lines += [Text(f"{check['name']}: {check['meaning']}", "red") for check in failed]
    causes = {check["name"]: check.get("usual_cause") for check in checks if not check["passed"]}
    for name, cause in causes.items():
        if cause:
            text = f"usual cause of {name}: {cause}"
            lines += [Text(line, "red") for line in wrap_text(text, width)]
    return lines


def format_sites(report: "AuditReport", classes: Mapping[str, str]) -> list[Text]:
    """Return one line for each site that the regulariser fills, with its measured drop rate.

    Args:
        report: of the audit.
        classes: name of a site → class of the module that fills it.
    """
    columns: tuple[Column[str], ...] = (
        Column("site", str, align="left"),
        Column("filled by", lambda name: classes[name], align="left"),
        Column("p", lambda name: f"{report.sites[name]:.4g}"),
        Column("drop\nrate", lambda name: format_value(report.drop_rates.get(name))),
    )
    return format_table(columns, list(report.sites)) if report.sites else []


def format_value(value: float | None) -> str:
    """Return a measured value with three digits; empty where there is none."""
    return "" if value is None else f"{value:.3g}"


def _format_bound(check: Check) -> str:
    return f"{check.get('relation', '')} {format_value(check['bound'])}".strip()


def _row_style(check: Check) -> str:
    return "" if check["passed"] else "red"


_COLUMNS: tuple[Column[Check], ...] = (
    Column("", lambda c: "ok" if c["passed"] else "FAILED", align="left", is_required=True),
    Column("check", lambda c: str(c["name"]), align="left", is_required=True),
    Column("value", lambda c: format_value(c["value"])),
    Column("bound", _format_bound),
    Column(
        "what was measured", lambda c: str(c["meaning"]), align="left", wrap_to=_NARROWEST_MEANING
    ),
)
