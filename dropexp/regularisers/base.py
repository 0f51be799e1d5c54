"""The seam: a model announces sites, a regulariser fills them.

Models know no regulariser by name. While it builds itself, a model asks the regulariser at each
place where noise can enter, and uses what it is given. There are three kinds of site:

=============  ======================================  =====================================
site           the model asks                          and puts the answer
=============  ======================================  =====================================
activation     ``regulariser.activation(depth)``       after a layer, before its non-linearity
weight         ``regulariser.weight(layer, depth)``    in the layer's place
branch         ``regulariser.branch(depth)``           around a residual branch:
                                                       ``shortcut(x) + gate(f, x)``
=============  ======================================  =====================================

Shapes: N examples, C channels, H × W positions, F features.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

Nonlinearity = Literal["relu"]
Branch = Callable[[Tensor], Tensor]


class Gate(nn.Module):
    """Computes a residual branch for every example: the gate of a plain network."""

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """``branch(x)``, to be added to the shortcut; broadcastable to the branch's shape."""
        return branch(x)


class Noise(ABC):
    """What every module that a regulariser puts into a model is, beside an nn.Module.

    ``p`` is the strength: a drop probability in [0, 1) that may be changed at any time during
    training and takes effect at the next forward pass. In eval mode, and at p = 0, a noise
    module computes exactly what the plain model computes there.
    """

    p: float

    @abstractmethod
    def unit_ratios(self, x: Tensor) -> Tensor:
        """Run this module's own forward pass on a probe and say what became of each unit.

        A unit is what one Bernoulli draw decides about (a channel of an example, a weight, a
        branch …). The audit reads two facts off the result: the share of exact zeros is the
        realised drop rate, and the mean is 1 if training and evaluation agree in expectation.

        Args:
            x: a batch as the module meets it in the model; only its shape, dtype and device
                need to matter. Its values are not changed.

        Returns:
            1-D float tensor with one element per independent unit: the unit's output in
            training mode divided by its output in eval mode. The module's mode is left as
            it was.
        """


class Regulariser:
    """``none``, and the base of all others: every site stays as the plain model has it.

    Building a model with any regulariser draws the same random numbers for the initial
    weights as building it plain, and the plain weights keep their names in ``state_dict()``.
    """

    name: ClassVar[str] = "none"
    needs: ClassVar[str] = "nothing"
    """The sites it can act on, in words, for messages."""

    def __init__(self, p: float = 0.0) -> None:
        self.p = p

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        """A module to be called on a layer's output, before the non-linearity.

        Args:
            depth: l/L in (0, 1]: the layer's place among the model's layers.
            spatial: whether the output is a map (N, C, H, W), or a vector (N, F).
        """
        return nn.Identity()

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: Nonlinearity | None = None,
    ) -> nn.Module:
        """The layer itself, or a form of it whose weights are noisy in training.

        Args:
            layer: a freshly initialised layer.
            depth: l/L in (0, 1].
            nonlinearity: what is applied directly to the layer's output, if anything is.
        """
        return layer

    def branch(self, depth: float) -> nn.Module:
        """A gate, called as ``gate(f, x)``, that decides whether, for which rows and at what
        scale the residual branch f is computed.

        Args:
            depth: l/L in (0, 1]: the branch's place among the model's L branches.
        """
        return Gate()


def noise_modules(model: nn.Module) -> dict[str, Noise]:
    """The noise modules of a model by their names: the sites that were served."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Noise)}


def eval_and_train(module: nn.Module, probe: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """A probe's results with the module in eval and in training mode; the mode is restored."""
    was_training = module.training
    try:
        with torch.no_grad():
            module.train(False)
            evaluated = probe()
            module.train(True)
            trained = probe()
    finally:
        module.train(was_training)
    return evaluated, trained
