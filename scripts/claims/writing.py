"""Findings as lines for a terminal and as a page of Markdown."""

import datetime
import os
import re
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from claims.finding import CLAIMS, Finding, Verdict
from claims.studies import STUDIES, command
from dropexp import __version__
from dropexp.compare.markdown import escape_markdown

_WIDEST = 110  # columns: longer lines are hard to read
_STYLES = {
    Verdict.HOLDS: "green",
    Verdict.DOES_NOT_HOLD: "red",
    Verdict.DEPENDS: "yellow",
    Verdict.NEEDS_STUDIES: "dim",
}


def show(console: Console, finding: Finding) -> None:
    """A claim with its verdict; below, what was measured, and how."""
    width = min(console.width, _WIDEST)
    head = Table.grid(padding=(0, 2))
    head.add_column(width=2, justify="right")
    head.add_column(width=max(map(len, Verdict)), style=_STYLES[finding.verdict])
    head.add_column(style="bold")
    head.add_row(str(finding.claim), finding.verdict, finding.says)
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim")
    body.add_column()
    for label, text in (("measured", finding.measured), ("how", finding.evidence)):
        body.add_row(label, Text(text.replace("`", ""), style="dim" if label == "how" else ""))
    console.print(head, width=width)
    console.print(Padding(body, (0, 0, 1, 4)), width=width)


def summary(findings: Sequence[Finding]) -> str:
    """``6 hold, 7 do not hold, 5 depend``."""
    words = {
        Verdict.HOLDS: "hold",
        Verdict.DOES_NOT_HOLD: "do not hold",
        Verdict.DEPENDS: "depend",
        Verdict.NEEDS_STUDIES: "need --studies",
    }
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in words}
    return ", ".join(f"{counts[verdict]} {words[verdict]}" for verdict in words if counts[verdict])


def page(findings: Sequence[Finding], seconds: float) -> str:
    """The table with what is needed to make it again."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blocks = [
        "# The article's claims, measured",
        f"Of {len(CLAIMS)} claims, {summary(findings)}. Written by `scripts/article_claims.py` on "
        f"{datetime.date.today().isoformat()}: dropexp {__version__}, torch {torch.__version__}, "
        f"on the CPU of a machine with {cores} cores. "
        f"The quick claims took {seconds:.0f} s of one core.",
        table(findings),
        "A verdict follows from the numbers by the rule at the end of its evidence. Intervals are "
        "95 % t intervals; differences are paired, seed by seed. p is the probability of dropping.",
        "The studies, which `scripts/article_claims.py --studies` trains and reads:",
        "```\n" + "\n".join(command(study) for study in STUDIES) + "\n```",
    ]
    return "\n\n".join(blocks) + "\n"


def table(findings: Sequence[Finding]) -> str:
    """A Markdown table, one row a claim."""
    head = ("#", "The article says", "Measured", "Verdict", "How")
    rows = [(str(f.claim), f.says, f.measured, f"**{f.verdict}**", f.evidence) for f in findings]
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Signs that Markdown would take for its own, but for code and bold verdicts."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    return "".join(
        part.replace("|", r"\|") if index % 2 else escape_markdown(part)
        for index, part in enumerate(parts)
    )
