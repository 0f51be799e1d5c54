#!/usr/bin/env python3
"""Measure the claims of the article that dropexp began from.

    scripts/article_claims.py              measure the claims that need no study, in a minute
    scripts/article_claims.py --studies    also train what the others need, in a quarter of an hour
    scripts/article_claims.py -o docs/findings/article-claims.md    also write the page

An interrupted study resumes. Finished runs are only read, with or without --studies.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from rich.console import Console

from claims import (
    dropconnect,
    dropout2d,
    implementations,
    memory,
    spatial,
    studies,
    trained,
    writing,
)
from claims.finding import Finding
from dropexp.randomness import global_stream

QUICK: tuple[Callable[[], Finding], ...] = (
    dropout2d.measure_channels,
    dropout2d.measure_scale,
    dropout2d.measure_ranks,
    memory.measure_inplace,
    dropout2d.measure_inplace,
    dropout2d.measure_evaluation,
    dropout2d.measure_separate_p,
    memory.measure_module,
    dropout2d.measure_shapes,
    dropconnect.measure_scaling,
    dropconnect.measure_smoothness,
    dropconnect.measure_cost,
    spatial.measure_dropping,
    spatial.measure_local_features,
    dropout2d.measure_sameness,
    implementations.measure_implementations,
)


def measure_quick_findings() -> Iterator[Finding]:
    """Yield the findings that need no study, each from a random stream of its own."""
    for number, measure in enumerate(QUICK, start=1):
        with global_stream(number, "masks"):
            yield measure()


def main() -> None:
    options = _parse_options()
    torch.set_num_threads(1)  # one order of sums on every machine; claim 12 needs CPU time
    console = Console(highlight=False)
    start = time.process_time()
    findings = []
    for finding in measure_quick_findings():
        findings.append(finding)
        writing.print_finding(console, finding)
    seconds = time.process_time() - start
    if options.studies:
        for study in studies.STUDIES:
            studies.train(study, options.runs_dir, options.data_root)
    for finding in trained.measure_findings(options.runs_dir):
        findings.append(finding)
        writing.print_finding(console, finding)
    findings.sort(key=lambda finding: finding.claim)
    console.print(writing.count_verdicts(findings))
    if options.output is not None:
        options.output.write_text(writing.format_page(findings, seconds), encoding="utf-8")
        console.print(f"written to {options.output}")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--studies", action="store_true", help="train the studies that claims 15 to 18 and 21 need"
    )
    parser.add_argument(
        "-r", "--runs-dir", type=Path, default=Path("runs/article_claims"), metavar="DIR",
        help="folder of the studies' runs (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--data-root", type=Path, metavar="DIR",
        help="folder of Fashion-MNIST's files (default: where dropexp looks for them)",
    )  # fmt: skip
    parser.add_argument(
        "-o",
        "--markdown",
        type=Path,
        dest="output",
        metavar="FILE",
        help="also write the table to FILE as Markdown",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
