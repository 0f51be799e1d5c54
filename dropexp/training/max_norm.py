"""Max-norm: a bound on the norm of the weights that come into each hidden unit.

Srivastava et al. 2014 (Dropout, JMLR 15), section 5.1: after each update, the incoming weights of a
hidden unit whose L2 norm exceeds c are scaled back to norm c.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.models import is_in_head

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose weight has a unit, or a filter, in each row of its first dimension."""


def find_bounded_weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the weights that max-norm bounds: of hidden linear and convolutional layers.

    Biases, the output layer, normalisation layers and frozen weights are not among them. A weight
    that several layers share is there once. Where a network's output layer is not recognised, it
    is bounded too.
    """
    weights: dict[int, nn.Parameter] = {}
    for name, layer in model.named_modules():
        if not isinstance(layer, _LAYERS) or is_in_head(model, f"{name}.weight"):
            continue
        # A weight that torch computes from other parameters, as in weight norm, is no parameter.
        weight = layer._parameters.get("weight")
        if weight is not None and weight.requires_grad:
            weights[id(weight)] = weight
    return list(weights.values())


@torch.no_grad()
def bound_norms(weights: Sequence[Tensor], max_norm: float) -> None:
    """Scale down, in place, each unit's incoming weights to an L2 norm of at most ``max_norm``.

    Args:
        weights: of shape (units, ...); a filter of a convolution is a unit.
        max_norm: c in the paper, above 0. Units within the bound are not changed.
    """
    for weight in weights:
        torch.renorm(weight, p=2, dim=0, maxnorm=max_norm, out=weight)


def refuse_idle_max_norm(model: nn.Module, max_norm: float | None) -> None:
    """Raise ConfigError if optimiser.max_norm is set and the network has nothing to bound.

    Raises:
        ConfigError: no hidden linear or convolutional layer trains.
    """
    if max_norm is not None and not find_bounded_weights(model):
        raise ConfigError(
            f"optimiser.max_norm={max_norm:g} has no effect: no hidden linear or convolutional "
            f"layer of this network trains. Use optimiser.max_norm=null, or train more of it."
        )
