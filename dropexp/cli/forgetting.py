"""The command that shows which training images runs forgot, and how well that finds wrong labels.

Everything heavy is imported when the command is called.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.analyses import FORGETTING_COLUMNS, analyse_forgetting
from dropexp.cli.analysis_output import (
    AnalysisFormatOption,
    AnalysisOutputOption,
    choose_format,
    write_analysis,
)
from dropexp.cli.options import RunsDir, TrustOption
from dropexp.cli.picture_options import PictureOptions
from dropexp.cli.question_options import BaselineOption, RunArguments
from dropexp.errors import UserError

if TYPE_CHECKING:
    from dropexp.compare.forgotten import TrackedSetting

FORGETTING_DETAILS = (
    "[bold]dropexp sweep regulariser=none,dropout2d track_examples=true 'seed=range(8)'[/bold]\n"
    "[bold]dropexp forgetting --page forgotten.html[/bold]\n\n"
    "A forgetting event: a label is predicted after one epoch and not after the next. Arguments "
    "are folders of runs, ids and filters. csv and json have a row for each image of each run; md "
    "has the settings. Runs without track_examples=true have no record and are left out."
)
_MOST_PICTURES = 500


def forgetting(
    arguments: RunArguments = None,
    baseline: BaselineOption = None,
    format_: AnalysisFormatOption = None,
    output: AnalysisOutputOption = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", metavar="FILE.html", help="Write the most forgotten images."),
    ] = None,
    most: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="N",
            min=1,
            max=_MOST_PICTURES,
            help="Images of each setting on the page.",
        ),
    ] = 24,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="Draw how often right and wrong labels are forgotten: .png, .svg or .pdf.",
        ),
    ] = None,
    trust: TrustOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.console import print_notice
    from dropexp.compare.forgotten import (
        count_shares,
        format_images_as_csv,
        format_images_as_json,
    )
    from dropexp.compare.markdown import format_markdown
    from dropexp.compare.table import format_comparison

    chosen = choose_format(format_, output)
    picture = PictureOptions(plot)
    picture.check(has_page=False)
    if page is not None:
        _refuse_no_page(page)
    result = analyse_forgetting(arguments or [], runs_dir, baseline=baseline)
    if plot is not None:
        from dropexp.report.charts.forgetting import build_forgetting_figures

        picture.draw_figures(build_forgetting_figures(count_shares(result.settings)))
    if page is not None:
        write_page(result.settings, page, most, sys.argv[1:], trust=trust)
        print_notice(f"written to {page}")
    write_analysis(
        result,
        chosen,
        output,
        table=lambda each, width: format_comparison(each.comparison, width, FORGETTING_COLUMNS),
        csv=lambda each: format_images_as_csv(each.settings),
        json=lambda each: format_images_as_json(each.settings),
        md=lambda each: format_markdown(each.comparison, FORGETTING_COLUMNS),
    )
    for sentence in result.untracked:
        print_notice(sentence)


def _refuse_no_page(page: Path) -> None:
    if page.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--page {page} has no known suffix. Allowed: .html.")


def write_page(
    settings: "Sequence[TrackedSetting]",
    page: Path,
    most: int,
    command: Sequence[str],
    *,
    trust: bool,
) -> None:
    """Write the page of the most forgotten images.

    Args:
        settings: with their tracked runs.
        page: the file.
        most: images of each setting, in [1, 500].
        command: of dropexp that writes the page, word by word.
        trust: whether what the recorded configs name may be imported, called and read.

    Raises:
        UserError: the number or the suffix is not allowed, or the file cannot be written.
        UntrustedError: a config names code or a folder that the user has not used.
        DataError: the data set is missing, or is not the one that a run was trained on.
    """
    from dropexp.cli.forgotten_pictures import collect_pictures
    from dropexp.compare.forgotten import count_shares
    from dropexp.report.forgotten_page import render_forgotten_page

    if not 1 <= most <= _MOST_PICTURES:
        raise UserError(f"--top {most} is not allowed: write 1 to {_MOST_PICTURES}.")
    _refuse_no_page(page)
    pictures = [collect_pictures(tracked, most, trust=trust) for tracked in settings]
    text = render_forgotten_page(pictures, count_shares(settings), join(["dropexp", *command]))
    try:
        page.write_text(text, encoding="utf-8", errors="backslashreplace")  # paths may be none
    except OSError as error:
        raise UserError(f"--page {page} cannot be written: {error.strerror}.") from None
