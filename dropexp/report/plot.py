"""All charts of a comparison in one file: a picture, or a page that works offline."""

from pathlib import Path

from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.report.charts import SUFFIXES, build_figures, render_picture
from dropexp.report.page import render_charts_page

_PAGE_SUFFIX = ".html"


def plot(comparison: Comparison, path: Path) -> None:
    """Write every chart that the comparison has data for into one file.

    Args:
        comparison: the comparison to draw.
        path: the file; its suffix is the format: .png, .svg, or .html for an interactive page.

    Raises:
        UserError: the suffix is unknown, there is nothing to draw, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, _PAGE_SUFFIX):
        raise UserError(
            f"--plot {path} has an unknown suffix. Use {', '.join(SUFFIXES)} or {_PAGE_SUFFIX}."
        )
    figures = build_figures(comparison)
    if not figures:
        raise UserError(
            "--plot has nothing to draw, because no run completed. dropexp runs lists the runs."
        )
    if suffix == _PAGE_SUFFIX:
        content = render_charts_page(comparison).encode()
    else:
        content = render_picture(figures, suffix)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"--plot {path} cannot be written: {error.strerror}.") from None
