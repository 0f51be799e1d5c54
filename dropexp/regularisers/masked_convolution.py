"""A convolution in which every example has its own mask on the weights.

This is the core of per-example DropConnect, for linear layers too: they are 1 × 1 convolutions.
Its cost is the budget of the whole regulariser, so it goes to some length: the examples are
processed a few at a time, in buffers that stay in the processor's cache; of the masks only the
bytes are kept for the backward pass, and the columns (im2col) are made anew there.

Shapes: N examples (n of them at a time), H × W input positions, R × S output positions,
L = R · S, C channels in and O out, K = kernel height · kernel width · C.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_CACHED_ELEMENTS = 300_000
"""Elements of a working buffer on a CPU: a few of them fit into the second-level cache."""

_ELEMENTS_ELSEWHERE = 2**24


@dataclass(frozen=True)
class Windows:
    """Where a convolution looks: its kernel's geometry, (height, width) each."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    """Zeros (above, below), (left, right)."""

    def pad(self, x: Tensor) -> Tensor:
        """(N, H, W, C) of any strides → contiguous and padded."""
        if self.padding == ((0, 0), (0, 0)):
            return x.contiguous()
        n, height, width, channels = x.shape
        (above, below), (left, right) = self.padding
        padded = x.new_zeros(n, above + height + below, left + width + right, channels)
        self.inner(padded, x).copy_(x)
        return padded

    def inner(self, padded: Tensor, like: Tensor) -> Tensor:
        """The view of a padded tensor that has the shape of ``like`` and leaves the padding out."""
        (above, _), (left, _) = self.padding
        return padded[:, above : above + like.shape[1], left : left + like.shape[2]]

    def output_size(self, padded: Tensor) -> tuple[int, int]:
        """R and S for a padded input.

        Raises:
            ValueError: the input is smaller than the kernel.
        """
        height, width = padded.shape[1:3]
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        reach_h, reach_w = dh * (kh - 1) + 1, dw * (kw - 1) + 1
        if height < reach_h or width < reach_w:
            raise ValueError(
                f"the padded input ({height} × {width}) is smaller than the kernel's reach "
                f"({reach_h} × {reach_w})"
            )
        return (height - reach_h) // sh + 1, (width - reach_w) // sw + 1

    def seen(self, padded: Tensor) -> Tensor:
        """A view of what the kernel sees: (n, H, W, C) → (n, R, S, kernel h, kernel w, C)."""
        n, _, _, channels = padded.shape
        s0, s1, s2, s3 = padded.stride()
        (sh, sw), (dh, dw) = self.stride, self.dilation
        return padded.as_strided(
            (n, *self.output_size(padded), *self.kernel, channels),
            (s0, sh * s1, sw * s2, dh * s1, dw * s2, s3),
        )

    def shifts(self, padded: Tensor, seen: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each place in the kernel: where it looks in ``padded``, and what it sees there.

        Adding each second to its first is the transpose of ``seen``.
        """
        rows, cols = self.output_size(padded)
        (sh, sw), (dh, dw) = self.stride, self.dilation
        pairs = []
        for i, j in product(range(self.kernel[0]), range(self.kernel[1])):
            bottom, right = i * dh + sh * (rows - 1) + 1, j * dw + sw * (cols - 1) + 1
            looked_at = padded[:, i * dh : bottom : sh, j * dw : right : sw]
            pairs.append((looked_at, seen[:, :, :, i, j]))
        return pairs


class _Buffers:
    """Working memory for n examples, and the views into it: making views costs time too."""

    def __init__(self, n: int, padded: Tensor, weight: Tensor, windows: Windows) -> None:
        self.n = n
        seen_shape = windows.seen(padded[:1]).shape[1:]
        positions = seen_shape[0] * seen_shape[1]
        self.mask = padded.new_empty(n, *weight.shape)
        self.weight = torch.empty_like(self.mask)
        self.seen = padded.new_empty(n, *seen_shape)
        self.columns = self.seen.view(n, positions, weight.shape[1])
        self.padded = padded.new_empty(n, *padded.shape[1:])
        self.shifts = windows.shifts(self.padded, self.seen)


class _MaskedConvolution(Function):
    """See masked_convolution."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, keep: Tensor, scale: float, windows: Windows
    ) -> Tensor:
        ctx.save_for_backward(x, weight, keep)
        ctx.scale, ctx.windows = scale, windows
        padded = windows.pad(x)
        rows, cols = windows.output_size(padded)
        scaled = weight * scale
        out = x.new_empty(len(x), weight.shape[0], rows, cols)
        for buffers, kept, seen, out_part in _chunks(
            weight, windows, padded, keep, windows.seen(padded), out.flatten(2)
        ):
            buffers.seen.copy_(seen)
            buffers.weight.copy_(kept).mul_(scaled)
            torch.bmm(buffers.weight, buffers.columns.mT, out=out_part)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, keep = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        windows: Windows = ctx.windows
        padded = windows.pad(x)
        scaled = weight * ctx.scale
        # Strides as x's, lest the layers before be slowed down by a mixture of layouts.
        grad_x = torch.empty_like(x) if wants_x else None
        # Summed in float32 at least, as in the plain layer; one sum for each place in a chunk.
        total = None
        for buffers, kept, seen, grad, grad_x_part in _chunks(
            weight,
            windows,
            padded,
            keep,
            windows.seen(padded),
            grad_out.flatten(2),
            x if grad_x is None else grad_x,
        ):
            buffers.mask.copy_(kept)
            if wants_weight:
                buffers.seen.copy_(seen)
                torch.bmm(grad, buffers.columns, out=buffers.weight)
                if total is None:
                    total = torch.zeros_like(buffers.weight)
                total[: buffers.n].addcmul_(buffers.weight, buffers.mask)
            if grad_x is not None:
                torch.mul(buffers.mask, scaled, out=buffers.weight)
                torch.bmm(grad.mT, buffers.weight, out=buffers.columns)
                buffers.padded.zero_()
                for looked_at, grad_seen in buffers.shifts:
                    looked_at.add_(grad_seen)
                grad_x_part.copy_(windows.inner(buffers.padded, x))
        grad_weight = None if total is None else total.sum(0).mul_(ctx.scale).to(weight.dtype)
        return grad_x, grad_weight, None, None, None


