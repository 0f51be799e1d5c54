"""Charts of a comparison, each defined once for pages and for pictures.

Imports altair: whoever needs no charts does not import this room.
"""

from dropexp.report.charts.files import SUFFIXES, all_figures, picture, sections
from dropexp.report.charts.palette import Look, looks
from dropexp.report.charts.parts import HIDDEN, Figure, Panel

__all__ = [
    "HIDDEN",
    "SUFFIXES",
    "Figure",
    "Look",
    "Panel",
    "all_figures",
    "looks",
    "picture",
    "sections",
]
