"""A convolution in which every example has its own mask on the weights.

This is the core of per-example DropConnect, also for linear layers, which are 1 × 1 convolutions.
It dominates the cost of the regulariser and is written for speed. Examples are processed a few at a
time, in buffers that stay in the processor's cache. The masks are kept as bytes for the backward
pass, which recomputes the columns (im2col).

Shapes: N examples (n of them at a time), H × W input positions, R × S output positions,
L = R · S, C channels in and O out, K = kernel height · kernel width · C.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

_CPU_BUFFER_ELEMENTS = 150_000
"""Elements of a buffer on a CPU, per thread; several buffers fit into the second-level cache."""

_DEVICE_BUFFER_ELEMENTS = 2**24

_MOST_CACHED_BUFFERS = 8
_MOST_CACHED_ELEMENTS = 2**22
"""The most buffers that a thread keeps, and the most elements that a kept buffer has."""


@dataclass(frozen=True)
class Windows:
    """The geometry of a convolution, each field (height, width)."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    """Zeros (above, below), (left, right)."""

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width with the padding."""
        return height + sum(self.padding[0]), width + sum(self.padding[1])

    def inner(self, padded: Tensor) -> Tensor:
        """Return the view of a padded tensor (N, H, W, C) without its padding."""
        (above, below), (left, right) = self.padding
        height, width = padded.shape[1:3]
        return padded[:, above : height - below, left : width - right]

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return R and S for an input of this size.

        Raises:
            ValueError: the input is smaller than the kernel.
        """
        height, width = self.padded_size(height, width)
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        reach_h, reach_w = dh * (kh - 1) + 1, dw * (kw - 1) + 1
        if height < reach_h or width < reach_w:
            raise ValueError(
                f"the padded input ({height} × {width}) is smaller than the dilated kernel "
                f"({reach_h} × {reach_w})"
            )
        return (height - reach_h) // sh + 1, (width - reach_w) // sw + 1

    def extract_patches(self, x: Tensor) -> Tensor:
        """Return the patch at each output position: (N, H, W, C) to (N, R, S, kernel h, w, C).

        A view into a padded copy: overlapping patches share elements.
        """
        n, height, width, channels = x.shape
        rows, cols = self.output_size(height, width)
        padded = x.new_zeros(n, *self.padded_size(height, width), channels)
        self.inner(padded).copy_(x)
        s0, s1, s2, s3 = padded.stride()
        (sh, sw), (dh, dw) = self.stride, self.dilation
        return padded.as_strided(
            (n, rows, cols, *self.kernel, channels),
            (s0, sh * s1, sw * s2, dh * s1, dw * s2, s3),
        )

    def shifts(self, padded: Tensor, patches: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return, for each kernel position, its elements in ``padded`` and in ``patches``.

        Adding each second view to its first is the transpose of ``extract_patches``.
        """
        rows, cols = patches.shape[1:3]
        (sh, sw), (dh, dw) = self.stride, self.dilation
        pairs = []
        for i, j in product(range(self.kernel[0]), range(self.kernel[1])):
            bottom, right = i * dh + sh * (rows - 1) + 1, j * dw + sw * (cols - 1) + 1
            in_padded = padded[:, i * dh : bottom : sh, j * dw : right : sw]
            pairs.append((in_padded, patches[:, :, :, i, j]))
        return pairs


