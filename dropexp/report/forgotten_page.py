"""The images that settings forgot most, as one HTML page that works offline."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO

import numpy as np
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from dropexp import __version__
from dropexp.compare.forgotten import CountShare, ForgottenImage
from dropexp.report.charts.forgetting import build_forgetting_figures
from dropexp.report.charts.pictures import PictureLayout, compose_svg
from dropexp.terminal.numbers import format_count, format_decimals
from dropexp.terminal.plain_text import make_printable

_TEMPLATES = files("dropexp.report") / "templates"
_LEAST_WIDTH = 72  # pixels of a picture on the page


@dataclass(frozen=True)
class ForgottenPictures:
    """The most forgotten images of a setting, with their pictures.

    Attributes:
        name: the setting's name.
        images: the most forgotten first.
        pictures: uint8 (H, W, 1 or 3) for each image.
        class_names: one for each label.
    """

    name: str
    images: Sequence[ForgottenImage]
    pictures: Sequence[NDArray[np.uint8]]
    class_names: Sequence[str]


def render_forgotten_page(
    settings: Sequence[ForgottenPictures], shares: Mapping[str, Sequence[CountShare]], command: str
) -> str:
    """Return the page: for each setting its most forgotten images, then how often all were.

    Args:
        settings: with their pictures.
        shares: see build_forgetting_figures.
        command: that wrote the page.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_make_safe)
    template = environment.from_string(_read("forgotten.html.j2"))
    grid = [figure.panels for figure in build_forgetting_figures(shares)]
    return template.render(
        version=__version__,
        style=_read("report.css"),
        command=command,
        settings=[
            {
                "name": each.name,
                "found": _count_wrong(each.images),
                "cards": [
                    _describe(image, picture, each)
                    for image, picture in zip(each.images, each.pictures, strict=True)
                ],
            }
            for each in settings
        ],
        chart=compose_svg(grid, PictureLayout()),
    )


def _count_wrong(images: Sequence[ForgottenImage]) -> str:
    wrong = sum(image.is_wrong for image in images)
    if not wrong:
        return ""
    verb = "has" if wrong == 1 else "have"
    return f"{wrong} of the {len(images)} most forgotten images {verb} a wrong label."


def _describe(
    image: ForgottenImage, picture: NDArray[np.uint8], of: ForgottenPictures
) -> dict[str, object]:
    names = of.class_names
    label, true_label = names[image.label], names[image.true_label]
    return {
        "source": _encode_png(picture),
        "width": max(_LEAST_WIDTH, picture.shape[1]),
        "label": label,
        "true_label": true_label if image.is_wrong else "",
        "index": image.source_index,
        "events": _describe_events(image),
    }


def _describe_events(image: ForgottenImage) -> str:
    if image.runs == 1:
        times = format_count(round(image.forgetting_events), "time")
        return "never learned" if image.never_learned else f"forgotten {times}"
    runs = format_count(image.runs, "run")
    if image.never_learned == image.runs:
        return f"never learned in {runs}"
    events = format_decimals(image.forgetting_events, 1)
    never = f", never learned in {image.never_learned}" if image.never_learned else ""
    return f"forgotten {events} times in {runs}{never}"


def _encode_png(picture: NDArray[np.uint8]) -> str:
    pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + b64encode(buffer.getvalue()).decode()


def _make_safe(value: object) -> object:
    """Escape control characters in a text that a run may hold; what is markup has none of them."""
    return make_printable(value, keep_lines=True) if type(value) is str else value


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
