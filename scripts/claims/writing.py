"""Write findings as text for a terminal and as a page of Markdown."""

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
    """Print a claim with its verdict, and below it the measurement and the method."""
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
    """Count the verdicts: ``6 hold, 7 do not hold, 5 depend``."""
    words = {
        Verdict.HOLDS: "hold",
        Verdict.DOES_NOT_HOLD: "do not hold",
        Verdict.DEPENDS: "depend",
        Verdict.NEEDS_STUDIES: "need --studies",
    }
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in words}
    return ", ".join(f"{counts[verdict]} {words[verdict]}" for verdict in words if counts[verdict])


def page(findings: Sequence[Finding], seconds: float) -> str:
    """Return the page: the table, and how to make it again."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blocks = [
        "# The article's claims, measured",
        "dropexp began from an article about `torch.nn.functional.dropout2d` and its relatives. "
        f"Of the article's {len(CLAIMS)} claims, {summary(findings)}.",
        f"Written by `scripts/article_claims.py` on {datetime.date.today().isoformat()} with "
        f"dropexp {__version__} and torch {torch.__version__}, on the CPU of a machine with "
        f"{cores} cores. Claims 1 to 14 took {seconds:.0f} s of one core.",
        table(findings),
        "Each verdict follows from the numbers by the rule at the end of its row. Intervals are "
        "95 % t intervals. Differences are paired, seed by seed. p is the probability of dropping.",
        "These are the studies that `scripts/article_claims.py --studies` trains and reads:",
        "```bash\n" + "\n".join(command(study) for study in STUDIES) + "\n```",
    ]
    return "\n\n".join(blocks) + "\n"


def table(findings: Sequence[Finding]) -> str:
    """Return a Markdown table with one row per claim."""
    head = ("#", "The article says", "Measured", "Verdict", "How")
    rows = [(str(f.claim), f.says, f.measured, f"**{f.verdict}**", f.evidence) for f in findings]
    lines = [_row(head), _row(["---"] * len(head)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |"


def _escaped(text: str) -> str:
    """Escape Markdown's special characters, except in code and bold verdicts."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    return "".join(
        part.replace("|", r"\|") if index % 2 else escape_markdown(part)
        for index, part in enumerate(parts)
    )
