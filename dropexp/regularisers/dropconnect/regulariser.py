"""DropConnect: noise on single weights.

Wan et al. 2013, "Regularization of neural networks using DropConnect". Their weights are kept
with probability p; here p is the probability to drop, and kept weights are divided by 1 − p in
training instead of being multiplied in evaluation.

Shapes: N examples, C channels in and O out, H × W input and R × S output positions, F features.
"""

from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.regularisers.base import DepthSchedule, DepthScheduled, Nonlinearity, choice
from dropexp.regularisers.dropconnect.convolution import DropConnectConv2d
from dropexp.regularisers.dropconnect.layer import DropConnectLayer, Inference, Mask, distinct
from dropexp.regularisers.dropconnect.masked_convolution import Windows, masked_convolution


class DropConnectLinear(DropConnectLayer, nn.Linear):  # type: ignore[misc]  # torch: no None for bias
    """nn.Linear that drops single weights and biases in training.

    Wan et al. 2013, section 3: ((M ⊙ W) x + m ⊙ b) / (1 − p), where every element of M and m is
    1 with probability 1 − p. In eval, and at p = 0, it is the plain layer, unless inference says
    otherwise.

    Args:
        in_features: F.
        out_features: O.
        bias: whether there is a bias.
        p: drop probability in [0, 1).
        mask: "example": every example has its own M and m, as published; "batch": one M and m
            for all examples of a batch, which costs little more than the plain layer.
        inference: "mean": the plain layer. "gaussian", as published (section 3.2, algorithm 2):
            the output is taken for normal with its exact mean and variance, and the expectation
            of the non-linearity over it is returned, to which the non-linearity itself does
            nothing more. Where the paper samples, this is the limit of many samples, in closed
            form. Without a non-linearity the expectation is the plain layer's output.
        nonlinearity: what is applied directly to the output: "relu", or None for anything else.

    Raises:
        ValueError: p is outside [0, 1), or an option is not one of those.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        p: float = 0.5,
        mask: Mask = "example",
        inference: Inference = "mean",
        nonlinearity: Nonlinearity | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)
        self._configure(p, mask, inference, nonlinearity)

    @classmethod
    def from_layer(
        cls,
        layer: nn.Linear,
        p: float = 0.5,
        mask: Mask = "example",
        inference: Inference = "mean",
        nonlinearity: Nonlinearity | None = None,
    ) -> Self:
        """The noisy form of a layer, whose parameters it shares. Draws no random numbers."""
        return cls(
            layer.in_features,
            layer.out_features,
            layer.bias is not None,
            p=p,
            mask=mask,
            inference=inference,
            nonlinearity=nonlinearity,
            device="meta",
        )._share(layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, …, F) → (N, …, O), one mask for each of the N; or (F,) → (O,)."""
        if x.dim() == 1:
            return self._forward(x.unsqueeze(0)).squeeze(0)
        return self._forward(x)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self._options()}"

    def _plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.linear(x, weight, bias)

    def _per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            masked = weight * keep.to(weight.dtype) * (1 / (1 - self.p))
            return (
                (x.flatten(1, -2) if x.dim() > 2 else x[:, None])
                .matmul(masked.mT)
                .view(*x.shape[:-1], self.out_features)
            )
        # The positions between the first and the last dimension are the rows of an image that
        # is one pixel wide; F are its channels.
        image = x.flatten(1, -2).unsqueeze(2) if x.dim() > 2 else x[:, None, None]
        out = masked_convolution(image, weight, keep, 1 / (1 - self.p), Windows())
        return out.flatten(2).mT.reshape(*x.shape[:-1], self.out_features)

    def _on_outputs(self, values: Tensor, out: Tensor) -> Tensor:
        return values.view(len(out), *[1] * (out.dim() - 2), self.out_features)

    def _weight_probe(self, x: Tensor) -> Tensor:
        inputs = distinct(len(x), self.in_features, repeat=self.mask == "example")
        probe = x.new_zeros(len(inputs), *x.shape[1:])
        # One row of each example is enough, and the only one that may be hot.
        probe.flatten(1)[torch.arange(len(inputs)), inputs] = 1
        return probe

    def _by_bias(self, out: Tensor) -> Tensor:
        return out.flatten(1, -2).mT.flatten(0, 1) if out.dim() > 2 else out.reshape(-1, 1)


class DropConnectRegulariser(DepthScheduled):
    """DropConnect on every linear and convolutional layer that a model offers.

    Args:
        p: drop probability in [0, 1).
        mask: see DropConnectLinear.
        inference: see DropConnectLinear.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: p is outside [0, 1), or an option is not one of those.
    """

    name: ClassVar[str] = "dropconnect"
    needs: ClassVar[str] = "weights of linear or convolution layers"

    def __init__(
        self,
        p: float,
        mask: Mask = "example",
        inference: Inference = "mean",
        depth_schedule: DepthSchedule = "uniform",
    ) -> None:
        super().__init__(p, depth_schedule)
        choice("mask", mask, ("example", "batch"))
        choice("inference", inference, ("mean", "gaussian"))
        self.mask: Mask = mask
        self.inference: Inference = inference

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: Nonlinearity | None = None,
    ) -> nn.Module:
        """See Regulariser.

        Raises:
            ConfigError: inference is "gaussian", but no ReLU follows the layer directly.
        """
        if self.inference == "gaussian" and nonlinearity is None:
            raise ConfigError(
                "regulariser.inference=gaussian needs layers that are followed directly by a ReLU, "
                "and this model has others: use regulariser.inference=mean."
            )
        if isinstance(layer, nn.Linear):
            return DropConnectLinear.from_layer(
                layer, self.p_at(depth), self.mask, self.inference, nonlinearity
            )
        return DropConnectConv2d.from_layer(
            layer, self.p_at(depth), self.mask, self.inference, nonlinearity
        )
