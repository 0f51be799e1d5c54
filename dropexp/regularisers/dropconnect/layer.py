"""What DropConnect's linear and convolution layers share: noise, moments, evaluation, probes.

See dropconnect.py for the method. Shapes: N examples, C channels in and O out.
"""

import math
from abc import abstractmethod
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from dropexp.regularisers.base import Noise, Nonlinearity, check_choice
from dropexp.regularisers.draws import Draws, one_per_unit
from dropexp.regularisers.masks import draw_keep
from dropexp.regularisers.modes import run_in_both_modes

Mask = Literal["example", "batch"]
Inference = Literal["mean", "gaussian"]

_NEGLIGIBLE = 1e-3
"""Weights this small beside the largest are not probed: rounding could hide what became of them."""


class DropConnectLayer(Noise):
    """What the linear and the convolutional layer share; mixed in before nn.Linear or nn.Conv2d.

    All of it sees a batch: what torch's layers accept without a batch dimension gets one first.
    """

    kind: ClassVar[str] = "dropconnect"
    weight: Tensor
    bias: Tensor | None
    training: bool

    def _configure(
        self, p: float, mask: Mask, inference: Inference, nonlinearity: Nonlinearity | None
    ) -> None:
        check_choice("mask", mask, ("example", "batch"))
        check_choice("inference", inference, ("mean", "gaussian"))
        if nonlinearity is not None:
            check_choice("nonlinearity", nonlinearity, ("relu",))
        self.p = p
        self.mask: Mask = mask
        self.inference: Inference = inference
        self.nonlinearity: Nonlinearity | None = nonlinearity

    def _share_parameters(self, layer: nn.Linear | nn.Conv2d) -> Self:
        """Take over a layer's parameters, not copies of them."""
        self.weight, self.bias = layer.weight, layer.bias
        self.training = layer.training
        return self

    def _describe_options(self) -> str:
        return (
            f"p={self.p}, mask={self.mask}, inference={self.inference}, "
            f"nonlinearity={self.nonlinearity}"
        )

    def _forward(self, x: Tensor) -> Tensor:
        if self.p == 0:
            return self._forward_plain(x, self.weight, self.bias)
        return self._forward_noisy(x) if self.training else self._forward_eval(x)

    @property
    def is_plain_in_eval(self) -> bool:
        """See Noise."""
        return self.inference == "mean"

    @abstractmethod
    def _forward_plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer without noise, with these parameters."""

    @abstractmethod
    def _forward_per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        """The layer with weights ``weight · keep[n] / (1 − p)`` for example n, and no bias."""

    def _forward_noisy(self, x: Tensor) -> Tensor:
        """((M ⊙ W) x + m ⊙ b) / (1 − p), equation 5's a(Mv; W) without the non-linearity."""
        scale = 1 / (1 - self.p)
        if self.mask == "batch":
            weight = self.weight * self._draw_like(self.weight, scale)
            bias = None if self.bias is None else self.bias * self._draw_like(self.bias, scale)
            return self._forward_plain(x, weight, bias)
        x, weight = _cast_for_autocast(x, self.weight)
        out = self._forward_per_example(
            x, weight, draw_keep((len(x), *weight.shape), self.p, x.device)
        )
        if self.bias is None:
            return out
        biases = self.bias * self._draw_like(self.bias.expand(len(x), -1), scale)
        return out.add_(self._broadcast_to_output(biases, out).to(out.dtype))

    def _draw_like(self, parameter: Tensor, scale: float) -> Tensor:
        keep = draw_keep(tuple(parameter.shape), self.p, parameter.device)
        return keep.to(parameter.dtype).mul_(scale)

    @abstractmethod
    def _broadcast_to_output(self, values: Tensor, out: Tensor) -> Tensor:
        """(N, O) → broadcastable to the output."""

    def _forward_eval(self, x: Tensor) -> Tensor:
        if self.inference == "mean" or self.nonlinearity is None:
            return self._forward_plain(x, self.weight, self.bias)
        mean, variance = self.moments(x)
        return _mean_of_relu(mean, variance).to(mean.dtype)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the noisy output over all masks, for an input as for forward.

        Wx + b and p / (1 − p) · (W² x² + b²), element by element: section 3.2 of the paper,
        for kept weights divided by 1 − p. Both are exact; that the output is *normal* is the
        paper's approximation.
        """
        mean = self._forward_plain(x, self.weight, self.bias)
        with torch.autocast(x.device.type, enabled=False):
            # Squares lose too much in half precision.
            wide = torch.promote_types(self.weight.dtype, torch.float32)
            bias = None if self.bias is None else self.bias.to(wide).square()
            squares = self._forward_plain(x.to(wide).square(), self.weight.to(wide).square(), bias)
        return mean, squares * (self.p / (1 - self.p))

    @abstractmethod
    def _weight_probe(self, x: Tensor) -> Tensor:
        """One-hot examples in which every output element is one weight, or zero."""

    def draws(self, x: Tensor) -> Draws:
        """See Noise. The probes are one-hot examples, each of which shows single weights.

        For the biases it is a batch of zeros. The weights are probed without the biases, which
        would add to them. Where the evaluation form is not the plain layer
        (inference="gaussian" before a ReLU), training is compared with the plain layer.

        Raises:
            AuditError: elements of the output that share a bias came out different.
        """
        no_bias = {} if self.bias is None else {"bias": torch.zeros_like(self.bias)}
        ratios = [self._ratios(self._weight_probe(x), no_bias).flatten()]
        if self.bias is not None:
            rows = 1 if self.mask == "batch" else len(x)
            biases = self._ratios(torch.zeros_like(x[:rows]), {})
            ratios.append(one_per_unit(self._group_by_bias(biases)))
        found = torch.cat(ratios)
        return Draws.from_bernoulli(found[found.isfinite()], self.p)

    def _ratios(self, probe: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Training over evaluation; infinite where there is no weight to speak of."""
        assert isinstance(self, nn.Module)
        inference, self.inference = self.inference, "mean"
        try:
            evaluated, trained = run_in_both_modes(
                self, lambda: torch.func.functional_call(self, parameters, (probe,))
            )
        finally:
            self.inference = inference
        negligible = evaluated.abs() <= _NEGLIGIBLE * evaluated.abs().max()
        ratios = (trained / evaluated).float()
        # What fast convolution algorithms leave of a zero is a zero.
        ratios = ratios.masked_fill(ratios.abs() < _NEGLIGIBLE, 0)
        return ratios.masked_fill(negligible, torch.inf)

    @abstractmethod
    def _group_by_bias(self, out: Tensor) -> Tensor:
        """The output as (units, elements that share a bias)."""


def _mean_of_relu(mean: Tensor, variance: Tensor) -> Tensor:
    """E[max(u, 0)] for u ~ N(mean, variance): μ Φ(μ/σ) + σ φ(μ/σ), in float32 at least."""
    wide = torch.promote_types(mean.dtype, torch.float32)
    mu = mean.to(wide)
    # For a variance of zero this leaves max(μ, 0), without a division by zero.
    sigma = variance.to(wide).clamp_min(torch.finfo(wide).tiny).sqrt()
    z = mu / sigma
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    # Far below zero the two terms cancel, and rounding may leave less than nothing.
    expected: Tensor = mu * torch.special.ndtr(z) + sigma * density
    return expected.clamp_min(0)


def _cast_for_autocast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Input and weights in the precision in which torch would convolve or multiply them."""
    if not torch.is_autocast_enabled(x.device.type) or x.dtype == torch.float64:
        return x, weight
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype)


def hot_inputs(probes: int, inputs: int, *, repeat: bool) -> Tensor:
    """Which input is hot in each probe: distinct ones, starting over only where that is allowed."""
    count = probes if repeat else min(probes, inputs)
    return torch.arange(count) % inputs
