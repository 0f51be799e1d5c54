"""Noise as people write it, which knows nothing of dropexp."""

import torch
from torch import Tensor, nn


class PlainDropout(nn.Module):
    """As people write it: drops single activations; options may make it wrong."""

    def __init__(self, p: float, fault: str = "", axes: int = 4) -> None:
        super().__init__()
        self.p, self.fault, self.axes = p, fault, axes

    def forward(self, x: Tensor) -> Tensor:
        if self.fault == "off" or self.p == 0:
            return x
        if not self.training and self.fault != "on in eval":
            return x
        shape = [size if axis < self.axes else 1 for axis, size in enumerate(x.shape)]
        keep = (torch.rand(shape) >= self.p).to(x.dtype)
        return x * keep if self.fault == "unscaled" else x * keep / (1 - self.p)


class WithoutP(nn.Module):
    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()


class Hidden(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p)


class Rows(nn.Module):
    """Drops pairs of rows of maps, which no element of a pair decides alone."""

    only_maps = True

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand(len(x), 1, x.shape[2] // 2, 1) >= self.p
        return x * keep.repeat_interleave(2, dim=2) / (1 - self.p)


class KeptElsewhere(nn.Module):
    """Keeps its p where nobody can set it as a number."""

    def __init__(self, p: float, kept: str) -> None:
        super().__init__()
        if kept == "none":
            self.p: object = None
        elif kept == "percent":
            self.p = 100 * p
        else:
            self.register_buffer("p", torch.tensor(p))

    def forward(self, x: Tensor) -> Tensor:
        return x


class Faulty(nn.Module):
    """Returns no activations."""

    def __init__(self, p: float, fault: str) -> None:
        super().__init__()
        self.p, self.fault = p, fault

    def forward(self, x: Tensor) -> Tensor | None:
        if self.fault == "raises":
            raise KeyError("mask")
        return x[:, :1] if self.fault == "other shape" else None
