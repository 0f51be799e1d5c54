"""Commands that show comparisons elsewhere: a report, and TensorBoard."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.compare import (
    AllowMixedOption,
    AtOption,
    BaselineOption,
    MetricOption,
    RunArguments,
    parse_suffix,
    read_and_compare,
    write_output,
)
from dropexp.cli.options import RunsDir
from dropexp.runs.metrics import EpochChoice

if TYPE_CHECKING:
    from dropexp.compare.results import Comparison


class ReportFormat(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MD = "md"


REPORT_HELP = (
    "Write a report: the answer, the table, interactive charts, and how to make it again.\n\n"
    "[bold]dropexp report study=first -o report.html[/bold]\n\n"
    "One file that works offline. Words are as for [bold]dropexp compare[/bold]: folders of run "
    "folders, ids of runs, and filters; without any, all of runs. md is for a pull request or a "
    "paper's appendix."
)
BOARD_HELP = (
    "Show a study in TensorBoard, its seeds averaged: means and 95 % intervals.\n\n"
    "[bold]dropexp board first[/bold]"
)
_DEFAULT = Path("report.html")
_OF_SUFFIX = {
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MD,
}


def report(
    arguments: RunArguments = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write; - for standard output.")
    ] = _DEFAULT,
    format_: Annotated[
        ReportFormat | None,
        typer.Option("--format", "-f", help="Default: what the file's name says, or html."),
    ] = None,
    metric: MetricOption = None,
    at: AtOption = EpochChoice.BEST,
    baseline: BaselineOption = None,
    allow_mixed: AllowMixedOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    format_ = format_ or parse_suffix(output, _OF_SUFFIX) or ReportFormat.HTML
    if format_ is ReportFormat.MD and output == _DEFAULT:
        output = _DEFAULT.with_suffix(".md")
    comparison, folders = read_and_compare(arguments, metric, at, baseline, allow_mixed, runs_dir)
    text = _text(comparison, format_, folders)
    if write_output(output, text):
        from dropexp.report.answer import answer

        typer.echo(" ".join(answer(comparison)))
        typer.echo(f"written to {output} ({len(text.encode()) / 1e6:.1f} MB)")


def _text(comparison: "Comparison", format_: ReportFormat, folders: list[Path]) -> str:
    import sys

    from dropexp.compare.provenance import trace_provenance
    from dropexp.report import markdown, render_page

    provenance = trace_provenance(folders, comparison, sys.argv[1:])
    render = render_page if format_ is ReportFormat.HTML else markdown
    return render(comparison, provenance)


def board(
    study: Annotated[str, typer.Argument(metavar="STUDY", show_default=False)],
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start TensorBoard, or say how to.")
    ] = True,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    import subprocess
    import sys
    from shlex import quote

    from dropexp.compare import find_runs
    from dropexp.compare.grouping import group_runs
    from dropexp.report.board import write_board

    found, left_out = find_runs([f"study={study}"], runs_dir)
    settings = [setting for setting, _ in group_runs(found)]
    folder = write_board(runs_dir, study, settings)
    for sentence in left_out:
        typer.echo(sentence)
    typer.echo(f"{len(settings)} settings, mean and 95 % interval each: {folder}")
    typer.echo(f"tensorboard --logdir {quote(str(folder))}")
    if start:
        subprocess.run([sys.executable, "-m", "tensorboard.main", "--logdir", folder], check=True)
