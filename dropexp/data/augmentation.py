"""Random changes of training images that leave their class as it is.

The choices (mirror with probability 1/2; zero-pad and crop back at a random place) are those of
He et al. 2016, section 4.2, with the padding in proportion to the image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dropexp.config.data_section import Augmentation


def augment(images: Tensor, kind: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image on its own: a pure function of the images and of the generator's state.

    ``flip`` mirrors left and right with probability 1/2; ``crop`` adds a border of zeros, H // 8
    pixels wide (4 at 32×32) and at least 1, and crops a window of the first size at a uniform
    place; ``crop_flip`` mirrors, then crops. A mirrored digit is another digit: crop them only.

    Args:
        images: uint8 (N, C, H, W), a batch or a whole epoch; not changed.
        kind: ``none`` returns the images themselves and draws nothing.
        generator: on the CPU, whatever the device of the images. It is advanced by N draws per
            flip and 2N per crop; images and device do not matter.

    Returns:
        uint8 (N, C, H, W) on the device of the images.
    """
    if kind == "none":
        return images
    if kind != "crop":
        images = _random_flip(images, generator)
    return images if kind == "flip" else _random_crop(images, generator)


def _random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    mirrored = mirrored.to(images.device)[:, None, None, None]
    return torch.where(mirrored, images.flip(-1), images)


def _random_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    border = max(1, height // 8)
    corner = torch.randint(2 * border + 1, (2, count), generator=generator)
    top, left = corner.to(images.device)
    # All windows as a view, (N, C, tops, lefts, H, W), of which one each is copied: whole windows
    # at a time, where a gather would look up every pixel.
    windows = F.pad(images, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, top, left]
