"""Groups a network's parameters for its optimiser: by weight decay, and by learning rate."""

from typing import Any

from torch import nn

from dropexp.config.training_sections import Multipliers
from dropexp.models import matches, refuse_idle_patterns
from dropexp.regularisers import group_parameters, is_learned_by_noise

LR_FACTOR = "lr_factor"
"""The key of a group for what its learning rate is multiplied by; 1 where it is absent."""


def make_parameter_groups(
    model: nn.Module, multipliers: Multipliers | None
) -> list[dict[str, Any]]:
    """Return the parameters that train, in groups for torch.optim.

    Args:
        model: after freezing.
        multipliers: factors of the learning rate by patterns of names; the last pattern that
            matches a parameter counts. None: 1 for all.

    Raises:
        ConfigError: a pattern matches no parameter of the network.
    """
    groups = group_parameters(model)
    if multipliers is None:
        return groups
    names = {
        id(parameter): name
        for name, parameter in model.named_parameters()
        if not is_learned_by_noise(model, name)
    }
    patterns = [pattern for pattern, _ in multipliers]
    refuse_idle_patterns("optimiser.lr_multipliers", patterns, list(names.values()))
    return [split for group in groups for split in _split_group(group, multipliers, names)]


def _split_group(
    group: dict[str, Any], multipliers: Multipliers, names: dict[int, str]
) -> list[dict[str, Any]]:
    by_factor: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        factor = _find_factor(names.get(id(parameter), ""), multipliers)
        by_factor.setdefault(factor, []).append(parameter)
    return [
        {**group, "params": parameters, LR_FACTOR: factor}
        for factor, parameters in by_factor.items()
    ]


def _find_factor(name: str, multipliers: Multipliers) -> float:
    factors = [factor for pattern, factor in multipliers if name and matches(name, pattern)]
    return factors[-1] if factors else 1.0
