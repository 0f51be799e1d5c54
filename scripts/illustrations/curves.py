"""The curves of a study as a picture, the same chart as in a report."""

from pathlib import Path

from dropexp.compare import Question, compare, find_runs
from dropexp.report.charts import render_picture
from dropexp.report.charts.curves import build_curve_figures
from illustrations.png import write_png

_SCALE = 1.5


def draw_curves(runs_dir: Path, picture: Path) -> None:
    """Draw the training, validation and gap curves of the finished runs.

    Args:
        runs_dir: the folder of run folders.
        picture: the PNG to write.
    """
    figures = build_curve_figures(compare(find_runs([], runs_dir), Question()))
    grid = [figure.panels for figure in figures]
    write_png(render_picture(grid, ".svg").decode(), picture, _SCALE)
