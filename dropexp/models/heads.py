"""Which layers of a network compute the logits: its head, which is new where classes differ."""

from collections.abc import Iterable

from torch import nn

from dropexp.models.adapter import find_sites

_HEADS = "_heads"
_OWN_HEAD = "head"  # of dropexp's own networks


def remember_heads(model: nn.Module, heads: Iterable[str]) -> None:
    """Note the names of the layers that compute a network's logits; copies keep them."""
    vars(model)[_HEADS] = tuple(heads)


def get_heads(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the layers that compute a network's logits; empty if none is found."""
    heads: tuple[str, ...] | None = vars(model).get(_HEADS)
    if heads is None:
        is_own = isinstance(getattr(model, _OWN_HEAD, None), nn.Linear)
        heads = (_OWN_HEAD,) if is_own else tuple(find_sites(model).heads)
        remember_heads(model, heads)
    return heads


def is_in_head(model: nn.Module, name: str) -> bool:
    """Return whether a parameter or buffer of a network belongs to its head."""
    return any(name.startswith(f"{head}.") for head in get_heads(model))
