"""The options that say which charts ``compare --plot`` draws, and how large."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dropexp.compare.results import Comparison
    from dropexp.report import PlotOptions
    from dropexp.report.charts.panels import Figure


class Chart(StrEnum):
    """The charts that ``--chart`` names."""

    CURVES = "curves"
    GAP = "gap"
    DIFFERENCES = "differences"
    STRENGTH = "strength"
    AXIS = "axis"
    HEATMAP = "heatmap"
    ANSWER = "answer"


_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
_LEAST_INCHES, _MOST_INCHES = 1.0, 100.0
_LEAST_DPI, _MOST_DPI = 30, 2400
_MOST_PIXELS = 200e6
_DEFAULT_DPI = 200.0

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*[xX×]\s*(\d+(?:\.\d+)?)\s*(in|cm|mm|px)?")


@dataclass(frozen=True, slots=True)
class Size:
    """The width and height of a picture, in inches or in pixels."""

    width: float
    height: float
    is_pixels: bool = False

    def to_inches(self, dpi: float) -> tuple[float, float]:
        """Return width and height in inches at so many dots per inch."""
        unit = dpi if self.is_pixels else 1.0
        return self.width / unit, self.height / unit


def parse_size(text: str) -> Size:
    """Return the size that ``--size`` names: ``7x4``, ``18x10cm``, ``1600x900px``.

    Raises:
        UserError: the text is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None or not all(float(found[group]) > 0 for group in (1, 2)):
        raise UserError(
            f"--size {text} is no size. Write width x height, in inches or with a unit: 7x4, "
            f"18x10cm, 180x100mm or 1600x900px."
        )
    width, height, unit = float(found[1]), float(found[2]), found[3] or "in"
    if unit == "px":
        return Size(width, height, is_pixels=True)
    return Size(width * _INCHES[unit], height * _INCHES[unit])


def parse_charts(text: str) -> tuple[Chart, ...]:
    """Return the charts that a value of ``--chart`` names: one, or several with commas.

    Raises:
        UserError: a chart is not known.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in set(Chart):
            raise UserError(f"--chart {name} is not known. Allowed: {', '.join(Chart)}.")
    return tuple(Chart(name) for name in names)


def parse_dpi(text: str) -> float:
    """Return the dots per inch that ``--dpi`` names.

    Raises:
        UserError: the text is no number from 30 to 2400.
    """
    try:
        dpi = float(text)
    except ValueError:
        dpi = 0.0
    if not _LEAST_DPI <= dpi <= _MOST_DPI:
        raise UserError(
            f"--dpi {text} is not allowed. Allowed: {_LEAST_DPI} to {_MOST_DPI}, such as --dpi 300."
        )
    return dpi


_PANEL = "Options of --plot"

PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw charts to FILE: .png, .svg, .pdf, or .html (interactive).",
    ),
]
ChartOption = Annotated[
    list[str] | None,
    typer.Option(
        "--chart",
        metavar="CHART",
        autocompletion=lambda: list(Chart),
        help=f"With --plot: {', '.join(Chart)}; or several, with commas. Default: a slide of "
        "curves and differences; with .html, all.",
        rich_help_panel=_PANEL,
    ),
]
XOption = Annotated[
    str | None,
    typer.Option(
        "--x",
        metavar="KEY",
        help="With --chart axis: the field on the x axis, such as model.hidden.",
        rich_help_panel=_PANEL,
    ),
]
SizeOption = Annotated[
    Size | None,
    typer.Option(
        "--size",
        metavar="WxH",
        parser=parse_size,
        help="With --plot: width and height, 7x4 (inches), 18x10cm or 1600x900px.",
        rich_help_panel=_PANEL,
    ),
]
DpiOption = Annotated[
    float | None,
    typer.Option(
        "--dpi",
        metavar="N",
        parser=parse_dpi,
        help="With --plot FILE.png: dots per inch. Default: 200.",
        rich_help_panel=_PANEL,
    ),
]
TitleOption = Annotated[
    str | None,
    typer.Option(
        "--title",
        metavar="TEXT",
        help="With --plot: text above the charts; '' draws no titles at all.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """The options of ``--plot``, as they were given."""

    plot: Path | None
    charts: list[str] | None = None
    size: Size | None = None
    dpi: float | None = None
    title: str | None = None
    x: str | None = None

    def check(self, *, has_page: bool = True) -> None:
        """Raise UserError if options contradict each other, before any run is read.

        Args:
            has_page: whether the command draws its charts into a page, too.
        """
        given = {
            "--chart": self.charts,
            "--size": self.size,
            "--dpi": self.dpi,
            "--title": self.title,
            "--x": self.x,
        }
        named = [name for name, value in given.items() if value is not None]
        if self.plot is None and named:
            raise UserError(f"{named[0]} is for a picture. Add --plot FILE.png.")
        if self.x is not None and Chart.AXIS not in self._list_charts():
            raise UserError(f"--x is for the chart against a field. Add --chart {Chart.AXIS}.")
        self._list_charts()
        self._measure()
        if self.plot is not None:
            from dropexp.report.plot import refuse_no_picture, refuse_unsuitable

            if not has_page:
                refuse_no_picture(self.plot)
            refuse_unsuitable(self.plot, self._to_plot_options())

    def draw(self, comparison: "Comparison") -> None:
        """Draw the charts to the file; nothing without ``--plot``."""
        if self.plot is not None:
            from dropexp.report import plot

            plot(comparison, self.plot, self._to_plot_options())
            _print_size(self.plot)

    def draw_figures(self, figures: "Sequence[Figure]") -> None:
        """Draw figures of an analysis to the file; nothing without ``--plot``."""
        if self.plot is not None:
            from dropexp.report import plot_figures

            plot_figures(figures, self.plot, self._to_plot_options())
            _print_size(self.plot)

    def _list_charts(self) -> tuple[Chart, ...]:
        return tuple(chart for text in self.charts or () for chart in parse_charts(text))

    def _measure(self) -> tuple[float, float] | None:
        """Return width and height in inches; None without ``--size``."""
        if self.size is None:
            return None
        dpi = self.dpi or _DEFAULT_DPI
        size = self.size.to_inches(dpi)
        if not all(_LEAST_INCHES <= length <= _MOST_INCHES for length in size):
            raise UserError(
                f"--size is {size[0]:.3g} × {size[1]:.3g} inches at {dpi:g} dpi. Allowed: "
                f"{_LEAST_INCHES:g} to {_MOST_INCHES:g} inches each way."
            )
        if size[0] * size[1] * dpi**2 > _MOST_PIXELS:
            raise UserError(
                f"--size with --dpi {dpi:g} makes more than {_MOST_PIXELS:,.0f} pixels. Lower one "
                f"of them, or write a .pdf or .svg, which is sharp at every size."
            )
        return size

    def _to_plot_options(self) -> "PlotOptions":
        from dropexp.report import PlotOptions

        return PlotOptions(
            charts=tuple(map(str, self._list_charts())),
            size=self._measure(),
            dpi=self.dpi,
            title=self.title,
            x=self.x or "",
        )


def _print_size(file: Path) -> None:
    from dropexp.cli.console import print_notice
    from dropexp.terminal.numbers import format_size

    print_notice(f"written to {file} ({format_size(file.stat().st_size)})")
