"""Noise and non-linearity after a layer, in the right order, and the matching initial weights."""

from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.config.model_section import Nonlinearity


def apply_nonlinearity(nonlinearity: Nonlinearity, noise: nn.Module, x: Tensor) -> Tensor:
    """Return ReLU(noise(x)) or noise(SELU(x)), of x's shape.

    Zeroing and positive scaling commute with ReLU; the article's network has the noise before it.
    They do not commute with SELU, which keeps mean 0 and variance 1 of its output.
    """
    out: Tensor = F.relu(noise(x)) if nonlinearity == "relu" else noise(F.selu(x))
    return out


def initialise(nonlinearity: Nonlinearity, layer: nn.Linear | nn.Conv2d) -> None:
    """Initialise a layer in place: for SELU weights N(0, 1 / fan-in), biases 0; for ReLU as torch.

    Klambauer et al. 2017, "Self-normalizing neural networks", section 3 (initialization).
    """
    if nonlinearity == "selu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
