"""The seam: a model announces sites, a regulariser fills them.

Models know no regulariser by name. While it builds itself, a model asks the regulariser at each
place where noise can enter, and uses what it is given. There are three kinds of site in a model,
and one before it, which whoever trains the model asks for (see inputs.py):

=============  ======================================  =====================================
site           is asked for by                         and the answer is put
=============  ======================================  =====================================
activation     ``regulariser.activation(depth)``       after a layer, before its non-linearity
                                                       (after it where that is not a ReLU)
weight         ``regulariser.weight(layer, depth)``    in the layer's place
branch         ``regulariser.branch(depth)``           around a residual branch:
                                                       ``shortcut(x) + gate(f, x)``
input          ``regulariser.input(num_classes)``      between a training batch and the model:
                                                       ``x, targets = noise(x, targets)``
=============  ======================================  =====================================

Shapes: N examples, C channels, H × W positions, F features, K classes.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers.draws import Draws

Nonlinearity = Literal["relu"]
DepthSchedule = Literal["linear", "uniform"]
Branch = Callable[[Tensor], Tensor]
Layer = TypeVar("Layer", bound=nn.Module)


def drop_probability(p: float, *, allow_one: bool = False) -> float:
    """``p`` itself if it is a drop probability.

    Args:
        p: at least 0.
        allow_one: whether 1 is allowed. (Where something is dropped, nothing is left at 1 that
            could be rescaled; but every batch may be mixed.)

    Raises:
        ValueError: it is below 0, above 1, or 1 where that is not allowed.
    """
    if allow_one and p == 1:
        return 1.0
    if not 0 <= p < 1:
        raise ValueError(
            f"p={p} is not a drop probability: it must be at least 0 and "
            f"{'at most' if allow_one else 'below'} 1"
        )
    return float(p)


def choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Check an option that is one of a few words.

    Raises:
        ValueError: it is another.
    """
    if value not in allowed:
        raise ValueError(f"{option}={value!r} is not allowed; allowed: {', '.join(allowed)}")


class Gate(nn.Module):
    """Computes a residual branch for every example: the gate of a plain network."""

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """``branch(x)``, to be added to the shortcut; broadcastable to the branch's shape."""
        return branch(x)


class Noise(ABC):
    """What every module that a regulariser puts into a model is, beside an nn.Module.

    In eval mode, and at p = 0, a noise module computes exactly what the plain model computes
    there; a published evaluation form that differs from it is an option of its own.
    """

    kind: ClassVar[str]
    """The name of the regulariser that it is of."""

    allows_p_of_one: ClassVar[bool] = False

    learns_p: ClassVar[bool] = False
    """Whether p is found by training; what is set is where it starts."""

    @property
    def p(self) -> float:
        """The strength: a drop probability in [0, 1), or in [0, 1] where 1 is allowed.

        It may be changed at any time during training and takes effect at the next forward
        pass. Setting it to anything else is a ValueError.
        """
        return self._p

    @p.setter
    def p(self, p: float) -> None:
        self._p = drop_probability(p, allow_one=self.allows_p_of_one)
        self._p_was_set()

    def _p_was_set(self) -> None:  # noqa: B027  # from most, nothing follows
        """Work out anew what follows from p."""

    @property
    def draws_once_per_batch(self) -> bool:
        """Whether a single draw decides about the whole batch."""
        return False

    @property
    def is_plain_in_eval(self) -> bool:
        """Whether evaluation is that of the plain model; a published form may be another."""
        return True

    @property
    def chance_of_repeat(self) -> float:
        """The largest probability that one unit's draw repeats another one's."""
        return max(self.p, 1 - self.p)

    def penalty(self) -> Tensor | None:
        """What the noise adds to the loss of the whole training set, in nats; or None."""
        return None

    @abstractmethod
    def draws(self, x: Tensor) -> Draws:
        """Run this module's own forward pass on a probe and say what became of each unit.

        A unit is what one draw decides about (a channel of an example, a weight, a branch …).

        Args:
            x: a batch as the module meets it in the model; only its shape, dtype and device
                need to matter. Its values are not changed.

        Returns:
            What the audit holds against p. The module's mode is left as it was.

        Raises:
            AuditError: what one draw should have decided together came out different.
        """


