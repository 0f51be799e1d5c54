"""The report of the doctor as lines for a terminal."""

from typing import TYPE_CHECKING

from rich.text import Text

from dropexp.terminal.numbers import format_count
from dropexp.terminal.tables import Column, format_table, wrap_text

if TYPE_CHECKING:
    from dropexp.doctor import DoctorReport, NoiseSite

_STYLES = {"error": "red", "note": "yellow"}


def format_report(report: "DoctorReport", heading: str, width: int | None) -> list[Text]:
    """Return the sites as a table, then the findings, then how many errors there are.

    Args:
        report: of the doctor.
        heading: the first line.
        width: of the terminal in characters; None shows everything.
    """
    lines = [Text(heading, "bold"), Text()]
    lines += (
        format_table(_COLUMNS, report.sites, width=width)
        if report.sites
        else [Text("no dropout, and nothing like it")]
    )
    lines.append(Text())
    for finding in report.findings:
        text = f"{finding.level}  {finding.mistake}: {finding.message}"
        lines += [Text(line, _STYLES[finding.level]) for line in wrap_text(text, width)]
    count = len(report.errors)
    ending = format_count(count, "error") if count else "nothing is wrong"
    return [*lines, Text(ending, "red" if count else "green")]


def _format(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


_COLUMNS: tuple[Column["NoiseSite"], ...] = (
    Column("where", lambda s: s.module or "forward", align="left", is_required=True, wrap_to=12),
    Column("what", lambda s: s.what, align="left", is_required=True, wrap_to=20),
    Column(
        "eval",
        lambda s: "silent" if s.is_silent_in_eval else "ON",
        align="left",
        style=lambda s: "" if s.is_silent_in_eval else "red",
        is_required=True,
    ),
    Column("p", lambda s: _format(s.p)),
    Column("drop\nrate", lambda s: _format(s.drop_rate)),
    Column("drops", lambda s: s.axis, align="left"),
    Column("kept\n×", lambda s: _format(s.scale)),
)
