"""Fully connected layers with ReLU or SELU."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from dropexp.config.model_section import Nonlinearity
from dropexp.data import ImageShape
from dropexp.models.nonlinearity import apply_nonlinearity, initialise
from dropexp.regularisers import FollowingNonlinearity, Regulariser


class MLP(nn.Module):
    """Hidden linear layers, each followed by an activation site and a ReLU, then a linear head.

    With SELU the activation site is after the non-linearity (see nonlinearity.py).

    784-800-800-10 on MNIST is the network of Wan et al. 2013, "Regularization of neural networks
    using DropConnect", section 6.1.

    Args:
        image_shape: (C, H, W); images are flattened.
        num_classes: the number of logits.
        regulariser: fills one weight site and one activation site (of vectors) per hidden layer.
        hidden: units of each hidden layer.
        nonlinearity: ``relu`` or ``selu``.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        num_classes: int,
        regulariser: Regulariser,
        *,
        hidden: Sequence[int] = (800, 800),
        nonlinearity: Nonlinearity = "relu",
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
        follows: FollowingNonlinearity | None = "relu" if nonlinearity == "relu" else None
        widths = [prod(image_shape), *hidden]
        self.layers = nn.ModuleList()
        self.dropouts = nn.ModuleList()
        for index in range(len(hidden)):
            depth = (index + 1) / len(hidden)
            linear = nn.Linear(widths[index], widths[index + 1])
            initialise(nonlinearity, linear)
            self.layers.append(regulariser.weight(linear, depth, nonlinearity=follows))
            self.dropouts.append(regulariser.activation(depth, spatial=False))
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes) for images (N, C, H, W)."""
        x = x.flatten(1)
        for layer, dropout in zip(self.layers, self.dropouts, strict=True):
            x = apply_nonlinearity(self.nonlinearity, dropout, layer(x))
        return self.head(x)  # type: ignore[no-any-return]
