"""The options of compare and report for files of other programs' results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice

if TYPE_CHECKING:
    from dropexp.compare.results import Comparison

SUFFIXES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"))
"""The formats that dropexp.compare.foreign.reading reads."""

_PANEL = "Options of a file of results"

_OPTIONS_OF_FILES = ("--setting", "--seed", "--higher-is-better")

SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--setting",
        metavar="COLUMN",
        help="Of a file: the column that says what was trained; may be repeated.",
        rich_help_panel=_PANEL,
    ),
]
SeedOption = Annotated[
    str | None,
    typer.Option(
        "--seed",
        metavar="COLUMN",
        help="Of a file: the column of the seeds, by which runs are paired, or 'seed_*'.",
        rich_help_panel=_PANEL,
    ),
]
HigherOption = Annotated[
    bool | None,
    typer.Option(
        "--higher-is-better/--lower-is-better",
        help="Of a file: which values of the metric are better. Default: by its name.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


FileOptions = tuple[list[str] | None, str | None, bool | None]
"""The options of files, in their order."""

QuestionWords = tuple[
    str | None,
    EpochChoice | None,
    str | None,
    TestChoice | None,
    Correction | None,
    float | None,
    bool,
]
"""The options of every comparison: metric, at, baseline, test, correction, margin, allow_mixed."""


def is_results_file(text: str) -> bool:
    """Return whether an argument names a file of results by its suffix, and is no filter."""
    path = Path(text)
    return path.suffix.lower() in SUFFIXES and "=" not in path.name


def compare_results_file(
    files: list[str], filters: list[str], options: QuestionWords, of_file: FileOptions
) -> "Comparison":
    """Return the comparison of a file of results.

    Args:
        files: the arguments that name files of results.
        filters: the other arguments.
        options: as given: metric, at, baseline, test, correction, margin, allow_mixed.
        of_file: as given.

    Raises:
        UserError: the file is no table of results, or an option does not fit to it.
    """
    from dropexp.compare.foreign.engine import ForeignOptions, compare_file

    metric, at, baseline, test, correction, margin, allow_mixed = options
    settings, seed, higher_is_better = of_file
    if len(files) > 1:
        raise UserError(f"{files[0]} and {files[1]} are two files of results; name one.")
    if at is not None or allow_mixed:
        option = "--allow-mixed" if at is None else f"--at {at}"
        raise UserError(f"{option} is for runs of dropexp: {files[0]} has one value for each run.")
    asked = ForeignOptions(
        tuple(settings or ()),
        seed,
        metric,
        higher_is_better,
        baseline,
        tuple(filters),
        test,
        correction,
        margin,
    )
    return compare_file(Path(files[0]), asked)


def refuse_options_of_files(of_file: FileOptions) -> None:
    """Raise UserError where an option of files is given and no file is."""
    for option, value in zip(_OPTIONS_OF_FILES, of_file, strict=True):
        if value not in (None, []):
            raise UserError(
                f"{option} is for a file of results, such as dropexp compare results.csv {option} …"
            )
