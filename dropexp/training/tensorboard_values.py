"""The values of a run's TensorBoard event file: histograms and images."""

from io import BytesIO

import numpy as np
import torch
import torch.nn.functional as F
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from torch import Tensor

_HISTOGRAM_BUCKETS = 64
_BORDER = 128  # the grey between images, of 255


def arrange_images(images: Tensor, columns: int = 8) -> Tensor:
    """Arrange images in a grid with borders of one pixel.

    If the brightest value is below 128, as in the digits' range of 0 to 16, all values are
    stretched to 0 to 255. Images smaller than 16 pixels are enlarged four times.

    Args:
        images: uint8 of shape (N, C, H, W), N ≥ 1.
        columns: the largest number of images in a row.

    Returns:
        uint8 of shape (C, rows · (H + 1) + 1, columns · (W + 1) + 1), H and W after enlarging.
    """
    images = stretch_dark(images.cpu())
    if max(images.shape[-2:]) < 16:
        images = images.repeat_interleave(4, dim=-2).repeat_interleave(4, dim=-1)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    missing = rows * columns - len(images)
    tiles = F.pad(images, (1, 0, 1, 0, 0, 0, 0, missing), value=_BORDER)
    # (row, column, C, H, W) → (C, row, H, column, W)
    tiles = tiles.reshape(rows, columns, *tiles.shape[1:]).permute(2, 0, 3, 1, 4)
    grid = tiles.flatten(3, 4).flatten(1, 2)
    return F.pad(grid, (0, 1, 0, 1), value=_BORDER)


def stretch_dark(images: Tensor) -> Tensor:
    """Return uint8 images of any shape, stretched to 0 to 255 if the brightest is below 128."""
    brightest = int(images.max())
    if not 0 < brightest < 128:
        return images
    return (images.to(torch.int32) * 255 // brightest).to(torch.uint8)


def to_bytes(images: Tensor) -> Tensor:
    """Return images as a picture can show them: uint8 of 1 or 3 channels.

    Floating-point values are stretched to 0 to 255; of two channels, or more than three, the first
    is shown.

    Args:
        images: uint8 or float32 of shape (N, C, H, W), N ≥ 1.
    """
    if images.shape[1] not in (1, 3):
        images = images[:, :1]
    if not images.is_floating_point():
        return images
    lowest, highest = float(images.min()), float(images.max())
    return ((images - lowest) * (255 / (highest - lowest or 1.0))).to(torch.uint8)


def make_histogram(parameter: Tensor) -> HistogramProto:
    """Count a parameter's finite values in buckets of equal width."""
    # NumPy, because on a busy machine torch's threads spend more time waiting than counting.
    values = parameter.detach().to("cpu", torch.float64).numpy().ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return HistogramProto()
    counts, edges = np.histogram(values, _HISTOGRAM_BUCKETS)
    return HistogramProto(
        min=values.min(),
        max=values.max(),
        num=values.size,
        sum=values.sum(),
        sum_squares=np.square(values).sum(),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )


def encode_png(picture: Tensor) -> Summary.Image:
    """Encode a picture, uint8 of shape (1 or 3, H, W), as a PNG."""
    from PIL import Image  # costs 10 ms, which a run without pictures saves

    channels, height, width = picture.shape
    pixels = picture.cpu().permute(1, 2, 0).squeeze(-1).contiguous().numpy()
    encoded = BytesIO()
    Image.fromarray(pixels).save(encoded, format="PNG")
    return Summary.Image(
        height=height,
        width=width,
        colorspace=channels,
        encoded_image_string=encoded.getvalue(),
    )
