"""The options that say which runs are compared, in what, and how that is tested."""

from dataclasses import dataclass
from typing import Annotated

import typer

from dropexp.cli.options import (
    MARGIN_HELP,
    complete_filter,
    list_choices,
    make_choice_parser,
    parse_margin,
)
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import deciding_metrics
from dropexp.runs.question_types import Correction, TestChoice

RunArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUNS_DIR|ID|FILTER|FILE",
        help="Runs to compare, or a file of results. Default: all runs in the runs folder.",
        show_default=False,
        autocompletion=complete_filter,
    ),
]
FilterArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUNS_DIR|ID|FILTER",
        help="Runs to use, as for compare. Default: all runs in the runs folder.",
        show_default=False,
        autocompletion=complete_filter,
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        autocompletion=lambda: [metric.key for metric in deciding_metrics()],
        help=f"Metric to test: {', '.join(metric.key for metric in deciding_metrics())}. "
        "Default: the study's own question, or test_loss (noisy_label_val_loss with --at matched).",
    ),
]
AtOption = Annotated[
    EpochChoice | None,
    typer.Option(
        "--at",
        metavar="EPOCH",
        parser=make_choice_parser("--at", EpochChoice),
        autocompletion=list_choices(EpochChoice),
        help="Epoch of each run: best (lowest validation loss), last, or matched (the first with a "
        "training loss that every run reaches). Default: the study's own question, or best.",
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        metavar="SETTING",
        help="Baseline: the name of a setting in the table, or filters such as "
        "'regulariser=dropout2d p=0.3', all else equal. Default: none.",
    ),
]
TestOption = Annotated[
    TestChoice | None,
    typer.Option(
        "--test",
        metavar="TEST",
        parser=make_choice_parser("--test", TestChoice),
        autocompletion=list_choices(TestChoice),
        help="auto, planned (all runs were asked for before any result) or anytime (results were "
        "looked at meanwhile). Default: auto.",
    ),
]
CorrectionOption = Annotated[
    Correction | None,
    typer.Option(
        "--correction",
        metavar="NAME",
        parser=make_choice_parser("--correction", Correction),
        autocompletion=list_choices(Correction),
        help="Correction of the planned test over rows: max-t or holm. Default: max-t.",
    ),
]
MarginOption = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="SIZE",
        parser=parse_margin,
        help=MARGIN_HELP,
    ),
]
AllowMixedOption = Annotated[
    bool,
    typer.Option(
        "--allow-mixed",
        help="Include runs on other images, of another version, or without a passed audit.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """The options of every comparison, as given: the metric may be a column of a file."""

    metric: str | None = None
    at: EpochChoice | None = None
    baseline: str | None = None
    test: TestChoice | None = None
    correction: Correction | None = None
    margin: float | None = None
    allow_mixed: bool = False
