"""A network with every kind of site, for contract tests."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dropexp.regularisers import (
    DropConnectConv2d,
    DropConnectLinear,
    Noise,
    Regulariser,
    UnitScaling,
    apply_input_noise,
    attach_input_noise,
)


class Network(nn.Module):
    """Two convolutions, the second a residual branch, and a head: every kind of site.

    It maps images (N, 3, H, W) to logits (N, 4).
    """

    def __init__(self, regulariser: Regulariser) -> None:
        super().__init__()
        self.conv1 = regulariser.weight(nn.Conv2d(3, 8, 3, padding=1), 0.5, nonlinearity="relu")
        self.noise1 = regulariser.activation(0.5)
        self.gate = regulariser.branch(1.0)
        self.conv2 = regulariser.weight(nn.Conv2d(8, 8, 3, padding=1), 1.0)
        self.norm = nn.BatchNorm2d(8)
        self.noise2 = regulariser.activation(1.0, spatial=False)
        self.head = regulariser.weight(nn.Linear(8, 4), 1.0)
        attach_input_noise(self, regulariser.input(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits; labels for noise on the input are made up."""
        x, self.targets = apply_input_noise(self, x, torch.arange(len(x)) % 4)
        x = self.noise1(self.conv1(x)).relu()
        x = x + self.gate(self._branch, x)
        out: Tensor = self.head(self.noise2(x.mean((2, 3))).relu())
        return out

    def _branch(self, x: Tensor) -> Tensor:
        return self.norm(self.conv2(x)).relu()  # type: ignore[no-any-return]


MakeNetwork = Callable[[float], Network]
"""Returns the network with a regulariser of this p; its initial weights are always the same."""


def make_network(regulariser: Callable[[], Regulariser] = Regulariser) -> Network:
    """Return the network with a regulariser, by default none, initialised from seed 0."""
    torch.manual_seed(0)
    return Network(regulariser())


def make_images() -> Tensor:
    """Return a batch of made-up images, (16, 3, 6, 6)."""
    return torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def run_under_seed(seed: int, model: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a model with torch's generator at a seed."""
    torch.manual_seed(seed)
    out: Tensor = model(x)
    return out


def make_probe(noise: Noise) -> Tensor:
    """Return a batch of 64 zeros of a shape that a noise module of the network takes."""
    if isinstance(noise, DropConnectLinear):
        return torch.zeros(64, noise.in_features)
    if isinstance(noise, DropConnectConv2d):
        return torch.zeros(64, noise.in_channels, 6, 6)
    if isinstance(noise, UnitScaling):
        units = len(noise.coefficient)
        return torch.zeros(64, units) if noise.dim == -1 else torch.zeros(64, units, 6, 6)
    return torch.zeros(64, 8, 6, 6)
