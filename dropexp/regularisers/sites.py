"""A regulariser that records which sites a model has."""

from collections import Counter

from torch import nn

from dropexp.regularisers.base import FollowingNonlinearity, Regulariser

_PLURALS = {"activation": "activations", "weight": "weights", "branch": "branches"}


class SiteRecorder(Regulariser):
    """A regulariser that leaves every site plain and counts it.

    Attributes:
        sites: the number of sites for each (kind, detail). The detail is "maps" or "vectors" for
            activations, "convolution" or "linear" for weights, "residual" for branches.
    """

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
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> nn.Module:
        self.sites["weight", "linear" if isinstance(layer, nn.Linear) else "convolution"] += 1
        return super().weight(layer, depth, nonlinearity=nonlinearity)

    def branch(self, depth: float) -> nn.Module:
        self.sites["branch", "residual"] += 1
        return super().branch(depth)

    def describe(self) -> str:
        """Return the counts as text: "2 activations (maps), 2 weights (linear), 0 branches"."""
        return ", ".join(self._describe(kind) for kind in _PLURALS)

    def _describe(self, kind: str) -> str:
        details = {detail: n for (each, detail), n in self.sites.items() if each == kind}
        total = sum(details.values())
        summary = f"{total} {kind if total == 1 else _PLURALS[kind]}"
        if not details or kind == "branch":
            return summary
        if len(details) == 1:
            return f"{summary} ({next(iter(details))})"
        return f"{summary} ({', '.join(f'{n} {detail}' for detail, n in details.items())})"