class Regulariser:
    """``none``, and the base of all others: every site stays as the plain model has it.

    Building a model with any regulariser draws the same random numbers for the initial
    weights as building it plain, and the plain weights keep their names in ``state_dict()``.
    """

    name: ClassVar[str] = "none"
    needs: ClassVar[str] = "nothing"
    """The sites it can act on, in words, for messages."""

    allows_p_of_one: ClassVar[bool] = False

    belongs_after: ClassVar[str | None] = None
    """The only non-linearity that it belongs after; None: it goes before any."""

    def __init__(self, p: float = 0.0) -> None:
        """With the drop probability ``p``, which the modules get; ValueError outside its range."""
        self.p = drop_probability(p, allow_one=self.allows_p_of_one)

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

    def input(self, num_classes: int) -> nn.Module | None:
        """What changes a training batch, called as ``noise(x, targets)``; or None.

        Args:
            num_classes: K, of the targets.
        """
        return None


class LearnsParameters(nn.Module):
    """Noise with parameters of its own, which the weights of a plain network do not have.

    Loading a ``state_dict`` without them leaves them as they are.
    """

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, [], unexpected_keys, error_msgs
        )


class DepthScheduled(Regulariser):
    """A regulariser whose p may grow with depth.

    Args:
        p: drop probability in [0, 1); with ``linear``, that of the last site.
        depth_schedule: ``uniform``: p at every site; ``linear``: p · l/L at the site of depth l/L
            (Huang et al. 2016, section 3, for branches).

    Raises:
        ValueError: p is outside [0, 1), or the schedule is not one of those.
    """

    def __init__(self, p: float, depth_schedule: DepthSchedule = "uniform") -> None:
        super().__init__(p)
        choice("depth_schedule", depth_schedule, ("linear", "uniform"))
        self.depth_schedule: DepthSchedule = depth_schedule

    def p_at(self, depth: float) -> float:
        """The drop probability of a site at depth l/L in (0, 1]."""
        return self.p * depth if self.depth_schedule == "linear" else self.p


def noise_modules(model: nn.Module) -> dict[str, Noise]:
    """The noise modules of a model by their names: the sites that were served."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Noise)}


def with_noise_after(layer: Layer, noise: nn.Module) -> Layer:
    """A layer with the same parameters whose output a noise module, its child, acts on.

    The layer itself is left as it is.
    """
    noisy = copy.copy(layer)
    # A module's dictionaries of parameters, children and hooks are its own.
    vars(noisy).update(
        {key: copy.copy(each) for key, each in vars(layer).items() if isinstance(each, dict)}
    )
    noisy.add_module("noise", noise)
    noisy.register_forward_hook(_through_noise)
    return noisy


def _through_noise(layer: nn.Module, _: tuple[Any, ...], out: Tensor) -> Tensor:
    noisy: Tensor = layer.get_submodule("noise")(out)
    return noisy


def agreed(outputs: Tensor) -> Tensor:
    """One element of each row of units whose elements one draw must have decided together.

    Args:
        outputs: (units, elements of a unit).

    Returns:
        (units,)

    Raises:
        AuditError: elements of one unit differ, so the mask has another shape than claimed.
    """
    first = outputs[:, :1]
    if not torch.equal(outputs, first.expand_as(outputs)):
        raise AuditError(
            "the mask is not constant within a unit: it has another shape than claimed"
        )
    return first.squeeze(1)


def layout(x: Tensor) -> torch.memory_format:
    """The memory format in which x lies, for results that are to lie like it."""
    if x.dim() != 4 or x.is_contiguous():
        return torch.contiguous_format
    channels_last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
