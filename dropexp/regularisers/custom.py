"""Noise of the user's: a module that takes p, or a Regulariser."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.data.user_code import (
    collect_arguments,
    import_target,
    refuse_changed_source,
    running_user_code,
)
from dropexp.errors import AuditError, ConfigError
from dropexp.regularisers.base import (
    DepthSchedule,
    DepthScheduled,
    FollowingNonlinearity,
    Noise,
    Regulariser,
)
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.modes import preserve_modes

NAME = "custom"

_SECTION = "regulariser"
_FEWEST_PASSES, _MOST_PASSES = 32, 512
_PASSES_TIMES_P = 16
"""Passes of a probe, times p: were a pass one draw, all would keep it with probability e⁻¹⁶."""
_MOST_NUMBERS = 8_000_000


class CustomNoise(nn.Module, Noise):
    """A module of the user's at an activation site.

    It must have an attribute ``p``, the drop probability, that may be set at any time.

    Args:
        module: the module; in training it drops activations, in eval mode and at p = 0 it returns
            its input.
        target: of its class, for messages.
    """

    kind = NAME

    def __init__(self, module: nn.Module, target: str) -> None:
        super().__init__()
        self.module = module
        self._target = target
        advice = (
            "keep the drop probability in self.p, and read it in forward, so that schedules and "
            "the audit can set it."
        )
        if not hasattr(module, "p"):
            raise ConfigError(f"{_SECTION}.target={target} has no attribute p; {advice}")
        try:
            self._p = float(module.p)  # type: ignore[arg-type]
            self._on_p_changed()
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(
                f"{_SECTION}.target={target} has the attribute p={module.p!r}, which cannot be "
                f"read or set as a number ({error}); {advice}"
            ) from error
        if not 0 <= self._p < 1:
            raise ConfigError(
                f"{_SECTION}.target={target} has p={self._p:g}, which is no drop probability from "
                f"0 to below 1; {advice}"
            )

    def _on_p_changed(self) -> None:
        self.module.p = self._p  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Return what the module makes of the activations, of the same shape.

        Args:
            x: (N, C, H, W) or (N, F).
        """
        noisy: Tensor = self.module(x)
        if not isinstance(noisy, Tensor) or noisy.shape != x.shape:
            given = tuple(noisy.shape) if isinstance(noisy, Tensor) else type(noisy).__name__
            raise ConfigError(
                f"{_SECTION}.target={self._target} returns {given} for activations of shape "
                f"{tuple(x.shape)}; it must return a tensor of the same shape."
            )
        return noisy

    def extra_repr(self) -> str:
        """Return the drop probability."""
        return f"p={self.p:g}"

    def draws(self, x: Tensor) -> Draws:
        """Return what passes over ones drop. An example is one unit, with its dropped share.

        Within an example, draws may depend on each other in ways that are not known, as those of a
        block do. Where all examples are alike in all passes, a pass is one unit.

        Args:
            x: (N, …), a batch as the module gets it.

        Raises:
            AuditError: the noise is not finite, changes the shape, or sets nothing to zero and
                scales, so that its p cannot be measured.
        """
        wanted = round(_PASSES_TIMES_P / self.p) if self.p else 0
        count = min(max(wanted, _FEWEST_PASSES), _MOST_PASSES)
        ones = torch.ones_like(x[: max(1, _MOST_NUMBERS // (count * x[0].numel()))])
        with preserve_modes(self), torch.no_grad():
            plain = self.eval()(ones)
            self.train()
            passes = torch.stack([self(ones) for _ in range(count)])
        if passes.shape[1:] != ones.shape:
            raise AuditError(
                f"{self._target} returns the shape {tuple(passes.shape[1:])} for "
                f"{tuple(ones.shape)}: it must keep the shape"
            )
        if not bool(plain.all()):
            raise AuditError(
                f"{self._target} drops activations in eval mode too: return the input unless "
                f"self.training"
            )
        ratios = passes / plain
        if not bool(torch.isfinite(ratios).all()):
            raise AuditError(f"{self._target} returns values that are not finite")
        has_zeros = bool((ratios == 0).any())
        if not has_zeros and not bool((ratios == 1).all()):
            raise AuditError(
                f"{self._target} sets nothing to zero, so that no drop rate can be measured: "
                f"subclass dropexp.regularisers.Noise and say in draws what was drawn"
            )
        first = ratios[:, :1]
        if torch.equal(ratios, first.expand_as(ratios)):
            ratios = first
        examples = ratios.flatten(2).flatten(0, 1).float()
        return Draws(
            (examples == 0).float().mean(1),
            examples.mean(1),
            high=max(1 / (1 - self.p), 1.0),
            passes=count * len(ones) / len(x),
        )


class CustomRegulariser(DepthScheduled):
    """Puts noise of the user's into the sites that it acts on.

    A class that takes ``p`` and is no Regulariser is built anew for every activation site; with the
    attribute ``only_maps = True`` for those of maps (N, C, H, W), not of vectors. A Regulariser is
    asked at each site itself.

    Args:
        p: drop probability in [0, 1); with ``depth_schedule=linear`` that of the last site.
        target: ``package.module:Class``.
        options: further arguments of the class.
        depth_schedule: as of the other regularisers.
        fingerprint: the one that the source must have, with the files that options name; None: any.

    Raises:
        ConfigError: the class cannot be imported or built, or its source has another fingerprint.
    """

    name = NAME
    needs = "activations"

    def __init__(
        self,
        p: float,
        target: str,
        options: Mapping[str, Any] | None = None,
        depth_schedule: DepthSchedule = "uniform",
        fingerprint: str | None = None,
    ) -> None:
        super().__init__(p, depth_schedule)
        refuse_changed_source(_SECTION, target, fingerprint, options)
        self._target = target
        self._make = import_target(target, f"{_SECTION}.target={target}")
        self._options = options or {}
        self._own = self._build_own()
        self._only_maps = bool(getattr(self._make, "only_maps", False))
        if self._own is not None:
            # What a class says of itself, messages say of this one.
            self.needs = self._own.needs  # type: ignore[misc]
            self.belongs_after = self._own.belongs_after  # type: ignore[misc]
        elif self._only_maps:
            self.needs = "activations with height and width"  # type: ignore[misc]

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        """See Regulariser."""
        if self._own is not None:
            return self._claim(self._own.activation(depth, spatial=spatial), "activation")
        if not spatial and self._only_maps:
            return nn.Identity()
        module = self._construct(self.p_at(depth))
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"{_SECTION}.target={self._target} returns a {type(module).__name__}; it must be a "
                f"torch.nn.Module or a dropexp Regulariser."
            )
        return (
            self._claim(module, "activation")
            if isinstance(module, Noise)
            else CustomNoise(module, self._target)
        )

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> nn.Module:
        """See Regulariser."""
        if self._own is None:
            return layer
        answer = self._own.weight(layer, depth, nonlinearity=nonlinearity)
        return layer if answer is layer else self._claim(answer, "weight")

    def branch(self, depth: float) -> nn.Module:
        """See Regulariser."""
        own = Regulariser() if self._own is None else self._own
        return self._claim(own.branch(depth), "branch")

    def input(self, num_classes: int) -> nn.Module | None:
        """See Regulariser."""
        answer = None if self._own is None else self._own.input(num_classes)
        return None if answer is None else self._claim(answer, "input")

    def _build_own(self) -> Regulariser | None:
        """Return the user's Regulariser; None where the class is a module."""
        make = self._make
        if not (inspect.isclass(make) and issubclass(make, Regulariser)):
            return None
        own = self._construct(self.p)
        assert isinstance(own, Regulariser)
        return own

    def _construct(self, p: float) -> Any:
        offered: dict[str, Any] = {"p": p}
        if self._takes_depth_schedule(self._make):
            offered["depth_schedule"] = self.depth_schedule
        arguments = collect_arguments(
            self._target, self._make, offered, self._options, f"{_SECTION}.options.{{}}"
        )
        if "p" not in arguments:
            raise ConfigError(
                f"{_SECTION}.target={self._target} takes no p; its drop probability must be an "
                f"argument p."
            )
        with running_user_code(f"{_SECTION}.target={self._target} cannot be constructed"):
            return self._make(**arguments)

    @staticmethod
    def _takes_depth_schedule(make: Callable[..., Any]) -> bool:
        return "depth_schedule" in inspect.signature(make).parameters

    def _claim(self, module: nn.Module, site: str) -> nn.Module:
        """Return an answer of the user's Regulariser under the name of this one."""
        if isinstance(module, Noise):
            module.kind = NAME  # type: ignore[misc]
        elif self._own is not None and type(module).__module__.partition(".")[0] not in _PLAIN:
            raise ConfigError(
                f"{_SECTION}.target={self._target} answers at a {site} site with a "
                f"{type(module).__name__}, which is no dropexp Noise: the audit cannot measure it."
            )
        return module


_PLAIN = ("torch", "dropexp")
"""Packages whose modules are plain answers: nn.Identity, and the gate that lets through."""
