"""The non-linearity after a layer: its order with the noise, and the initial weights for it."""

from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.config.model_section import Nonlinearity


def apply_nonlinearity(nonlinearity: Nonlinearity, noise: nn.Module, x: Tensor) -> Tensor:
    """Return ReLU(noise(x)) or noise(SELU(x)), of x's shape.

    Dropping and rescaling commute with ReLU, and the article's network has the noise before it.
    They do not commute with SELU: alpha dropout keeps the mean and variance of SELU's output.
    """
    out: Tensor = F.relu(noise(x)) if nonlinearity == "relu" else noise(F.selu(x))
    return out


def initialise(nonlinearity: Nonlinearity, layer: nn.Linear | nn.Conv2d) -> None:
    """Initialise a layer in place: for SELU as published; for ReLU torch's weights are kept.

    For SELU weights are N(0, 1 / fan-in) and biases are 0: Klambauer et al. 2017,
    "Self-normalizing neural networks", section 3 (initialization).
    """
    if nonlinearity == "selu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
