"""What DropConnect's linear and convolution layers share: noise, moments, evaluation, probes.

Shapes: N examples, O output features or channels.
"""

import math
from abc import abstractmethod
from typing import ClassVar, Literal, Self, TypeVar, get_args

import torch
from torch import Tensor, nn

from dropexp.regularisers.base import FollowingNonlinearity, Noise, check_choice
from dropexp.regularisers.draws import Draws, take_one_per_unit
from dropexp.regularisers.masks import draw_keep
from dropexp.regularisers.modes import run_in_both_modes

Mask = Literal["example", "batch"]
Inference = Literal["mean", "gaussian"]

_NEGLIGIBLE = 1e-3
"""Outputs below this share of the largest are not probed: rounding could hide their mask."""


class DropConnectLayer(Noise):
    """Base of DropConnectLinear and DropConnectConv2d, listed before nn.Linear or nn.Conv2d.

    Its methods get a batch: the layers add the batch dimension to an input that has none.
    """

    kind: ClassVar[str] = "dropconnect"
    weight: Tensor
    bias: Tensor | None
    training: bool

    def _configure(
        self, p: float, mask: Mask, inference: Inference, nonlinearity: FollowingNonlinearity | None
    ) -> None:
        check_choice("mask", mask, get_args(Mask))
        check_choice("inference", inference, get_args(Inference))
        if nonlinearity is not None:
            check_choice("nonlinearity", nonlinearity, get_args(FollowingNonlinearity))
        self.p = p
        self.mask: Mask = mask
        self.inference: Inference = inference
        self.nonlinearity: FollowingNonlinearity | None = nonlinearity

    def _share_parameters(self, layer: nn.Linear | nn.Conv2d) -> Self:
        """Take over a layer's parameters (not copies) and its mode, and return self."""
        return share_parameters(self, layer)

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
        """Return the plain layer's output with these parameters."""

    @abstractmethod
    def _forward_per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        """Return the output without bias, with ``weight · keep[n] / (1 − p)`` for example n."""

    def _forward_noisy(self, x: Tensor) -> Tensor:
        """Return ((M ⊙ W) x + m ⊙ b) / (1 − p): the argument of a in the paper's equation 5."""
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
        """Reshape (N, O) so that it broadcasts to the output."""

    def _forward_eval(self, x: Tensor) -> Tensor:
        if self.inference == "mean" or self.nonlinearity is None:
            return self._forward_plain(x, self.weight, self.bias)
        mean, variance = self.moments(x)
        return _mean_of_relu(mean, variance).to(mean.dtype)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the exact mean and variance of the noisy output over all masks.

        They are Wx + b and p / (1 − p) · (W² x² + b²), element by element: section 3.2 of the
        paper, for kept weights divided by 1 − p. Both are exact; that the output is *normal* is an
        approximation.

        Args:
            x: as for forward, with a batch dimension.

        Returns:
            Two tensors of the output's shape; the variance is at least float32.
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
        """Return one-hot examples, whose output elements are single weights or zero."""

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is a weight or a bias.

        One-hot examples show the weights; they run without biases, which would be added. A batch
        of zeros shows the biases. Training is compared with the plain layer, also where evaluation
        differs from it (inference="gaussian" before a ReLU).

        Raises:
            AuditError: elements of the output that share a bias differ.
        """
        no_bias = {} if self.bias is None else {"bias": torch.zeros_like(self.bias)}
        ratios = [self._compare_modes(self._weight_probe(x), no_bias).flatten()]
        if self.bias is not None:
            rows = 1 if self.mask == "batch" else len(x)
            biases = self._compare_modes(torch.zeros_like(x[:rows]), {})
            ratios.append(take_one_per_unit(self._group_by_bias(biases)))
        all_ratios = torch.cat(ratios)
        return Draws.from_bernoulli(all_ratios[all_ratios.isfinite()], self.p)

    def _compare_modes(self, probe: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        """Return outputs in training ÷ in eval mode; infinite where the output is negligible."""
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
        # Fast convolution algorithms compute a zero as a tiny number.
        ratios = ratios.masked_fill(ratios.abs() < _NEGLIGIBLE, 0)
        return ratios.masked_fill(negligible, torch.inf)

    @abstractmethod
    def _group_by_bias(self, out: Tensor) -> Tensor:
        """Reshape the output to (units, elements that share a bias)."""


Taker = TypeVar("Taker", bound="DropConnectLayer | nn.Linear | nn.Conv2d")


def share_parameters(layer: Taker, source: "DropConnectLayer | nn.Linear | nn.Conv2d") -> Taker:
    """Give a layer the parameters (not copies) and the mode of another, and return it."""
    layer.weight, layer.bias = source.weight, source.bias
    layer.training = source.training
    return layer


def _mean_of_relu(mean: Tensor, variance: Tensor) -> Tensor:
    """Return E[max(u, 0)] for u ~ N(mean, variance): μ Φ(μ/σ) + σ φ(μ/σ), at least float32."""
    wide = torch.promote_types(mean.dtype, torch.float32)
    mu = mean.to(wide)
    # The minimum avoids a division by zero; for a variance of zero the result is max(μ, 0).
    sigma = variance.to(wide).clamp_min(torch.finfo(wide).tiny).sqrt()
    z = mu / sigma
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    # Far below zero the two terms cancel, and rounding may leave a negative number.
    expected: Tensor = mu * torch.special.ndtr(z) + sigma * density
    return expected.clamp_min(0)


def _cast_for_autocast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return input and weights in the precision that autocast would compute with."""
    if not torch.is_autocast_enabled(x.device.type) or x.dtype == torch.float64:
        return x, weight
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype)


def hot_inputs(probes: int, inputs: int, *, repeat: bool) -> Tensor:
    """Return the index of the hot input of each probe, int64.

    Args:
        probes: number of probes.
        inputs: number of input features or channels.
        repeat: whether to start over after the last input; if not, the result has at most as
            many probes as there are inputs.
    """
    count = probes if repeat else min(probes, inputs)
    return torch.arange(count) % inputs
