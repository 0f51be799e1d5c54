"""All charts of a comparison in one file: a picture, or a page that works offline."""

from pathlib import Path

from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.report.charts import SUFFIXES, all_figures, picture
from dropexp.report.page import charts_html


def plot(comparison: Comparison, path: Path) -> None:
    """Write every chart that the study has the axis for.

    Args:
        comparison: what to draw.
        path: its suffix says the form: .png, .svg or .html (interactive, without a network).

    Raises:
        UserError: another suffix, nothing to draw, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (*SUFFIXES, ".html"):
        raise UserError(f"--plot {path} has to end in {', '.join(SUFFIXES)} or .html.")
    figures = all_figures(comparison)
    if not figures:
        raise UserError("there is nothing to plot: no run has come to its end.")
    is_page = suffix == ".html"
    content = charts_html(comparison).encode() if is_page else picture(figures, suffix)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"--plot {path} cannot be written: {error.strerror}.") from None
