"""What a model offers to regularisers."""

from collections import Counter
from typing import ClassVar

from torch import nn

from dropexp.regularisers.base import Nonlinearity, Regulariser

_PLURALS = {"activation": "activations", "weight": "weights", "branch": "branches"}


class SiteRecorder(Regulariser):
    """Leaves every site plain and remembers it.

    Attributes:
        sites: how often each (kind of site, its sort) was offered; the sort is "maps" or
            "vectors" for activations, "convolution" or "linear" for weights, "residual" for
            branches.
    """

    name: ClassVar[str] = "none"

    def __init__(self) -> None:
        super().__init__()
        self.sites: Counter[tuple[str, str]] = Counter()

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        self.sites["activation", "maps" if spatial else "vectors"] += 1
        return super().activation(depth, spatial=spatial)

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: Nonlinearity | None = None,
    ) -> nn.Module:
        self.sites["weight", "linear" if isinstance(layer, nn.Linear) else "convolution"] += 1
        return super().weight(layer, depth, nonlinearity=nonlinearity)

    def branch(self, depth: float) -> nn.Module:
        self.sites["branch", "residual"] += 1
        return super().branch(depth)

    def describe(self) -> str:
        """Such as "3 activations (2 maps, 1 vectors), 2 weights (convolution), 0 branches"."""
        return ", ".join(self._describe(kind) for kind in _PLURALS)

    def _describe(self, kind: str) -> str:
        sorts = {sort: n for (its_kind, sort), n in self.sites.items() if its_kind == kind}
        total = sum(sorts.values())
        words = f"{total} {kind if total == 1 else _PLURALS[kind]}"
        if not sorts or kind == "branch":
            return words
        if len(sorts) == 1:
            return f"{words} ({next(iter(sorts))})"
        return f"{words} ({', '.join(f'{n} {sort}' for sort, n in sorts.items())})"
