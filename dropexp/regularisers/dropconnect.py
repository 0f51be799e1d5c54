"""DropConnect: noise on single weights.

Wan et al. 2013, "Regularization of neural networks using DropConnect". Their weights are kept
with probability p; here p is the probability to drop, and kept weights are divided by 1 − p in
training instead of being multiplied in evaluation.

Shapes: N examples, C channels in and O out, H × W input and R × S output positions, F features.
"""

from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.regularisers.base import (
    DepthSchedule,
    DepthScheduled,
    Nonlinearity,
    choice,
    layout,
)
from dropexp.regularisers.dropconnect_layer import DropConnectLayer, Inference, Mask
from dropexp.regularisers.masked_convolution import Windows, masked_convolution


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
        # The positions between the first and the last dimension are the rows of an image that
        # is one pixel wide; F are its channels.
        image = x.flatten(1, -2).unsqueeze(2) if x.dim() > 2 else x[:, None, None]
        out = masked_convolution(image, weight, keep, 1 / (1 - self.p), Windows())
        return out.flatten(2).mT.reshape(*x.shape[:-1], self.out_features)

    def _on_outputs(self, values: Tensor, out: Tensor) -> Tensor:
        return values.view(len(out), *[1] * (out.dim() - 2), self.out_features)

    def _weight_probe(self, x: Tensor) -> Tensor:
        inputs = _distinct(len(x), self.in_features, repeat=self.mask == "example")
        probe = x.new_zeros(len(inputs), *x.shape[1:])
        # One row of each example is enough, and the only one that may be hot.
        probe.flatten(1)[torch.arange(len(inputs)), inputs] = 1
        return probe

    def _by_bias(self, out: Tensor) -> Tensor:
        return out.flatten(1, -2).mT.flatten(0, 1) if out.dim() > 2 else out.reshape(-1, 1)


class DropConnectConv2d(DropConnectLayer, nn.Conv2d):
    """nn.Conv2d that drops single weights and biases in training.

    A weight is dropped at all positions of an example at once. Everything else is as in
    DropConnectLinear; arguments up to ``padding_mode`` are those of nn.Conv2d.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: one number or (height, width), as are the three below.
        stride: of the kernel.
        padding: or "same" or "valid".
        dilation: of the kernel.
        groups: more than one costs several times as much as the plain layer with
            mask="example".
        bias: whether there is a bias.
        padding_mode: as in nn.Conv2d.
        p: drop probability in [0, 1).
        mask: see DropConnectLinear.
        inference: see DropConnectLinear.
        nonlinearity: see DropConnectLinear.

    Raises:
        ValueError: p is outside [0, 1), or an option is not one of those.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        *,
        p: float = 0.5,
        mask: Mask = "example",
        inference: Inference = "mean",
        nonlinearity: Nonlinearity | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )
        self._configure(p, mask, inference, nonlinearity)

    @classmethod
    def from_layer(
        cls,
        layer: nn.Conv2d,
        p: float = 0.5,
        mask: Mask = "example",
        inference: Inference = "mean",
        nonlinearity: Nonlinearity | None = None,
    ) -> Self:
        """The noisy form of a layer, whose parameters it shares. Draws no random numbers."""
        return cls(
            layer.in_channels,
            layer.out_channels,
            _pair(layer.kernel_size),
            _pair(layer.stride),
            layer.padding if isinstance(layer.padding, str) else _pair(layer.padding),
            _pair(layer.dilation),
            layer.groups,
            layer.bias is not None,
            layer.padding_mode,
            p=p,
            mask=mask,
            inference=inference,
            nonlinearity=nonlinearity,
            device="meta",
        )._share(layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, O, R, S); or (C, H, W) → (O, R, S)."""
        if x.dim() == 3:
            return self._forward(x.unsqueeze(0)).squeeze(0)
        return self._forward(x)

    def extra_repr(self) -> str:
        plain: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{plain}, {self._options()}"

    def _plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = self._conv_forward(x, weight, bias)
        return out

    def _per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        padding = self._padding()
        if self.padding_mode != "zeros":
            (above, below), (left, right) = padding
            x = nn.functional.pad(x, (left, right, above, below), self.padding_mode)
            padding = ((0, 0), (0, 0))
        windows = Windows(
            _pair(self.kernel_size), _pair(self.stride), _pair(self.dilation), padding
        )
        if self.groups > 1:
            return self._per_example_grouped(x, weight, keep, windows)
        out = masked_convolution(
            x.permute(0, 2, 3, 1),
            weight.permute(0, 2, 3, 1).flatten(1),
            # The draws are independent: which is whose is a matter of taste, and of speed.
            keep.flatten(2),
            1 / (1 - self.p),
            windows,
        )
        return out.contiguous(memory_format=layout(x))

    def _per_example_grouped(
        self, x: Tensor, weight: Tensor, keep: Tensor, windows: Windows
    ) -> Tensor:
        """The examples as so many more groups of a single one."""
        (above, below), (left, right) = windows.padding
        padded = nn.functional.pad(x, (left, right, above, below))
        out = nn.functional.conv2d(
            padded.reshape(1, -1, *padded.shape[2:]),
            (weight * keep.to(weight.dtype).mul_(1 / (1 - self.p))).flatten(0, 1),
            stride=self.stride,
            dilation=self.dilation,
            groups=self.groups * len(x),
        )
        return out.view(len(x), -1, *out.shape[2:])

    def _padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        if isinstance(self.padding, str):
            if self.padding == "valid":
                return (0, 0), (0, 0)
            totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            above, left = (total // 2 for total in totals)
            return (above, totals[0] - above), (left, totals[1] - left)
        height, width = _pair(self.padding)
        return (height, height), (width, width)

    def _on_outputs(self, values: Tensor, out: Tensor) -> Tensor:  # noqa: ARG002
        return values[:, :, None, None]

    def _weight_probe(self, x: Tensor) -> Tensor:
        channels = _distinct(len(x), self.in_channels, repeat=self.mask == "example")
        probe = x.new_zeros(len(channels), *x.shape[1:])
        row, column = self._central_pixel(x.shape[2], x.shape[3])
        probe[torch.arange(len(channels)), channels, row, column] = 1
        return probe

    def _central_pixel(self, height: int, width: int) -> tuple[int, int]:
        """A pixel that a window in the middle sees, in its middle."""
        pixel = []
        for axis, size in enumerate((height, width)):
            before, after = self._padding()[axis]
            kernel, stride, dilation = (
                self.kernel_size[axis],
                self.stride[axis],
                self.dilation[axis],
            )
            windows = (size + before + after - dilation * (kernel - 1) - 1) // stride + 1
            centre = windows // 2 * stride + kernel // 2 * dilation - before
            pixel.append(min(max(centre, 0), size - 1))
        return pixel[0], pixel[1]

    def _by_bias(self, out: Tensor) -> Tensor:
        return out.flatten(2).flatten(0, 1)


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


def _distinct(probes: int, inputs: int, *, repeat: bool) -> Tensor:
    """Which input is hot in each probe: distinct ones, starting over only where that is allowed."""
    count = probes if repeat else min(probes, inputs)
    return torch.arange(count) % inputs


def _pair(values: object) -> tuple[int, int]:
    height, width = cast("tuple[int, int]", values)
    return height, width
