"""The command that compares runs.

Everything heavy is imported when the command is called.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.comparison_output import ComparisonFormat, format_comparison_as, print_table
from dropexp.cli.options import RunsDir
from dropexp.cli.output_files import parse_suffix, write_output
from dropexp.cli.picture_options import (
    ChartOption,
    DpiOption,
    PictureOptions,
    PlotOption,
    SizeOption,
    TitleOption,
    XOption,
)
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
from dropexp.cli.results_files import (
    FileOptions,
    HigherOption,
    SeedOption,
    SettingOption,
    compare_results_file,
    is_results_file,
)
from dropexp.cli.table_options import (
    CaptionOption,
    ColumnsOption,
    LabelOption,
    ReverseOption,
    SortOption,
    TableOptions,
)
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import parse_metric
from dropexp.training.startup import keep

if TYPE_CHECKING:
    from dropexp.compare.found_runs import FoundRuns
    from dropexp.compare.results import Comparison

_FORMAT_OF_SUFFIX = {
    ".txt": ComparisonFormat.TABLE,
    ".csv": ComparisonFormat.CSV,
    ".json": ComparisonFormat.JSON,
    ".md": ComparisonFormat.MD,
    ".tex": ComparisonFormat.LATEX,
}

COMPARE_DETAILS = (
    "[bold]dropexp compare study=first data.label_noise=0.2 --metric test_acc[/bold]\n\n"
    "Arguments are folders of runs, ids of runs, and filters as in [bold]dropexp runs[/bold]. Each "
    "row of the table is one setting: all fields but the seed. Its runs are paired, seed by seed, "
    "with those of the baseline: regulariser=none, all else equal.\n\n"
    "csv and json hold every number; md is for a pull request, latex for a paper.\n\n"
    "[bold]dropexp compare results.csv --setting model --seed seed --metric val_loss[/bold] "
    "compares runs of any program: CSV, Parquet or JSON lines, with a row for each run."
)


def compare(
    arguments: RunArguments = None,
    metric: MetricOption = None,
    at: AtOption = None,
    baseline: BaselineOption = None,
    test: TestOption = None,
    correction: CorrectionOption = None,
    margin: MarginOption = None,
    format_: Annotated[
        ComparisonFormat | None,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="table, csv, json, md or latex. Default: from the suffix of FILE, or table.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help='Write to FILE ("-" for standard output): csv and json hold all columns, md the '
            "main ones, tex those that fit the page.",
        ),
    ] = None,
    plot: PlotOption = None,
    chart: ChartOption = None,
    x: XOption = None,
    size: SizeOption = None,
    dpi: DpiOption = None,
    title: TitleOption = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Draw validation curves of a few settings below.")
    ] = False,
    sort: SortOption = None,
    reverse: ReverseOption = False,
    columns: ColumnsOption = None,
    caption: CaptionOption = None,
    label: LabelOption = None,
    setting: SettingOption = None,
    seed: SeedOption = None,
    higher_is_better: HigherOption = None,
    allow_mixed: AllowMixedOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.console import print_text

    format_ = format_ or parse_suffix(output, _FORMAT_OF_SUFFIX) or ComparisonFormat.TABLE
    layout = TableOptions(sort, reverse, columns, caption, label)
    layout.refuse_unused(format_)
    picture = PictureOptions(plot, chart, size, dpi, title, x)
    picture.check()
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
    comparison, *_ = keep(
        read_and_compare(
            arguments,
            options,
            runs_dir,
            of_file,
            with_curves=curves or plot is not None,
            with_p_values=format_ in (ComparisonFormat.CSV, ComparisonFormat.JSON),
        )
    )
    if curves and comparison.source:
        raise UserError(f"--curves needs runs of dropexp: {comparison.source} has no epochs.")
    comparison = layout.sort(comparison)
    picture.draw(comparison)
    if output is not None:
        if write_output(output, format_comparison_as(comparison, format_, layout)):
            print_text(f"written to {output}\n")
    elif format_ is ComparisonFormat.TABLE:
        print_table(comparison, layout, with_curves=curves)
    else:
        print_text(format_comparison_as(comparison, format_, layout))


def read_and_compare(
    arguments: list[str] | None,
    options: ComparisonOptions,
    runs_dir: Path,
    of_file: FileOptions | None = None,
    *,
    with_curves: bool,
    with_p_values: bool = True,
) -> "tuple[Comparison, FoundRuns, list[str]]":
    """Return the comparison that the options ask for, and how to ask for it in another folder.

    Args:
        arguments: folders, ids and filters, or a file of results and filters.
        options: as given.
        runs_dir: the folder of runs where the arguments name none.
        of_file: the options of files, as given; None for none.
        with_curves: whether curves are drawn, so that each run needs them.
        with_p_values: whether the p-value of each row alone is written.

    Returns:
        The comparison, its runs, and the options that ask what the study's file
        states: another folder does not have that file.
    """
    from dropexp.compare import FoundRuns, compare, find_runs
    from dropexp.compare.stated_question import QuestionOptions, ask, spell_stated

    arguments, of_file = arguments or [], of_file or FileOptions()
    if files := [text for text in arguments if is_results_file(text)]:
        others = [text for text in arguments if text not in files]
        return compare_results_file(files, others, options, of_file), FoundRuns(()), []
    of_file.refuse()
    metric = None if options.metric is None else parse_metric(options.metric)
    given = QuestionOptions(
        metric=metric,
        at=options.at,
        baseline=options.baseline,
        test=options.test,
        correction=options.correction,
        margin=options.margin,
        allow_mixed=options.allow_mixed,
    )
    question = ask(arguments, runs_dir, given)
    found = find_runs(
        arguments,
        runs_dir,
        allow_mixed=question.allow_mixed,
        with_baselines=question.baseline is None,
        with_curves=with_curves or question.at is EpochChoice.MATCHED,
    )
    comparison = compare(found, question, with_p_values=with_p_values)
    return comparison, found, spell_stated(question, given)