def masked_convolution(
    x: Tensor, weight: Tensor, keep: Tensor, scale: float, windows: Windows
) -> Tensor:
    """Convolve example n with ``weight`` · ``keep[n]`` · ``scale``.

    Differentiable once in ``x`` and ``weight``. Work and memory beside the masks are those of a
    few examples at a time.

    Args:
        x: (N, H, W, C), any strides, floating point.
        weight: (O, K), of x's dtype; K runs over (kernel height, kernel width, C).
        keep: (N, O, K), int8, zeros and ones.
        scale: a factor to all weights.
        windows: the geometry.

    Returns:
        (N, O, R, S), contiguous, of x's dtype.

    Raises:
        ValueError: the input is smaller than the kernel.
    """
    out: Tensor = _MaskedConvolution.apply(  # type: ignore[no-untyped-call]
        x, weight, keep, scale, windows
    )
    return out


def _chunks(
    weight: Tensor, windows: Windows, padded: Tensor, *tensors: Tensor
) -> Iterator[tuple[Any, ...]]:
    """Buffers for a few examples, and the views of the tensors on those examples, in turn."""
    rows, cols = windows.output_size(padded)
    out_channels, k = weight.shape
    limit = _CACHED_ELEMENTS if padded.device.type == "cpu" else _ELEMENTS_ELSEWHERE
    n = max(1, min(len(padded), limit // (k * max(out_channels, rows * cols))))
    buffers = _Buffers(n, padded, weight, windows)
    for parts in zip(*(tensor.split(n) for tensor in tensors), strict=True):
        if len(parts[0]) != n:
            buffers = _Buffers(len(parts[0]), padded, weight, windows)
        yield buffers, *parts
