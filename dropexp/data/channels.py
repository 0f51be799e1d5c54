"""Mean and standard deviation of the channels of images, which normalise them."""

import math

import numpy as np
import torch
from torch import Tensor


def compute_channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and population standard deviation of each channel; of uint8 from exact sums.

    Args:
        images: uint8 or float32 (N, C, H, W) on the CPU, N ≥ 1.

    Returns:
        Two tensors, float32 (C,); a standard deviation of 0 is set to 1.
    """
    if images.is_floating_point():
        deviation, mean = torch.std_mean(images.double(), (0, 2, 3), correction=0)
        return mean.float(), torch.where(deviation > 0, deviation, 1.0).float()
    means, deviations = [], []
    for channel in images.unbind(1):
        counts = _count_values(channel)
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value**2 * count for value, count in enumerate(counts))
        means.append(first / total)
        deviations.append(math.sqrt((total * second - first**2) / total**2) or 1.0)
    return torch.tensor(means), torch.tensor(deviations)


def _count_values(channel: Tensor) -> list[int]:
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(channel), 1000):  # bincount makes 64-bit copies: keep them small
        values = channel[start : start + 1000].numpy()
        counts += np.bincount(values.ravel(), minlength=256)
    return [int(count) for count in counts]
