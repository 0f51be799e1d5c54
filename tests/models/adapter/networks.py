"""Networks that know nothing of regularisers: torchvision's, and small ones of one kind each."""

import copy
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.models import build_torchvision_model
from dropexp.regularisers import Regulariser

IMAGE = (3, 16, 16)
CLASSES = 5


@cache
def _made(arch: str, shape: tuple[int, int, int]) -> nn.Module:
    torch.manual_seed(0)
    model = build_torchvision_model(shape, CLASSES, Regulariser(), arch=arch)
    # As after some training: normalisations that differ from one another and from the identity.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            module.running_mean = torch.randn(module.num_features) * 0.1
    return model


def network(arch: str, shape: tuple[int, int, int] = IMAGE) -> nn.Module:
    """An initialised, plain network of torchvision; a new copy at each call."""
    return copy.deepcopy(_made(arch, shape))


def images(n: int = 4, shape: tuple[int, int, int] = IMAGE) -> Tensor:
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(1))


class Residual(nn.Module):
    """x + conv(relu(norm(conv(x)))), with nothing after the addition."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)

    def branch(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.norm(self.conv1(x))))  # type: ignore[no-any-return]


class Small(nn.Module):
    """Two residual blocks and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(Residual(4), Residual(4))
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.silu(self.stem(x)))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class PreActivated(Residual):
    """He et al. 2016, Identity mappings: the projection is of the activated input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.BatchNorm2d(3)
        self.projection = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        shortcut = self.projection(x)
        out = self.branch(x)
        out += shortcut
        return out


class TwoBranches(nn.Module):
    """As a transformer's block: each of two additions has a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Residual(), Residual()

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.dim() == 4, f"no maps, but {x.shape}")
        out, _ = torch.max(torch.stack([self.first(x), self.first(x)]), 0)
        y = out + x
        return torch.add(y, self.second(y))


class Nested(nn.Module):
    """An addition within the branch of another one, both in one forward."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        y = y + self.b(y)
        return x + self.c(y)  # type: ignore[no-any-return]


class ParallelPaths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) + self.right(x)  # type: ignore[no-any-return]


class AddsParameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.position = nn.Parameter(torch.zeros(3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.position  # type: ignore[no-any-return]


class AddsPooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pool(x)  # type: ignore[no-any-return]


class UsesItsBranchTwice(Residual):
    def forward(self, x: Tensor) -> Tensor:
        out = self.branch(x)
        return (x + out) * out.mean()


class OverwritesItsInput(Residual):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(self.relu(x)) + x


class WithOption(Residual):
    def forward(self, x: Tensor, scale: float | None = None) -> Tensor:
        out = self.branch(x)
        return x + (out if scale is None else out * scale)


class AddsWhatItTakesFromElsewhere(Residual):
    def forward(self, x: Tensor, y: Tensor | float) -> Tensor:  # type: ignore[override]
        return x + self.conv1(self.branch(x) * y)  # type: ignore[no-any-return]


class AsksValues(nn.Module):
    """Cannot be traced: it looks at numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(F.relu(self.norm1(self.conv1(x))))
        x = self.inner(x if x.sum() > 0 else F.relu(x))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]
