"""Write findings as text for a terminal and as a page of Markdown."""

import datetime
import re
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from claims.finding import CLAIMS, ClaimVerdict, Finding
from claims.studies import STUDIES, format_command
from dropexp import __version__
from dropexp.compare.markdown import escape_markdown
from dropexp.training.environment import describe_processor
from dropexp.training.threads import count_cores

LIMITS = (
    "Three verdicts say less than their word. Row 15 found no disadvantage, which does not exclude "
    "one: on Fashion-MNIST its intervals reach 0.016 nats beside dropout2d and 0.014 beside "
    "dropout. Row 16 is a case and no rule: at p = 0.7 of both, dropout drops 70 % of the "
    "activations and stochastic depth 39 % of the branches in the mean, and in ResNet-8 stochastic "
    "depth is worse at every equal mean rate and at the best p of each. Row 18 depends because "
    "nothing is shown on Fashion-MNIST at the best epoch: its six seeds find a difference as large "
    "as that of the fresh digits, 0.36 of their standard deviations, with a power of 8 %. Each "
    "test is at the 5 % level alone: nothing is corrected over the rows of this table."
)
"""What the verdicts of the studies leave open; update it with the page."""

REPEATED = (
    "On an AMD EPYC with AVX2 all 16 claims without a study had the same verdict on 2026-11-27, "
    "and the same numbers but for times and the bytes of a Python object: there DropConnect took "
    "1.42 of the time of dropout with a mask for each example and 0.80 with one for each batch.",
    "With the plainest instructions of the first processor 15 of the 16 had the same verdict on "
    "2026-11-26. Claim 12 had not: there DropConnect took 0.57 of the time of dropout with a mask "
    "for each example and 0.89 with one for each batch, and does not cost more. Of the studies "
    "five runs of claims_digits were repeated: the test loss at the best epoch moved by at most "
    "0.0008.",
)
"""What was found when claims were measured on other processors; update it with the page."""

_WIDEST = 110  # columns: longer lines are hard to read
_STYLES = {
    ClaimVerdict.HOLDS: "green",
    ClaimVerdict.DOES_NOT_HOLD: "red",
    ClaimVerdict.DEPENDS: "yellow",
    ClaimVerdict.NEEDS_STUDIES: "dim",
}


def print_finding(console: Console, finding: Finding) -> None:
    """Print a claim with its verdict, and below it the measurement and the method."""
    width = min(console.width, _WIDEST)
    head = Table.grid(padding=(0, 2))
    head.add_column(width=2, justify="right")
    head.add_column(width=max(map(len, ClaimVerdict)), style=_STYLES[finding.verdict])
    head.add_column(style="bold")
    head.add_row(str(finding.claim), finding.verdict, finding.text)
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim")
    body.add_column()
    for label, text in (("measured", finding.measured), ("how", finding.evidence)):
        body.add_row(label, Text(text.replace("`", ""), style="dim" if label == "how" else ""))
    console.print(head, width=width)
    console.print(Padding(body, (0, 0, 1, 4)), width=width)


def count_verdicts(findings: Sequence[Finding]) -> str:
    """Return the number of each verdict: ``6 hold, 7 do not hold, 5 depend``."""
    verbs = {
        ClaimVerdict.HOLDS: "hold",
        ClaimVerdict.DOES_NOT_HOLD: "do not hold",
        ClaimVerdict.DEPENDS: "depend",
        ClaimVerdict.NEEDS_STUDIES: "need --studies",
    }
    counts = {verdict: sum(f.verdict is verdict for f in findings) for verdict in verbs}
    return ", ".join(f"{counts[verdict]} {verbs[verdict]}" for verdict in verbs if counts[verdict])


def format_page(findings: Sequence[Finding], seconds: float) -> str:
    """Return the page of docs: the table, and the commands that repeat the studies."""
    blocks = [
        "# The article's claims, measured",
        "dropexp began from an article about `torch.nn.functional.dropout2d` and its relatives. "
        f"Of the article's {len(CLAIMS)} claims, {count_verdicts(findings)}.",
        f"Written by `scripts/article_claims.py` on {datetime.date.today().isoformat()} with "
        f"dropexp {__version__} and torch {torch.__version__}, on the CPU of a machine with "
        f"{count_cores()} cores ({describe_processor(torch.device('cpu'))}). Claims without a "
        f"study took {seconds:.0f} s of one core.",
        format_table(findings),
        "Each verdict follows from the numbers by the rule at the end of its row. Intervals are "
        "95 % t intervals. Differences are paired, seed by seed. p is the probability of dropping.",
        "These are the studies that `scripts/article_claims.py --studies` trains and reads:",
        "```bash\n" + "\n".join(format_command(study) for study in STUDIES) + "\n```",
        "They are small, so that they take minutes: a few strengths, ten to thirty epochs, a "
        "ResNet-8 of three branches and a ResNet-20 of nine. The intervals cover new seeds on "
        "these images, not new images.",
        LIMITS,
        "## On another processor",
        "Another processor rounds sums in another order, and training amplifies that. This "
        "command repeats everything on another one, or with the plainest instructions of the same "
        "one, if `ATEN_CPU_CAPABILITY=default` and `DNNL_MAX_CPU_ISA=SSE41` are exported before:",
        "```bash\nscripts/article_claims.py --studies -r runs/other_processor\n```",
        *REPEATED,
    ]
    return "\n\n".join(blocks) + "\n"


def format_table(findings: Sequence[Finding]) -> str:
    """Return a Markdown table with one row per claim."""
    head = ("#", "The article says", "Measured", "Verdict", "How")
    rows = [(str(f.claim), f.text, f.measured, f"**{f.verdict}**", f.evidence) for f in findings]
    lines = [
        _format_row(head),
        _format_row(["---"] * len(head)),
        *(_format_row(row) for row in rows),
    ]
    return "\n".join(lines)


def _format_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_escape, cells))} |"


def _escape(text: str) -> str:
    """Escape Markdown's special characters, except in code and bold verdicts."""
    parts = re.split(r"(`[^`]*`|\*\*[^*]*\*\*)", text)
    return "".join(
        part.replace("|", r"\|") if index % 2 else escape_markdown(part)
        for index, part in enumerate(parts)
    )
