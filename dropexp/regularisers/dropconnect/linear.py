"""DropConnect in linear layers.

Shapes: N examples, F input features, O output features.
"""

from typing import Self

import torch
from torch import Tensor, nn

from dropexp.regularisers.base import FollowingNonlinearity
from dropexp.regularisers.dropconnect.layer import (
    DropConnectLayer,
    Inference,
    Mask,
    hot_inputs,
    share_parameters,
)
from dropexp.regularisers.dropconnect.masked_convolution import Windows, masked_convolution


class DropConnectLinear(DropConnectLayer, nn.Linear):  # type: ignore[misc]  # torch: no None for bias
    """nn.Linear that drops single weights and biases in training.

    Wan et al. 2013, "Regularization of neural networks using DropConnect", section 3:
    ((M ⊙ W) x + m ⊙ b) / (1 − p), where every element of M and m is 1 with probability 1 − p.
    At p = 0 it is the plain layer, and with inference="mean" also in eval mode.

    Args:
        in_features: F.
        out_features: O.
        bias: whether the layer has a bias.
        p: drop probability in [0, 1).
        mask: "example": each example has its own M and m, as published; "batch": one M and m
            for all examples of a batch, which costs little more than the plain layer.
        inference: the evaluation. "mean": the plain layer. "gaussian", as published (section 3.2,
            algorithm 2): the output is assumed to be normal with its exact mean and variance, and
            the layer returns the expectation of the ReLU of it, which the following ReLU does not
            change. The paper samples; this is the closed form of the limit. Without a non-linearity
            the expectation is the plain layer's output.
        nonlinearity: "relu" if a ReLU is applied directly to the output, else None.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
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
        nonlinearity: FollowingNonlinearity | None = None,
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
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> Self:
        """Return the noisy form of a layer, which shares its parameters; draws no numbers."""
        return cls(
            layer.in_features,
            layer.out_features,
            layer.bias is not None,
            p=p,
            mask=mask,
            inference=inference,
            nonlinearity=nonlinearity,
            device="meta",
        )._share_parameters(layer)

    def to_plain(self) -> nn.Linear:
        """Return the plain layer, which shares its parameters; draws no numbers."""
        has_bias = self.bias is not None
        plain = nn.Linear(self.in_features, self.out_features, has_bias, device="meta")
        return share_parameters(plain, self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output: (N, …, F) to (N, …, O), a mask for each of the N; or (F,) to (O,)."""
        if x.dim() == 1:
            return self._forward(x.unsqueeze(0)).squeeze(0)
        return self._forward(x)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, {self._describe_options()}"

    def _forward_plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.linear(x, weight, bias)

    def _forward_per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            masked = weight * keep.to(weight.dtype) * (1 / (1 - self.p))
            return (
                (x.flatten(1, -2) if x.dim() > 2 else x[:, None])
                .matmul(masked.mT)
                .view(*x.shape[:-1], self.out_features)
            )
        # As a 1 × 1 convolution: the dimensions between the first and the last become the rows of
        # an image that is one pixel wide and has F channels.
        image = x.flatten(1, -2).unsqueeze(2) if x.dim() > 2 else x[:, None, None]
        out = masked_convolution(image, weight, keep, 1 / (1 - self.p), Windows())
        return out.flatten(2).mT.reshape(*x.shape[:-1], self.out_features)

    def _broadcast_to_output(self, values: Tensor, out: Tensor) -> Tensor:
        return values.view(len(out), *[1] * (out.dim() - 2), self.out_features)

    def _weight_probe(self, x: Tensor) -> Tensor:
        inputs = hot_inputs(len(x), self.in_features, repeat=self.mask == "example")
        probe = x.new_zeros(len(inputs), *x.shape[1:])
        # One hot input for each example: another would add its weight to the same outputs.
        probe.flatten(1)[torch.arange(len(inputs)), inputs] = 1
        return probe

    def _group_by_bias(self, out: Tensor) -> Tensor:
        return out.flatten(1, -2).mT.flatten(0, 1) if out.dim() > 2 else out.reshape(-1, 1)
