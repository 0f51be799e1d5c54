"""Charts of a comparison in one file: a picture, or a page that works offline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.report.answer import answer
from dropexp.report.charts import SUFFIXES
from dropexp.report.charts.choices import CHART_KINDS, build_chosen, build_overview
from dropexp.report.charts.panels import Figure
from dropexp.report.charts.pictures import Grid, PictureLayout, arrange, render_picture
from dropexp.report.page import render_charts_page

_PAGE_SUFFIX = ".html"
_SLIDE = (13.333, 7.5)
"""Width and height of the overview in inches: a slide, and the shape of a screen."""
_DPI = 200.0
_ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class PlotOptions:
    """What is drawn, and how large.

    Attributes:
        charts: the names of the charts; empty for the overview, or for all on a page.
        size: width and height in inches; None for a size that suits the charts.
        dpi: dots per inch of a PNG; None for 200.
        title: the text above the charts, "" for no titles at all; None for the default ones.
        x: the field on the x axis of the chart ``axis``; empty for every field with numbers.
    """

    charts: tuple[str, ...] = ()
    size: tuple[float, float] | None = None
    dpi: float | None = None
    title: str | None = None
    x: str = ""


def plot(comparison: Comparison, path: Path, options: PlotOptions | None = None) -> None:
    """Write charts into one file; see PlotOptions.

    Args:
        comparison: the comparison to draw.
        path: the file; its suffix is the format: .png, .svg, .pdf, or .html for an interactive
            page.
        options: what to draw and how large; None for the overview.

    Raises:
        UserError: the suffix is unknown, there is nothing to draw, an option does not suit the
            format, or the file cannot be written.
    """
    options = options or PlotOptions()
    suffix = path.suffix.lower()
    refuse_unsuitable(path, options)
    if not any(row.setting.completed for row in comparison.rows):
        raise UserError(
            "--plot has nothing to draw, because no run completed. dropexp runs lists the runs."
        )
    if suffix == _PAGE_SUFFIX:
        content = _render_page(comparison, options).encode()
    else:
        content = _render_picture(comparison, suffix, options)
    _write(path, content)


def plot_figures(figures: Sequence[Figure], path: Path, options: PlotOptions | None = None) -> None:
    """Write figures of an analysis, such as learning curves, into one picture.

    Args:
        figures: what to draw; at least one.
        path: the file; its suffix is the format: .png, .svg or .pdf.
        options: how large; None for the default size.

    Raises:
        UserError: the suffix is not allowed, or the file cannot be written.
    """
    options = options or PlotOptions()
    suffix = path.suffix.lower()
    refuse_no_picture(path)
    layout = PictureLayout(
        options.size, options.dpi or _DPI, options.title or "", options.title != ""
    )
    _write(path, render_picture(arrange(figures, options.size), suffix, layout))


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"--plot {path} cannot be written: {error.strerror}.") from None


def refuse_no_picture(path: Path) -> None:
    """Raise UserError if the suffix is none of a picture: analyses have no page of their own."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"--plot {path} is no picture. Use {', '.join(SUFFIXES)}.")


def refuse_unsuitable(path: Path, options: PlotOptions) -> None:
    """Raise UserError if the suffix is unknown or an option does not suit it."""
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, _PAGE_SUFFIX):
        raise UserError(
            f"--plot {path} has an unknown suffix. Use {', '.join(SUFFIXES)} or {_PAGE_SUFFIX}."
        )
    if suffix == _PAGE_SUFFIX and options.size is not None:
        raise UserError(
            f"--size has no meaning for {path}: a page is as wide as its window. Use "
            f"{', '.join(SUFFIXES)}."
        )
    if suffix != ".png" and options.dpi is not None:
        raise UserError(f"--dpi is for .png only; {path} is sharp at every size.")


def _render_page(comparison: Comparison, options: PlotOptions) -> str:
    if not options.charts:
        return render_charts_page(comparison, title=options.title or "")
    sections: dict[str, list[Figure]] = {}
    for name in dict.fromkeys(options.charts):
        section = sections.setdefault(CHART_KINDS[name].section, [])
        section += build_chosen(comparison, [name], options.x)
    return render_charts_page(comparison, sections, options.title or "")


def _render_picture(comparison: Comparison, suffix: str, options: PlotOptions) -> bytes:
    heading, size = options.title, options.size
    grid: Grid
    if options.charts:
        grid = arrange(build_chosen(comparison, options.charts, options.x), size)
    else:
        grid, size = build_overview(comparison), size or _SLIDE
        heading = answer(comparison)[0] if heading is None else heading
    if options.charts == (_ANSWER,) and heading:  # instead of the answer, its own title
        grid = [[replace(panel, title=heading) for panel in row] for row in grid]
        heading = None
    layout = PictureLayout(size, options.dpi or _DPI, heading or "", options.title != "")
    return render_picture(grid, suffix, layout)
