"""The memory format of a tensor: contiguous or channels last."""

import torch
from torch import Tensor


def memory_format_of(x: Tensor) -> torch.memory_format:
    """Return channels_last for a map (N, C, H, W) stored that way, else contiguous_format."""
    if x.dim() != 4 or x.is_contiguous():
        return torch.contiguous_format
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
