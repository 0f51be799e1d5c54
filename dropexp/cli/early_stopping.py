"""The command that shows how much of a regulariser's gain early stopping alone gives."""

from pathlib import Path

from dropexp.cli.analyses import analyse_early_stopping
from dropexp.cli.analysis_output import (
    AnalysisFormatOption,
    AnalysisOutputOption,
    choose_format,
    write_analysis,
)
from dropexp.cli.options import RunsDir
from dropexp.cli.question_options import (
    BaselineOption,
    CorrectionOption,
    FilterArguments,
    MetricOption,
    TestOption,
)

EARLY_STOPPING_DETAILS = (
    "[bold]dropexp early-stopping study=early_stopping[/bold]\n\n"
    "Arguments are those of [bold]dropexp compare[/bold]. No run has to stop early: the baseline "
    "at its lowest validation loss is early stopping alone. Beside its share of the gain stand "
    "the differences where both are stopped, and at equal training loss."
)


def early_stopping(
    arguments: FilterArguments = None,
    metric: MetricOption = None,
    baseline: BaselineOption = None,
    test: TestOption = None,
    correction: CorrectionOption = None,
    format_: AnalysisFormatOption = None,
    output: AnalysisOutputOption = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.compare.early_stopping_output import (
        format_shares,
        format_shares_csv,
        format_shares_json,
        format_shares_markdown,
    )

    chosen = choose_format(format_, output)
    result = analyse_early_stopping(
        arguments or [],
        runs_dir,
        metric=metric,
        baseline=baseline,
        test=test,
        correction=correction,
    )
    write_analysis(
        result,
        chosen,
        output,
        table=format_shares,
        csv=format_shares_csv,
        json=format_shares_json,
        md=format_shares_markdown,
    )
