"""Networks with the mistakes of published work, one each, and their correct forms."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 3


def images(n: int = 4) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A small network; subclasses change what lies between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout2d(0.5)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(F.relu(self.norm(self.conv(x))))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]

    def between(self, x: Tensor) -> Tensor:
        return self.dropout(x)  # type: ignore[no-any-return]


def compile_eagerly(network: nn.Module) -> nn.Module:
    """Return a network of torch.compile that traces its Python and generates no code."""
    compiled = torch.compile(network, backend="eager")
    assert isinstance(compiled, nn.Module)
    return compiled


class NormWithoutStatistics(Net):
    """Its batch norm has no running statistics, so it uses the batch's in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)


class AlwaysOn(Net):
    def between(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, 0.5)


class FollowsMode(Net):
    def between(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, 0.25, training=self.training)


class RateAsAttribute(Net):
    """As in DenseNet: a forward gives its own drop rate to a function."""

    drop_rate = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.drop_rate = 0.25

    def between(self, x: Tensor) -> Tensor:
        return F.dropout2d(x, self.drop_rate, training=self.training)


class Recurring(Net):
    """Reads its rows with a recurrent network that has dropout between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 64, num_layers=2, dropout=0.3, batch_first=True)

    def between(self, x: Tensor) -> Tensor:
        return self.lstm(x.flatten(2))[0].reshape(x.shape)  # type: ignore[no-any-return]


class Attention(Net):
    """Self-attention over positions; ``follows`` asks for the mode."""

    follows = True

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def between(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens)[:, None].chunk(3, -1)
        p = 0.2 if self.training or not self.follows else 0.0
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
        return out[:, 0].transpose(1, 2).reshape(x.shape)


class AttentionAlwaysOn(Attention):
    follows = False


class OverriddenTrain(Net):
    def train(self, mode: bool = True) -> "OverriddenTrain":
        self.training = mode
        return self


class FlatInput(Net):
    """dropout2d on features (N, C, L)."""

    def between(self, x: Tensor) -> Tensor:
        return self.dropout(x.flatten(2)).reshape(x.shape)  # type: ignore[no-any-return]


class SingleImages(Net):
    """dropout2d on each image (C, H, W) of a batch."""

    def between(self, x: Tensor) -> Tensor:
        return torch.stack([F.dropout2d(each, 0.3, self.training) for each in x])


class RateNotPassedOn(Net):
    def __init__(self, drop_rate: float = 0.3) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.dropout = nn.Dropout2d(0.0)


class BreaksBackward(Net):
    def between(self, x: Tensor) -> Tensor:
        return F.dropout(torch.sigmoid(x), 0.5, self.training, inplace=True)


class OverwritesShortcut(Net):
    def between(self, x: Tensor) -> Tensor:
        x = x + 1
        return x + F.dropout(x, 0.5, self.training, inplace=True)


class HarmlessInplace(Net):
    def between(self, x: Tensor) -> Tensor:
        return F.dropout(x + 1, 0.5, self.training, inplace=True)


class LayersInList(Net):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)]

    def between(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class LayerInForward(Net):
    def between(self, x: Tensor) -> Tensor:
        return nn.Conv2d(8, 8, 1)(x)  # type: ignore[no-any-return]


class KernelAsAttribute(Net):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = torch.ones(8, 1, 3, 3) / 9

    def between(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel, padding=1, groups=8)


class KernelAsBuffer(Net):
    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.ones(8, 1, 3, 3) / 9)

    def between(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel.flip(2) * 2, padding=1, groups=8)


class DropoutInList(Net):
    def __init__(self) -> None:
        super().__init__()
        self.drops = [nn.Dropout(0.4)]

    def between(self, x: Tensor) -> Tensor:
        return self.drops[0](x)  # type: ignore[no-any-return]


class BatchNormAlwaysOn(Net):
    def between(self, x: Tensor) -> Tensor:
        mean, variance = torch.zeros(8), torch.ones(8)
        return F.batch_norm(x, mean, variance, training=True)


class WeightStandardised(Net):
    """As in NF-Nets: a batch norm of one example standardises a weight."""

    def between(self, x: Tensor) -> Tensor:
        weight = self.conv.weight
        flat = F.batch_norm(weight.reshape(1, len(weight), -1), None, None, training=True)
        return F.conv2d(x[:, :3], flat.reshape(weight.shape), padding=1)


class OwnMask(Net):
    """Dropout of positions, written by hand."""

    def between(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        mask = (torch.rand(len(x), 1, *x.shape[2:]) > 0.25).float()
        return x * mask / 0.75


class OwnMaskAlwaysOn(Net):
    def between(self, x: Tensor) -> Tensor:
        return x * torch.bernoulli(torch.full_like(x, 0.8))


class DropPath(nn.Module):
    """Stochastic depth as in timm; ``scaled`` divides by the keep probability."""

    def __init__(self, drop_prob: float, *, scaled: bool = True) -> None:
        super().__init__()
        self.drop_prob, self.scaled = drop_prob, scaled

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_prob == 0:
            return x
        keep = 1 - self.drop_prob
        mask = x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(keep)
        return x * (mask.div_(keep) if self.scaled else mask)


class WithDropPath(Net):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.path = DropPath(0.3, **options)

    def between(self, x: Tensor) -> Tensor:
        return x + self.path(self.conv.weight.mean() * x)  # type: ignore[no-any-return]


class SilentHead(Net):
    """A head of zeros, as in vision transformers, hides what is before it."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)


class SilentHeadAlwaysOn(SilentHead, OwnMaskAlwaysOn):
    pass


class Unsteady(Net):
    """Draws from Python's generator, which torch does not see."""

    def between(self, x: Tensor) -> Tensor:
        import random

        return x * random.random()


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 8, num_layers=2, dropout=0.3, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.2, batch_first=True)
        self.self_normalising = nn.AlphaDropout(0.4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2)[:, :, :8]
        x = self.lstm(x)[0]
        x = self.attention(x, x, x)[0]
        return self.self_normalising(x)  # type: ignore[no-any-return]
