"""The command that shows learning curves, and what a regulariser is worth in training images."""

from pathlib import Path
from typing import Annotated

import typer

from dropexp.cli.analyses import analyse_learning_curves
from dropexp.cli.analysis_output import (
    AnalysisFormatOption,
    AnalysisOutputOption,
    AnalysisPlotOption,
    choose_format,
    write_analysis,
)
from dropexp.cli.options import RunsDir
from dropexp.cli.picture_options import (
    DpiOption,
    PictureOptions,
    SizeOption,
    TitleOption,
)
from dropexp.cli.question_options import AllowMixedOption, AtOption, BaselineOption, FilterArguments

LEARNING_CURVE_DETAILS = (
    "[bold]dropexp learning-curve study=learning_curve --images 400[/bold]\n\n"
    "Arguments are those of [bold]dropexp compare[/bold], for runs with several values of "
    "data.train_size. A power law a + b · n^(−c) is fitted to each setting; a regulariser's worth "
    "is how many more images its baseline needs for the same result, with a bootstrap interval "
    "over seeds. Nothing is said beyond the sizes that were trained."
)

ResultMetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="Loss or accuracy, such as test_acc; an accuracy is shown as an error. Default: the "
        "study's own question, or test_loss.",
    ),
]
ImagesOption = Annotated[
    int | None,
    typer.Option(
        "--images",
        metavar="N",
        help="Training images at which to answer. Default: the middle size.",
    ),
]


def learning_curve(
    arguments: FilterArguments = None,
    images: ImagesOption = None,
    metric: ResultMetricOption = None,
    at: AtOption = None,
    baseline: BaselineOption = None,
    format_: AnalysisFormatOption = None,
    output: AnalysisOutputOption = None,
    plot: AnalysisPlotOption = None,
    size: SizeOption = None,
    dpi: DpiOption = None,
    title: TitleOption = None,
    allow_mixed: AllowMixedOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.compare.learning.output import (
        format_learning_csv,
        format_learning_curves,
        format_learning_json,
        format_learning_markdown,
    )

    chosen = choose_format(format_, output)
    picture = PictureOptions(plot, size=size, dpi=dpi, title=title)
    picture.check(has_page=False)
    curves = analyse_learning_curves(
        arguments or [],
        runs_dir,
        images=images,
        metric=metric,
        at=at,
        baseline=baseline,
        allow_mixed=allow_mixed,
    )
    if plot is not None:
        from dropexp.report.charts.learning_curves import build_learning_figures

        picture.draw_figures(build_learning_figures(curves))
    write_analysis(
        curves,
        chosen,
        output,
        table=format_learning_curves,
        csv=format_learning_csv,
        json=format_learning_json,
        md=format_learning_markdown,
    )
