"""Several regularisers in one model."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError
from dropexp.regularisers.base import Branch, FollowingNonlinearity, Gate, Regulariser
from dropexp.regularisers.inputs import InputNoiseSequence
from dropexp.regularisers.noises import find_noise_modules


class Combined(Regulariser):
    """Several regularisers as one: it asks each at every site and combines the answers.

    Noises on activations and inputs are applied one after another. Gates are nested, the first one
    outermost. Only one of the regularisers may replace a layer.

    Args:
        parts: the regularisers, in the order in which they are applied; p is their largest p.
    """

    name: ClassVar[str] = "combination"

    def __init__(self, parts: Sequence[Regulariser]) -> None:
        super().__init__(0.0)
        self.parts = tuple(parts)
        self.p = max((part.p for part in parts), default=0.0)

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        """See Regulariser."""
        answers = [part.activation(depth, spatial=spatial) for part in self.parts]
        noises = [module for module in answers if not isinstance(module, nn.Identity)]
        if not noises:
            return nn.Identity()
        return noises[0] if len(noises) == 1 else nn.Sequential(*noises)

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> nn.Module:
        """See Regulariser.

        Raises:
            ConfigError: two of the regularisers replace the layer.
        """
        noisy: nn.Linear | nn.Conv2d = layer
        for part in self.parts:
            answer = part.weight(noisy, depth, nonlinearity=nonlinearity)
            if answer is not noisy and len(find_noise_modules(answer)) <= len(
                find_noise_modules(noisy)
            ):
                names = COMBINATION_SEPARATOR.join(each.name for each in self.parts)
                raise ConfigError(
                    f"regulariser={names} is not allowed: two of them replace the same layer. "
                    f"Combine regularisers of different sites."
                )
            assert isinstance(answer, nn.Linear | nn.Conv2d)
            noisy = answer
        return noisy

    def branch(self, depth: float) -> nn.Module:
        """See Regulariser."""
        gates = [part.branch(depth) for part in self.parts]
        noises = [gate for gate in gates if type(gate) is not Gate]
        if not noises:
            return Gate()
        return noises[0] if len(noises) == 1 else NestedGates(noises)

    def input(self, num_classes: int) -> nn.Module | None:
        """See Regulariser."""
        answers = [part.input(num_classes) for part in self.parts]
        noises = [module for module in answers if module is not None]
        if len(noises) < 2:
            return noises[0] if noises else None
        return InputNoiseSequence(noises)


class NestedGates(nn.ModuleList):
    """Several gates as one: the first is the outermost."""

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """See Gate."""
        return _nest(list(self), branch)(x)


def _nest(gates: Sequence[nn.Module], branch: Branch) -> Branch:
    """Return a branch that computes another branch inside nested gates."""
    if not gates:
        return branch
    outer, *others = gates

    def gated(x: Tensor) -> Tensor:
        contribution: Tensor = outer(_nest(others, branch), x)
        return contribution

    return gated
