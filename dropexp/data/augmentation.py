"""Random changes of training images.

Mirroring with probability 1/2, and zero-padding with a random crop, are those of He et al. 2016,
section 4.2; the padding is in proportion to the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dropexp.config.data_section import Augmentation


def augment(images: Tensor, kind: Augmentation, generator: torch.Generator) -> Tensor:
    """Return randomly changed images: a pure function of the images and the generator's state.

    ``flip`` mirrors left to right with probability 1/2. ``crop`` adds a border of zeros, H // 8
    pixels wide (4 at 32×32) and at least 1, and crops a window of the original size at a uniformly
    random place. ``crop_flip`` mirrors, then crops. A mirrored digit is no longer that digit,
    so use ``crop`` for digits.

    Args:
        images: uint8 (N, C, H, W), a batch or a whole epoch; not written to.
        kind: ``none`` returns the images themselves and draws nothing.
        generator: on the CPU, also where the images are on another device. A flip draws N numbers
            and a crop 2N.

    Returns:
        uint8 (N, C, H, W), on the device of the images.
    """
    if kind == "none":
        return images
    if kind != "crop":
        images = _flip(images, generator)
    return images if kind == "flip" else _crop(images, generator)


def _flip(images: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    mirrored = mirrored.to(images.device)[:, None, None, None]
    return torch.where(mirrored, images.flip(-1), images)


def _crop(images: Tensor, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    border = max(1, height // 8)
    corner = torch.randint(2 * border + 1, (2, count), generator=generator)
    top, left = corner.to(images.device)
    # A view of all windows, (N, C, tops, lefts, H, W). Indexing it copies whole windows, which is
    # faster than a gather of single pixels.
    windows = F.pad(images, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, top, left]
