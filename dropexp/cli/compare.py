"""The command that compares runs. Everything heavy is imported when it is called."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from dropexp.cli.options import RunsDir
from dropexp.errors import UserError
from dropexp.runs.metrics import At, Metric

if TYPE_CHECKING:
    from dropexp.compare.results import Comparison

Named = TypeVar("Named", bound=StrEnum)
HERE = Path("-")
"""Stands for standard output where a file is asked for."""

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUNS_DIR|ID|FILTER]...", show_default=False),
]
MetricOption = Annotated[
    Metric | None,
    typer.Option("--metric", help="What decides. Default: test_loss; val_loss with --at matched."),
]
AtOption = Annotated[
    At,
    typer.Option(
        "--at",
        help="The epoch of each run: of its lowest validation loss, its last, or its first with a "
        "training loss that every run reaches.",
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option(
        "--baseline",
        help="A setting as the table names it, or filters: 'regulariser=dropout2d p=0.3' is that "
        "one with everything else equal.",
    ),
]
AllowMixed = Annotated[
    bool,
    typer.Option(
        "--allow-mixed",
        help="Also compare runs on other images, of another version, without passed audit.",
    ),
]


class Format(StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    LATEX = "latex"


_WIDEST = 100  # columns beyond which a chart does not grow

_OF_SUFFIX = {
    ".txt": Format.TABLE,
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".md": Format.MD,
    ".tex": Format.LATEX,
}

COMPARE_HELP = (
    "Compare finished runs: which setting generalises better, by how much, how sure?\n\n"
    "[bold]dropexp compare study=first data.label_noise=0.2 --metric test_acc[/bold]\n\n"
    "Words are folders of run folders, ids of runs, and filters as in [bold]dropexp runs[/bold]; "
    "without any, all of runs. One row a setting: all fields but the seed. Each is paired, seed by "
    "seed, with none where everything else is equal.\n\n"
    "csv and json hold every number; md and latex are for a pull request and a paper."
)


def compare(
    words: Words = None,
    metric: MetricOption = None,
    at: AtOption = At.BEST,
    baseline: Baseline = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: what the file's name says, or table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write to this file, completely; - for here."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw all charts, too: FILE.png, .svg, or .html, which is interactive."),
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Show a few settings' validation curves here, too.")
    ] = False,
    allow_mixed: AllowMixed = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    format_ = format_ or of_suffix(output, _OF_SUFFIX) or Format.TABLE
    comparison, _ = compared(words, metric, at, baseline, allow_mixed, runs_dir)
    if plot is not None:
        from dropexp.report import plot as draw

        draw(comparison, plot)
    if output is not None:
        if write(output, _as_text(comparison, format_)):
            typer.echo(f"written to {output}")
    elif format_ is Format.TABLE:
        _print_table(comparison, curves)
    else:
        typer.echo(_as_text(comparison, format_), nl=False)


def compared(
    words: list[str] | None,
    metric: Metric | None,
    at: At,
    baseline: str | None,
    allow_mixed: bool,
    runs_dir: Path,
) -> "tuple[Comparison, list[Path]]":
    """The comparison that the options ask for, and the folders of its runs."""
    from dropexp.compare import Question, compare, find_runs

    question = Question(metric=metric, at=at, baseline=baseline, allow_mixed=allow_mixed)
    with _without_garbage_collection():
        found, left_out = find_runs(words or [], runs_dir, allow_mixed=allow_mixed)
        comparison = compare(found, question, left_out)
    return comparison, [run.listed.folder.path for run in found]


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Of ten thousand runs nothing is garbage yet: a tenth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def of_suffix(output: Path | None, formats: Mapping[str, Named]) -> Named | None:
    """The format that a file's name says; None where no file is named.

    Raises:
        UserError: it says none that there is.
    """
    if output is None or output == HERE:
        return None
    if output.suffix.lower() not in formats:
        raise UserError(
            f"--output {output} does not say a format: end it in {', '.join(formats)}, or give "
            f"--format."
        )
    return formats[output.suffix.lower()]


def write(output: Path, text: str) -> bool:
    """Write to a file, or here where it is ``-``; whether that was a file.

    Raises:
        UserError: the file cannot be written.
    """
    if output == HERE:
        typer.echo(text, nl=False)
        return False
    if output.is_dir():
        raise UserError(f"--output {output} is a folder; a file is needed.")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {output} cannot be written: {error.strerror}.") from None
    return True


def _print_table(comparison: "Comparison", curves: bool) -> None:
    from dropexp.cli.run_console import RunConsole
    from dropexp.compare.table import lines

    console = RunConsole()
    console.lines(lines(comparison, console.width))
    if curves:
        from dropexp.compare import small_chart

        console.lines([small_chart.curves(comparison, min(console.width or _WIDEST, _WIDEST))])


def _as_text(comparison: "Comparison", format_: Format) -> str:
    from dropexp.compare import formats, table

    match format_:
        case Format.TABLE:
            return "".join(f"{line.plain}\n" for line in table.lines(comparison, None))
        case Format.CSV:
            return formats.as_csv(comparison)
        case Format.JSON:
            return formats.as_json(comparison)
        case Format.MD:
            return formats.as_markdown(comparison)
        case Format.LATEX:
            return formats.as_latex(comparison)
