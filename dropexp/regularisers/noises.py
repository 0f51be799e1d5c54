"""The noise modules of a model: find them, count them, set their p, group what they learn."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from torch import nn

from dropexp.regularisers.base import Noise


def find_noise_modules(model: nn.Module) -> dict[str, Noise]:
    """Return the noise modules of a model by their names, one for each filled site."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Noise)}


def count_filled_sites(model: nn.Module) -> dict[str, int]:
    """Return the number of sites that each regulariser fills, by the regulariser's name."""
    return dict(Counter(noise.kind for noise in find_noise_modules(model).values()))


def read_p(noises: Mapping[str, Noise]) -> dict[str, float]:
    """Return the present p of each noise module, by its name in the model."""
    return {name: noise.p for name, noise in noises.items()}


def scale_p(
    noises: Mapping[str, Noise], full_p: Mapping[str, float], factors: Mapping[str, float]
) -> None:
    """Set each noise module's p to its full value times a factor, except for learned ones.

    Args:
        noises: by their names in the model.
        full_p: p where the factor is 1, by the same names.
        factors: in [0, 1], by the names of the regularisers.
    """
    for name, noise in noises.items():
        if not noise.learns_p:
            noise.p = factors[noise.kind] * full_p[name]


def is_learned_by_noise(model: nn.Module, name: str) -> bool:
    """Return whether a parameter or buffer of a model belongs to its noise, not to the network.

    Args:
        model: any model.
        name: as in its state_dict.
    """
    owner = model.get_submodule(name.rpartition(".")[0])
    # A DropConnect layer is a noise module, and its weights are the network's.
    return isinstance(owner, Noise) and not isinstance(owner, nn.Linear | nn.Conv2d)


def group_parameters(model: nn.Module) -> list[dict[str, Any]]:
    """Return the parameters that train in groups for torch.optim: noise gets no weight decay.

    Weight decay would pull a learned p towards 1/2 and a learned scale towards 0.

    Returns:
        One or two groups: the network's own weights, then the parameters of its noise, if it has
        any.
    """
    own: list[nn.Parameter] = []
    learned: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (learned if is_learned_by_noise(model, name) else own).append(parameter)
    groups: list[dict[str, Any]] = [{"params": own}]
    return [*groups, {"params": learned, "weight_decay": 0.0}] if learned else groups
