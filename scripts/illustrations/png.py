"""Write an SVG as a small PNG."""

from io import BytesIO
from pathlib import Path

import vl_convert
from PIL import Image


def write_png(svg: str, picture: Path, scale: float) -> None:
    """Write an SVG as a PNG of at most 256 colours, a tenth of the size with all colours.

    Args:
        svg: the drawing.
        picture: the file to write.
        scale: the pixels of the PNG for each pixel of the SVG.
    """
    with Image.open(BytesIO(vl_convert.svg_to_png(svg, scale=scale))) as image:
        is_opaque = image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
        if is_opaque:
            reduced = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT)
        else:  # the only method that keeps transparency, and a coarse one
            reduced = image.quantize(256, method=Image.Quantize.FASTOCTREE)
    reduced.save(picture, optimize=True)
