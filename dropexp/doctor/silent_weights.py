"""Weights that are zero or tiny at initialisation, and hide what lies before them.

Goyal et al. 2017, "Accurate, large minibatch SGD", section 5.1, initialises the last normalisation
of a residual branch with zero; vision transformers do so with their head, and ConvNeXt multiplies
its branches by 1e-6. No output of such a network can differ, whatever its noise does.
"""

import math

import torch
from torch import Tensor, nn

_SILENT = 1e-2  # the largest absolute weight of a parameter that hides what it is applied to
_SEED = 0


def wake_silent_weights(reference: nn.Module, *others: nn.Module) -> None:
    """Give parameters that are zero or tiny values as after some training, in place.

    The same values in each network; no generator of torch's is used. Biases stay, as they hide
    nothing.

    Args:
        reference: the network whose parameters are looked at.
        others: networks whose parameters of the same name and shape get the same values.
    """
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if not _is_silent(name, parameter):
                continue
            values = _draw_like(parameter, generator)
            for model in (reference, *others):
                own = dict(model.named_parameters()).get(name)
                if own is not None and own.shape == values.shape:
                    own.copy_(values)


def _is_silent(name: str, parameter: Tensor) -> bool:
    return (
        parameter.numel() > 0
        and parameter.is_floating_point()
        and not name.rpartition(".")[2].endswith("bias")
        and float(parameter.detach().abs().max()) < _SILENT
    )


def _draw_like(parameter: Tensor, generator: torch.Generator) -> Tensor:
    """Return scales in [0.5, 1.5) for vectors, and weights of variance 1 / fan-in for matrices."""
    if parameter.dim() < 2 or parameter.numel() == max(parameter.shape):
        return torch.rand(parameter.shape, generator=generator) + 0.5
    fan_in = parameter[0].numel()
    return torch.randn(parameter.shape, generator=generator) / math.sqrt(fan_in)