@dataclass(frozen=True)
class _Shapes:
    """What determines the shapes of the working memory."""

    windows: Windows
    image: tuple[int, int, int]  # H, W, C
    out_channels: int
    dtype: torch.dtype
    device: torch.device

    @property
    def weights(self) -> tuple[int, int]:
        """(O, K)."""
        kh, kw = self.windows.kernel
        return self.out_channels, kh * kw * self.image[2]

    @property
    def chunk(self) -> int:
        """The number of examples to process at a time."""
        rows, cols = self.windows.output_size(*self.image[:2])
        out_channels, k = self.weights
        on_cpu = self.device.type == "cpu"
        limit = (
            _CPU_BUFFER_ELEMENTS * torch.get_num_threads() if on_cpu else _DEVICE_BUFFER_ELEMENTS
        )
        return max(1, limit // max(1, k * max(out_channels, rows * cols)))


class _Buffers:
    """Working memory for n examples, with views into it, which are costly to make."""

    def __init__(self, n: int, layer: _Shapes) -> None:
        windows, (height, width, channels) = layer.windows, layer.image
        make = partial(torch.empty, dtype=layer.dtype, device=layer.device)
        rows, cols = windows.output_size(height, width)
        self.mask = make(n, *layer.weights)
        self.weight = make(n, *layer.weights)
        self._patches = make(n, rows, cols, *windows.kernel, channels)
        self.columns = self._patches.view(n, rows * cols, layer.weights[1])
        self._padded = make(n, *windows.padded_size(height, width), channels)
        self._image = windows.inner(self._padded)
        self._shifts = windows.shifts(self._padded, self._patches)

    def copy_patches(self, patches: Tensor) -> Tensor:
        """Copy patches into ``columns``: (n, R, S, kernel h, w, C) to (n, L, K)."""
        self._patches.copy_(patches)
        return self.columns

    def add_columns(self) -> Tensor:
        """Return the sum of ``columns`` at their input positions: (n, L, K) to (n, H, W, C)."""
        self._padded.zero_()
        for in_image, in_patches in self._shifts:
            in_image.add_(in_patches)
        return self._image


class _BufferCache(threading.local):
    """The buffers that a thread used last, the most recent at the end."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[int, _Shapes], _Buffers] = {}


_cache = _BufferCache()


def _get_buffers(n: int, layer: _Shapes) -> _Buffers:
    """Return cached buffers; allocating them at each step would take 25 % more time.

    Callers run no other code while they use the buffers, so no two callers share them. Devices
    other than the CPU have allocators that cache memory themselves.
    """
    buffers = _cache.buffers.pop((n, layer), None)
    if buffers is None:
        # Training cannot write to a tensor that was made in inference mode.
        with torch.inference_mode(False):
            buffers = _Buffers(n, layer)
    if layer.device.type == "cpu" and buffers.weight.numel() <= _MOST_CACHED_ELEMENTS:
        _cache.buffers[n, layer] = buffers
    if len(_cache.buffers) > _MOST_CACHED_BUFFERS:
        del _cache.buffers[next(iter(_cache.buffers))]
    return buffers


def _iterate_chunks(layer: _Shapes, *tensors: Tensor) -> Iterator[tuple[Any, ...]]:
    """Yield, for a few examples at a time, buffers and the tensors' views of these examples."""
    for parts in zip(*(tensor.split(layer.chunk) for tensor in tensors), strict=True):
        yield _get_buffers(len(parts[0]), layer), *parts


class _MaskedConvolution(Function):
    """See masked_convolution."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, keep: Tensor, scale: float, windows: Windows
    ) -> Tensor:
        _, height, width, channels = x.shape
        layer = _Shapes(windows, (height, width, channels), len(weight), x.dtype, x.device)
        ctx.save_for_backward(x, weight, keep)
        ctx.scale, ctx.layer = scale, layer
        scaled = weight * scale
        out = x.new_empty(len(x), len(weight), *windows.output_size(height, width))
        for buffers, patches, kept, result in _iterate_chunks(
            layer, windows.extract_patches(x), keep, out.flatten(2)
        ):
            buffers.weight.copy_(kept).mul_(scaled)
            torch.bmm(buffers.weight, buffers.copy_patches(patches).mT, out=result)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, keep = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        layer: _Shapes = ctx.layer
        scaled = weight * ctx.scale
        # empty_like keeps the strides of x; mixed layouts would slow down the preceding layers.
        grad_x = torch.empty_like(x)
        # Sum over examples in at least float32, as the plain layer does. A separate sum for each
        # place in a chunk saves a call for each example.
        dtype = torch.promote_types(weight.dtype, torch.float32)
        totals = weight.new_zeros(min(layer.chunk, len(x)), *weight.shape, dtype=dtype)
        for buffers, patches, kept, grad, grad_image in _iterate_chunks(
            layer, layer.windows.extract_patches(x), keep, grad_out.flatten(2), grad_x
        ):
            buffers.mask.copy_(kept)
            if wants_weight:
                torch.bmm(grad, buffers.copy_patches(patches), out=buffers.weight)
                totals[: len(grad)].addcmul_(buffers.weight.to(dtype), buffers.mask.to(dtype))
            if wants_x:
                torch.bmm(grad.mT, buffers.mask.mul_(scaled), out=buffers.columns)
                grad_image.copy_(buffers.add_columns())
        grad_weight = totals.sum(0).mul_(ctx.scale).to(weight.dtype)
        return grad_x if wants_x else None, grad_weight if wants_weight else None, None, None, None


def masked_convolution(
    x: Tensor, weight: Tensor, keep: Tensor, scale: float, windows: Windows
) -> Tensor:
    """Return each example n convolved with ``weight`` · ``keep[n]`` · ``scale``.

    Differentiable once in ``x`` and ``weight``. Beside the masks, it needs memory for a few
    examples only.

    Args:
        x: (N, H, W, C), any strides, floating point.
        weight: (O, K), of x's dtype; K runs over (kernel height, kernel width, C).
        keep: (N, O, K), int8, zeros and ones.
        scale: the factor of all weights.
        windows: the geometry of the convolution.

    Returns:
        (N, O, R, S), contiguous, of x's dtype.

    Raises:
        ValueError: the input is smaller than the kernel.
    """
    out: Tensor = _MaskedConvolution.apply(  # type: ignore[no-untyped-call]
        x, weight, keep, scale, windows
    )
    return out
