"""The options of compare and report for files of other programs' results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.question_options import ComparisonOptions
from dropexp.errors import UserError

if TYPE_CHECKING:
    from dropexp.compare.results import Comparison

SUFFIXES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"))
"""The formats that dropexp.compare.foreign.reading reads."""

_PANEL = "Options of a file of results"

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


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options of files of results, as given."""

    setting: Sequence[str] | None = None
    seed: str | None = None
    higher_is_better: bool | None = None

    def refuse(self) -> None:
        """Raise UserError where one is given, as no file is."""
        for name, value in vars(self).items():
            if value not in (None, []):
                option = f"--{name.replace('_', '-')}"
                raise UserError(
                    f"{option} is for a file of results, such as dropexp compare results.csv "
                    f"{option} …"
                )


def is_results_file(text: str) -> bool:
    """Return whether an argument names a file of results by its suffix, and is no filter."""
    path = Path(text)
    return path.suffix.lower() in SUFFIXES and "=" not in path.name


def compare_results_file(
    files: list[str], filters: list[str], options: ComparisonOptions, of_file: FileOptions
) -> "Comparison":
    """Return the comparison of a file of results.

    Args:
        files: the arguments that name files of results.
        filters: the other arguments.
        options: as given.
        of_file: as given.

    Raises:
        UserError: the file is no table of results, or an option does not fit to it.
    """
    from dropexp.compare.foreign.engine import ForeignOptions, compare_file

    if len(files) > 1:
        raise UserError(f"{files[0]} and {files[1]} are two files of results; name one.")
    if options.at is not None or options.allow_mixed:
        option = "--allow-mixed" if options.at is None else f"--at {options.at}"
        raise UserError(f"{option} is for runs of dropexp: {files[0]} has one value for each run.")
    asked = ForeignOptions(
        settings=tuple(of_file.setting or ()),
        seed=of_file.seed,
        metric=options.metric,
        higher_is_better=of_file.higher_is_better,
        baseline=options.baseline,
        filters=tuple(filters),
        test=options.test,
        correction=options.correction,
        margin=options.margin,
    )
    return compare_file(Path(files[0]), asked)
