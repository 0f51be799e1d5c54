"""Sites and noise: a model announces where noise can enter, a regulariser answers.

A model knows no regulariser by name. While it is built, it asks the regulariser at each site and
uses the module that it gets as an answer. Three kinds of site are in a model. The fourth is before
it: training asks for that one (see inputs.py).

=============  ======================================  =====================================
site           is asked for by                         where the answer acts
=============  ======================================  =====================================
activation     ``regulariser.activation(depth)``       after a layer, before its non-linearity
                                                       (after it where that is not a ReLU)
weight         ``regulariser.weight(layer, depth)``    in the layer's place
branch         ``regulariser.branch(depth)``           around a residual branch f:
                                                       ``shortcut(x) + gate(f, x)``
input          ``regulariser.input(num_classes)``      between a training batch and the model:
                                                       ``x, targets = noise(x, targets)``
=============  ======================================  =====================================

``depth`` is l/L in (0, 1] for the l-th of the model's L layers or branches.

Shapes: N examples, C channels, H × W positions, F features, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, get_args

from torch import Tensor, nn

from dropexp.regularisers.draws import Draws

FollowingNonlinearity = Literal["relu"]
"""What a weight site is told about the non-linearity directly after its layer."""
DepthSchedule = Literal["linear", "uniform"]
Branch = Callable[[Tensor], Tensor]


def check_drop_probability(p: float, *, allow_one: bool = False) -> float:
    """Return ``p`` as a float, after checking that it is a drop probability.

    Args:
        p: a number in [0, 1), or in [0, 1] with ``allow_one``.
        allow_one: whether 1 is allowed: for noise on the input, but not for dropout, which would
            divide by 1 − p = 0.

    Raises:
        ValueError: p is outside its range or NaN.
    """
    if allow_one and p == 1:
        return 1.0
    if not 0 <= p < 1:
        raise ValueError(
            f"p={p} is not a drop probability: it must be at least 0 and "
            f"{'at most' if allow_one else 'below'} 1"
        )
    return float(p)


def check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that an option does not allow.

    Raises:
        ValueError: the value is not one of the allowed ones.
    """
    if value not in allowed:
        raise ValueError(f"{option}={value!r} is not allowed; allowed: {', '.join(allowed)}")


class Gate(nn.Module):
    """A gate that always computes its residual branch, as a plain network does."""

    def forward(self, branch: Branch, x: Tensor) -> Tensor:
        """Return ``branch(x)``, or what takes its place in the sum with the shortcut.

        Args:
            branch: the residual branch f.
            x: (N, …), the input of the branch.

        Returns:
            A tensor that broadcasts to the branch's shape.
        """
        return branch(x)


class Noise(ABC):
    """A module that a regulariser puts into a model; a subclass of nn.Module as well.

    In eval mode and at p = 0 it computes exactly what the plain model computes there. A published
    evaluation that differs from the plain model is an option (see ``is_plain_in_eval``).
    """

    kind: ClassVar[str]
    """The name of its regulariser."""

    allows_p_of_one: ClassVar[bool] = False
    """Whether p may be 1."""

    learns_p: ClassVar[bool] = False
    """Whether training changes p, starting from the value that was set."""

    @property
    def p(self) -> float:
        """The drop probability, in [0, 1), or in [0, 1] where ``allows_p_of_one``.

        It may be set at any time during training and takes effect at the next forward pass.

        Raises:
            ValueError: it is set to a value outside its range.
        """
        return self._p

    @p.setter
    def p(self, p: float) -> None:
        self._p = check_drop_probability(p, allow_one=self.allows_p_of_one)
        self._on_p_changed()

    def _on_p_changed(self) -> None:  # noqa: B027  # most modules derive nothing from p
        """Update what is derived from p."""

    @property
    def draws_once_per_batch(self) -> bool:
        """Whether a single draw decides for the whole batch."""
        return False

    @property
    def is_plain_in_eval(self) -> bool:
        """Whether it computes in eval mode what the plain model computes."""
        return True

    @property
    def chance_of_repeat(self) -> float:
        """The largest probability, in [0, 1], that one unit's draw repeats another's."""
        return max(self.p, 1 - self.p)

    def penalty(self) -> Tensor | None:
        """Return a term for the loss of the whole training set, a scalar in nats, or None."""
        return None

    @abstractmethod
    def draws(self, x: Tensor) -> Draws:
        """Return what a forward pass on a probe drew for each unit; the mode is restored.

        A unit is what a single draw decides about: a channel of an example, a weight, a branch.

        Args:
            x: a batch as the module gets it in the model, floating point; it is not changed. Most
                modules use its shape, dtype and device only.

        Returns:
            The measurement that the audit compares with p.

        Raises:
            AuditError: elements that share a draw differ.
        """


class Regulariser:
    """The regulariser ``none`` and the base class of all others: it leaves every site plain.

    With any regulariser, a model draws the same random numbers for its initial weights as without
    one, and the plain weights keep their names in ``state_dict()``.

    Args:
        p: drop probability in [0, 1), or in [0, 1] where ``allows_p_of_one``.

    Raises:
        ValueError: p is outside its range.
    """

    name: ClassVar[str] = "none"

    needs: ClassVar[str] = "nothing"
    """The sites that it acts on, as messages name them."""

    allows_p_of_one: ClassVar[bool] = False
    """Whether p may be 1."""

    belongs_after: ClassVar[str | None] = None
    """The non-linearity that it must act after, such as "SELU"; None: it acts before any."""

    def __init__(self, p: float = 0.0) -> None:
        self.p = check_drop_probability(p, allow_one=self.allows_p_of_one)

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        """Return a module that acts on a layer's output, before the non-linearity.

        Args:
            depth: l/L in (0, 1].
            spatial: whether the output is a map (N, C, H, W) and not a vector (N, F).
        """
        return nn.Identity()

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> nn.Module:
        """Return the layer itself, or a form of it that is noisy in training.

        Args:
            layer: a freshly initialised layer; it is not changed.
            depth: l/L in (0, 1].
            nonlinearity: "relu" if a ReLU is applied directly to the layer's output, else None.
        """
        return layer

    def branch(self, depth: float) -> nn.Module:
        """Return a gate, called as ``gate(f, x)`` in place of the residual branch ``f(x)``.

        It decides whether, for which rows and at what scale f is computed; see Gate.

        Args:
            depth: l/L in (0, 1].
        """
        return Gate()

    def input(self, num_classes: int) -> nn.Module | None:
        """Return a module that changes training batches, ``noise(x, targets)``; or None.

        Args:
            num_classes: K.
        """
        return None


class LearnsParameters(nn.Module):
    """Base of noise with learned parameters, which a plain network does not have.

    A ``state_dict`` without these parameters can be loaded; they keep their values.
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
            (Huang et al. 2016, "Deep networks with stochastic depth", equation 4, for branches).

    Raises:
        ValueError: p is outside [0, 1), or the schedule is unknown.
    """

    def __init__(self, p: float, depth_schedule: DepthSchedule = "uniform") -> None:
        super().__init__(p)
        check_choice("depth_schedule", depth_schedule, get_args(DepthSchedule))
        self.depth_schedule: DepthSchedule = depth_schedule

    def p_at(self, depth: float) -> float:
        """Return the drop probability of the site at depth l/L in (0, 1]."""
        return self.p * depth if self.depth_schedule == "linear" else self.p
