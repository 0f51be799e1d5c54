"""A layer's noise and non-linearity, in the order that belongs to each."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

NonlinearityName = Literal["relu", "selu"]


def apply_nonlinearity(kind: NonlinearityName, noise: nn.Module, x: Tensor) -> Tensor:
    """ReLU(noise(x)) or noise(SELU(x)).

    Zeroing and positive scaling commute with ReLU, and the article's network has them before it.
    They do not commute with SELU, whose mean 0 and variance 1 are those of its output.
    """
    out: Tensor = F.relu(noise(x)) if kind == "relu" else noise(F.selu(x))
    return out


def initialise(kind: NonlinearityName, layer: nn.Linear | nn.Conv2d) -> None:
    """Weights for SELU: N(0, 1 / fan-in), biases 0. For ReLU torch's own are left.

    Klambauer et al. 2017, "Self-normalizing neural networks", section 3 (initialization).
    """
    if kind == "selu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
