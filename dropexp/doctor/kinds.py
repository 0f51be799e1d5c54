"""Which modules are dropout or like it, and where their strength is."""

from torch import nn

_STRENGTHS = ("p", "drop_prob", "drop_rate", "dropout_p", "prob", "rate")
_NAMES = ("drop", "stochasticdepth", "shakeshake", "cutout")


def is_dropout_like(module: nn.Module) -> bool:
    """Return whether a module is dropout by its class, or by its name and its strength.

    Modules such as DropPath, DropBlock2d and StochasticDepth are: they have neither parameters nor
    children, and a drop probability.
    """
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return True
    name = type(module).__name__.lower().replace("_", "")
    return (
        any(word in name for word in _NAMES)
        and is_simple(module)
        and read_strength(module) is not None
    )


def is_simple(module: nn.Module) -> bool:
    """Return whether a module has neither children nor parameters, as modules for noise have."""
    return not any(True for _ in module.children()) and not any(True for _ in module.parameters())


def read_strength(module: nn.Module) -> float | None:
    """Return the drop probability of a module for noise; None if no attribute has it."""
    name = find_strength(module)
    return None if name is None else float(getattr(module, name))


def find_strength(module: nn.Module) -> str | None:
    """Return the attribute with the drop probability of a module for noise."""
    for name in _STRENGTHS:
        value = vars(module).get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
            return name
    return None
