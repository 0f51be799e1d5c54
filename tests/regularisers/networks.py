"""A network with every kind of site, and all variants of the regularisers."""

import torch
from torch import Tensor, nn

from dropexp.regularisers import (
    REGISTRY,
    DropConnectConv2d,
    DropConnectLinear,
    Noise,
    Regulariser,
    UnitScaling,
    apply_input_noise,
    attach_input_noise,
    build,
)

VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in REGISTRY),
    ("dropout2d", {"inplace": True}),
    ("dropconnect", {"mask": "batch"}),
    ("stochastic_depth", {"mode": "batch", "depth_schedule": "uniform"}),
    ("stochastic_depth", {"scaling": "eval", "depth_schedule": "uniform"}),
    ("shakedrop", {"mode": "batch", "depth_schedule": "uniform"}),
    ("shakedrop", {"scaling": "eval", "depth_schedule": "uniform"}),
    ("dropblock", {"block_size": 3}),
    ("dropblock", {"block_size": 2, "mask": "shared"}),
    ("alpha_dropout", {"featurewise": True}),
    ("cutout", {"size": 0.3}),
]
"""Every regulariser with its defaults, and with options that change what it does."""

NOISY = [variant for variant in VARIANTS if variant[0] != "none"]
ON_INPUTS = [name for name, each in REGISTRY.items() if each(0.1).input(4) is not None]


class Network(nn.Module):
    """Two convolutions, the second a residual branch, and a head: every kind of site."""

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
        x, self.targets = apply_input_noise(self, x, torch.arange(len(x)) % 4)
        x = self.noise1(self.conv1(x)).relu()
        x = x + self.gate(self._branch, x)
        out: Tensor = self.head(self.noise2(x.mean((2, 3))).relu())
        return out

    def _branch(self, x: Tensor) -> Tensor:
        return self.norm(self.conv2(x)).relu()  # type: ignore[no-any-return]


def network(name: str, p: float, **options: object) -> Network:
    """Return the network with a regulariser; its initial weights are always the same."""
    torch.manual_seed(0)
    return Network(build(name, p, **options))


def under_seed(seed: int, model: nn.Module, x: Tensor) -> Tensor:
    """Return the output of a model with torch's generator at a seed."""
    torch.manual_seed(seed)
    out: Tensor = model(x)
    return out


def probe(noise: Noise) -> Tensor:
    """Return a batch of 64 zeros of a shape that the noise module takes."""
    if isinstance(noise, DropConnectLinear):
        return torch.zeros(64, noise.in_features)
    if isinstance(noise, DropConnectConv2d):
        return torch.zeros(64, noise.in_channels, 6, 6)
    if isinstance(noise, UnitScaling):
        units = len(noise.coefficient)
        return torch.zeros(64, units) if noise.dim == -1 else torch.zeros(64, units, 6, 6)
    return torch.zeros(64, 8, 6, 6)
