"""The command that compares runs. Everything heavy is imported when it is called."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli_runs import RunsDir
from dropexp.errors import UserError
from dropexp.metrics import At, Metric

if TYPE_CHECKING:
    from dropexp.comparison import Comparison


class Format(StrEnum):
    """How a comparison is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    MD = "md"
    LATEX = "latex"


_WIDEST = 100  # columns beyond which a chart does not grow

_OF_SUFFIX = {
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
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUNS_DIR|ID|FILTER]...", show_default=False),
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option(help="What decides. Default: test_loss; val_loss with --at matched."),
    ] = None,
    at: Annotated[
        At,
        typer.Option(
            help="The epoch of each run: of its lowest validation loss, its last, or its first "
            "with a training loss that every run reaches."
        ),
    ] = At.BEST,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="A setting as the table names it, or filters: 'regulariser=dropout2d p=0.3' is "
            "that one with everything else equal."
        ),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: what the file's name says, or table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, completely.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw all charts, too: FILE.png, .svg, or .html, which is interactive."),
    ] = None,
    curves: Annotated[
        bool, typer.Option("--curves", help="Show a few settings' validation curves here, too.")
    ] = False,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed",
            help="Also compare runs on other images, of another version, without passed audit.",
        ),
    ] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    import gc

    from dropexp.compare import Question, find_runs
    from dropexp.compare import compare as compared

    # Of ten thousand runs nothing is garbage before the process ends: a tenth of the time.
    gc.disable()
    question = Question(metric=metric, at=at, baseline=baseline, allow_mixed=allow_mixed)
    found, left_out = find_runs(words or [], runs_dir, allow_mixed=allow_mixed)
    comparison = compared(found, question, left_out)
    if plot is not None:
        from dropexp.report import plot as draw

        draw(comparison, plot)
    if format_ is None:
        format_ = _OF_SUFFIX.get(output.suffix, Format.TABLE) if output else Format.TABLE
    if output is not None:
        _write(output, _as_text(comparison, format_))
    elif format_ is Format.TABLE:
        _print_table(comparison, curves)
    else:
        typer.echo(_as_text(comparison, format_), nl=False)


def _print_table(comparison: "Comparison", curves: bool) -> None:
    from dropexp.compare.table import lines
    from dropexp.console import RunConsole

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


def _write(path: Path, text: str) -> None:
    if path.is_dir():
        raise UserError(f"--output {path} is a folder; a file is needed.")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output {path} cannot be written: {error.strerror}.") from None
    typer.echo(f"written to {path}")
