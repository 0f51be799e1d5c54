"""The commands that show a comparison outside of the terminal: report and board.

Everything heavy is imported when a command is called.
"""

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.compare import read_and_compare
from dropexp.cli.options import RunsDir, complete_study
from dropexp.cli.output_files import parse_suffix, write_output
from dropexp.cli.question_options import (
    AllowMixedOption,
    AtOption,
    BaselineOption,
    ComparisonOptions,
    CorrectionOption,
    MarginOption,
    MetricOption,
    RunArguments,
    TestOption,
)
from dropexp.cli.results_files import FileOptions, HigherOption, SeedOption, SettingOption
from dropexp.cli.table_options import ReverseOption, SortOption, TableOptions
from dropexp.errors import UserError
from dropexp.terminal.numbers import format_count, format_size

if TYPE_CHECKING:
    from dropexp.compare.effects import Effects
    from dropexp.compare.found_runs import FoundRuns
    from dropexp.compare.learning import LearningCurves
    from dropexp.compare.results import Comparison
    from dropexp.runs.searches import SearchRecord


class ReportFormat(StrEnum):
    """The format of a report."""

    HTML = "html"
    MD = "md"


REPORT_DETAILS = (
    "[bold]dropexp report study=first -o report.html[/bold]\n\n"
    "The report is one file that works offline and says how to reproduce it. Arguments are as for "
    "[bold]dropexp compare[/bold]: folders of runs, ids of runs, and filters. html is "
    "interactive; md is for a pull request or an appendix."
)
BOARD_DETAILS = (
    "[bold]dropexp board first[/bold]\n\n"
    "Each setting is one run of TensorBoard: Custom Scalars draws its mean with a 95% interval, "
    "HParams lists its mean results. The event files stand beside the runs folder, so that "
    "[bold]tensorboard --logdir runs[/bold] shows single runs only."
)
_DEFAULT_OUTPUT = Path("report.html")
_MOST_CURVES = 8
"""Learning curves in a report."""
_MOST_EFFECTS = 30
"""Effects and interactions in a report."""

FORMAT_OF_SUFFIX = {
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".md": ReportFormat.MD,
}


def report(
    arguments: RunArguments = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help='File to write ("-" for standard output).'
        ),
    ] = _DEFAULT_OUTPUT,
    format_: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="html or md. Default: from the suffix of FILE, or html.",
        ),
    ] = None,
    metric: MetricOption = None,
    at: AtOption = None,
    baseline: BaselineOption = None,
    test: TestOption = None,
    correction: CorrectionOption = None,
    margin: MarginOption = None,
    sort: SortOption = None,
    reverse: ReverseOption = False,
    setting: SettingOption = None,
    seed: SeedOption = None,
    higher_is_better: HigherOption = None,
    allow_mixed: AllowMixedOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    format_ = format_ or parse_suffix(output, FORMAT_OF_SUFFIX) or ReportFormat.HTML
    if format_ is ReportFormat.MD and output == _DEFAULT_OUTPUT:
        output = _DEFAULT_OUTPUT.with_suffix(".md")
    options = ComparisonOptions(
        metric=metric,
        at=at,
        baseline=baseline,
        test=test,
        correction=correction,
        margin=margin,
        allow_mixed=allow_mixed,
    )
    of_file = FileOptions(setting=setting, seed=seed, higher_is_better=higher_is_better)
    comparison, found, stated = read_and_compare(
        arguments, options, runs_dir, of_file, with_curves=True
    )
    comparison = TableOptions(sort, reverse).sort(comparison)
    text = render_report(comparison, found, format_, [*sys.argv[1:], *stated])
    if write_output(output, text):
        from rich.text import Text

        from dropexp.cli.console import CommandConsole
        from dropexp.report.answer import answer

        console = CommandConsole()
        console.print_sentence(Text(" ".join(answer(comparison))))
        size = format_size(len(text.encode(errors="backslashreplace")))
        console.print_line(Text(f"written to {output} ({size})"))


def render_report(
    comparison: "Comparison", found: "FoundRuns", format_: ReportFormat, command: list[str]
) -> str:
    """Return a report with the commands that make its runs again.

    Args:
        comparison: to report on.
        found: its runs.
        format_: of the report.
        command: the words behind ``dropexp`` that write this report.
    """
    from dropexp.compare.provenance import trace_provenance
    from dropexp.report import render_markdown, render_page

    folders = found.list_folders()
    provenance = trace_provenance(folders, comparison, command)
    if format_ is ReportFormat.MD:
        return render_markdown(
            comparison, provenance, _find_learning(comparison), _find_effects(comparison, found)
        )
    return render_page(
        comparison,
        provenance,
        _find_search(comparison, folders),
        _find_learning(comparison),
        _find_effects(comparison, found),
    )


def _find_learning(comparison: "Comparison") -> "LearningCurves | None":
    """Return the learning curves of a comparison, where they are a few and one has a law.

    More lines than a few cannot be told apart; dropexp learning-curve lists them all.
    """
    from dropexp.compare.learning import count_learning_curves, measure_learning_curves

    if comparison.source or count_learning_curves(comparison) > _MOST_CURVES:
        return None
    try:
        curves = measure_learning_curves(comparison)
    except UserError:
        return None
    return curves if any(curve.law for curve in curves.curves) else None


def _find_effects(comparison: "Comparison", found: "FoundRuns") -> "Effects | None":
    """Return the effects of a factorial study, where they are a few; see _find_learning."""
    from dropexp.compare.effects import find_effects

    if comparison.question is None:
        return None
    # The page says already what the study's file asks, and which runs were left out.
    question = replace(comparison.question, stated="")
    try:
        effects = find_effects(replace(found, left_out=()), question)
    except UserError:
        return None
    return effects if len(effects.effects) <= _MOST_EFFECTS else None


def _find_search(comparison: "Comparison", folders: list[Path]) -> "SearchRecord | None":
    """Return the search that the compared runs are of; None where they are not of one alone."""
    from dropexp.runs.searches import read_search

    places = dict.fromkeys(folder.parent for folder in folders)
    found = [read_search(place, study) for place in places for study in comparison.studies]
    searches = [search for search in found if search is not None]
    return searches[0] if len(searches) == 1 else None


def board(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="Name of the study.",
            show_default=False,
            autocompletion=complete_study,
        ),
    ],
    start: Annotated[
        bool,
        typer.Option("--start/--no-start", help="Start TensorBoard, or only print how."),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Folder to write; what is in it is replaced. Default: RUNS_DIR-boards/STUDY.",
            show_default=False,
        ),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    import subprocess

    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.compare import find_runs
    from dropexp.compare.grouping import group_runs
    from dropexp.report.board import find_board, remove_old_board, write_board

    found = find_runs([f"study={study}"], runs_dir, with_curves=True)
    settings = [setting for setting, _ in group_runs(found.in_view)]
    folder = output or find_board(runs_dir, study)
    write_board(folder, settings)
    remove_old_board(runs_dir, study)
    console = CommandConsole()
    for sentence in found.left_out:
        console.print_sentence(Text(sentence))
    num_settings = format_count(len(settings), "setting")
    console.print_line(Text(f"{num_settings}, mean and 95% interval each: {folder}"))
    console.print_line(Text(f"tensorboard --logdir {quote(str(folder))}"))
    if start:
        subprocess.run([sys.executable, "-m", "tensorboard.main", "--logdir", folder], check=True)
