"""DropConnect in convolutions.

Shapes: N examples, C channels in and O out, H × W input and R × S output positions.
"""

from typing import Literal, Self, cast

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
from dropexp.regularisers.memory_format import memory_format_of


class DropConnectConv2d(DropConnectLayer, nn.Conv2d):
    """nn.Conv2d that drops single weights and biases in training.

    A weight is dropped at all positions of an example at once; the rest is as in
    DropConnectLinear. Arguments up to ``padding_mode`` are those of nn.Conv2d.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: a number or (height, width), as are stride and dilation.
        stride: the stride of the kernel.
        padding: a number, (height, width), "same" or "valid".
        dilation: the dilation of the kernel.
        groups: more than one make mask="example" several times as slow as the plain layer.
        bias: whether the layer has a bias.
        padding_mode: as in nn.Conv2d.
        p: drop probability in [0, 1).
        mask: see DropConnectLinear.
        inference: see DropConnectLinear.
        nonlinearity: see DropConnectLinear.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
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
        nonlinearity: FollowingNonlinearity | None = None,
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
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> Self:
        """Return the noisy form of a layer, which shares its parameters; draws no numbers."""
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
        )._share_parameters(layer)

    def to_plain(self) -> nn.Conv2d:
        """Return the plain layer, which shares its parameters; draws no numbers."""
        plain = nn.Conv2d(
            self.in_channels,
            self.out_channels,
            _pair(self.kernel_size),
            _pair(self.stride),
            self.padding if isinstance(self.padding, str) else _pair(self.padding),
            _pair(self.dilation),
            self.groups,
            self.bias is not None,
            self.padding_mode,
            device="meta",
        )
        return share_parameters(plain, self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output: (N, C, H, W) to (N, O, R, S); or (C, H, W) to (O, R, S)."""
        if x.dim() == 3:
            return self._forward(x.unsqueeze(0)).squeeze(0)
        return self._forward(x)

    def extra_repr(self) -> str:
        plain: str = super().extra_repr()  # type: ignore[no-untyped-call]
        return f"{plain}, {self._describe_options()}"

    def _forward_plain(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = self._conv_forward(x, weight, bias)
        return out

    def _forward_per_example(self, x: Tensor, weight: Tensor, keep: Tensor) -> Tensor:
        padding = self._padding()
        if self.padding_mode != "zeros":
            (above, below), (left, right) = padding
            x = nn.functional.pad(x, (left, right, above, below), self.padding_mode)
            padding = ((0, 0), (0, 0))
        windows = Windows(
            _pair(self.kernel_size), _pair(self.stride), _pair(self.dilation), padding
        )
        # masked_convolution is fast uncompiled only; torch.compile optimises plain operations.
        if self.groups > 1 or torch.compiler.is_compiling():
            return self._forward_grouped(x, weight, keep, windows)
        out = masked_convolution(
            x.permute(0, 2, 3, 1),
            weight.permute(0, 2, 3, 1).flatten(1),
            # The draws are independent and may be assigned to weights in any order: no transpose.
            keep.flatten(2),
            1 / (1 - self.p),
            windows,
        )
        return out.contiguous(memory_format=memory_format_of(x))

    def _forward_grouped(self, x: Tensor, weight: Tensor, keep: Tensor, windows: Windows) -> Tensor:
        """Return the output, computed as one example that has the groups of all examples."""
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

    def _broadcast_to_output(self, values: Tensor, out: Tensor) -> Tensor:  # noqa: ARG002
        return values[:, :, None, None]

    def _weight_probe(self, x: Tensor) -> Tensor:
        channels = hot_inputs(len(x), self.in_channels, repeat=self.mask == "example")
        probe = x.new_zeros(len(channels), *x.shape[1:])
        row, column = self._central_pixel(x.shape[2], x.shape[3])
        probe[torch.arange(len(channels)), channels, row, column] = 1
        return probe

    def _central_pixel(self, height: int, width: int) -> tuple[int, int]:
        """Return the pixel at the centre of a window in the middle of the map."""
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

    def _group_by_bias(self, out: Tensor) -> Tensor:
        return out.flatten(2).flatten(0, 1)


def _pair(values: object) -> tuple[int, int]:
    height, width = cast("tuple[int, int]", values)
    return height, width
