"""The command that shows the main effects and interactions of a factorial study."""

from pathlib import Path

from dropexp.cli.analyses import analyse_effects
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
from dropexp.cli.question_options import (
    AtOption,
    CorrectionOption,
    FilterArguments,
    MarginOption,
    MetricOption,
    TestOption,
)

EFFECTS_DETAILS = (
    "[bold]dropexp effects study=interactions[/bold]\n\n"
    "Arguments are those of [bold]dropexp compare[/bold], for runs in every combination of two or "
    "more fields, such as regulariser × data.augment × optimiser.weight_decay. Each seed gives one "
    "number for each effect; they are tested together, as the rows of compare are."
)


def effects(
    arguments: FilterArguments = None,
    metric: MetricOption = None,
    at: AtOption = None,
    test: TestOption = None,
    correction: CorrectionOption = None,
    margin: MarginOption = None,
    format_: AnalysisFormatOption = None,
    output: AnalysisOutputOption = None,
    plot: AnalysisPlotOption = None,
    size: SizeOption = None,
    dpi: DpiOption = None,
    title: TitleOption = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.compare.effects.output import (
        format_effects,
        format_effects_csv,
        format_effects_json,
        format_effects_markdown,
    )

    chosen = choose_format(format_, output)
    picture = PictureOptions(plot, size=size, dpi=dpi, title=title)
    picture.check(has_page=False)
    result = analyse_effects(
        arguments or [],
        runs_dir,
        metric=metric,
        at=at,
        test=test,
        correction=correction,
        margin=margin,
    )
    if plot is not None:
        from dropexp.report.charts.interactions import build_effect_figures

        picture.draw_figures(build_effect_figures(result))
    write_analysis(
        result,
        chosen,
        output,
        table=format_effects,
        csv=format_effects_csv,
        json=format_effects_json,
        md=format_effects_markdown,
    )
