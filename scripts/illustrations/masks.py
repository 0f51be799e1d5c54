"""A picture of every regulariser: what it does to real feature maps, weights or images.

The masks come from dropexp's own modules, which are requested as a model requests them, so a new
regulariser gets a picture without a change here. Each picture has three blocks for two examples:
the values, the factor that each value is multiplied by, and the result.

Shapes: N examples, M maps of an example, H × W cells of a map.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp import regularisers
from dropexp.config.compose import compose_run
from dropexp.data import Splits, load
from dropexp.regularisers import Regulariser
from illustrations.png import write_png

_EXAMPLES, _MAPS = 2, 5
_SEED = 2
_P = 0.4
_OPTIONS: dict[str, dict[str, Any]] = {
    "dropblock": {"block_size": 3},  # the published 7 covers nearly all of an 8 × 8 map
    "cutout": {"p": 1.0},
    "mixup": {"p": 1.0},
    "cutmix": {"p": 1.0},
    "stochastic_depth": {"p": 0.6},  # of the last branch; earlier ones have less
    "shakedrop": {"p": 0.6},
}

_VALUE_RAMP = {0.0: "440154", 0.25: "3b528b", 0.5: "21918c", 0.75: "5ec962", 1.0: "fde725"}
_FACTOR_RAMP = {-1.0: "6b2c00", 0.0: "d9741b", 1.0: "e2e2e2", 2.0: "2b7bba", 3.0: "123a5c"}
_SHARE_RAMP = {0.0: "d9741b", 0.5: "e2e2e2", 1.0: "2b7bba"}
_DROPPED = "#d9741b"
_INK = "#7d858d"
"""A grey that is legible on white and on black: the pictures are transparent."""

_MAP_PIXELS, _GAP, _BLOCK_GAP, _LEFT, _TOP, _BOTTOM = 44, 5, 30, 72, 26, 30
_SCALE = 2.0
_ZERO = 1e-6
"""A factor below it counts as zero."""


@dataclass(frozen=True)
class Illustration:
    """What a picture shows.

    Attributes:
        headings: the headings of the three blocks.
        values: (N, M, H, W) before the noise.
        factors: (N, M, H, W), what each value is multiplied by.
        results: (N, M, H, W) after the noise.
        factor_ramp: factor → colour.
        legend: factor → its label.
        rows: the labels of the examples.
        note: the text below the first block.
    """

    headings: tuple[str, str, str]
    values: Tensor
    factors: Tensor
    results: Tensor
    factor_ramp: dict[float, str]
    legend: dict[float, str]
    rows: tuple[str, ...] = tuple(f"example {row + 1}" for row in range(_EXAMPLES))
    note: str = ""


def draw_masks(run_folder: Path, folder: Path) -> list[Path]:
    """Draw a picture of every regulariser.

    Args:
        run_folder: the folder of a finished run of the small CNN on the digits, whose first
            convolution computes the feature maps.
        folder: the folder of the pictures, ``<regulariser>.png``.

    Returns:
        The pictures' paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits = load(compose_run([]).data)
    weights = load_file(run_folder / "model.safetensors")
    convolution = nn.Conv2d(1, len(weights["conv1.bias"]), 3, padding=1)
    convolution.load_state_dict({"weight": weights["conv1.weight"], "bias": weights["conv1.bias"]})
    convolution.requires_grad_(requires_grad=False)
    paths = []
    for name in regularisers.REGISTRY:
        paths.append(folder / f"{name}.png")
        write_png(_draw(illustrate(name, convolution, splits)), paths[-1], _SCALE)
    return paths


def illustrate(name: str, convolution: nn.Conv2d, splits: Splits) -> Illustration:
    """Run the modules that a regulariser gives a model on real values.

    Args:
        name: the name of the regulariser.
        convolution: a trained convolution of one input channel, with a kernel of 3 × 3.
        splits: the digits.
    """
    options = {"p": _P, **_OPTIONS.get(name, {})}
    illustration = _illustrate(regularisers.build(name, **options), convolution, splits)
    note = ", ".join(f"{key} = {value:g}" for key, value in options.items())
    return illustration if name == "none" else replace(illustration, note=note)


def _illustrate(regulariser: Regulariser, convolution: nn.Conv2d, splits: Splits) -> Illustration:
    images = splits.normalise(splits.test.images[:_EXAMPLES])
    maps = _choose_maps(convolution(images))
    if regulariser.belongs_after == "selu":
        maps = F.selu(maps)
    noise = regulariser.input(splits.num_classes)
    if noise is not None:
        return _illustrate_input(noise.train(), splits)
    if isinstance(regulariser.branch(1.0), regularisers.Noise):
        return _illustrate_branches(regulariser, maps)
    layer = regulariser.weight(_copy_first_kernels(convolution), 1.0)
    if isinstance(layer, regularisers.DropConnectConv2d):
        return _illustrate_weights(layer.train())
    noises = list(regularisers.find_noise_modules(layer).values())
    module = noises[0] if noises else regulariser.activation(1.0)
    assert isinstance(module, nn.Module)
    module.train()
    heading = f"feature maps of {_MAPS} channels"
    return _illustrate_factors(heading, maps, lambda x: module(x))


# --- the kinds of site ------------------------------------------------------------------------


def _illustrate_factors(
    heading: str, values: Tensor, apply: Callable[[Tensor], Tensor]
) -> Illustration:
    """Illustrate noise that multiplies values: with a fixed seed, an affine function of them."""
    ones = torch.ones_like(values)
    factors = _call_with_seed(lambda: apply(2 * ones)) - _call_with_seed(lambda: apply(ones))
    return Illustration(
        (heading, "× factors in training", "= what the next layer sees"),
        values,
        factors,
        _call_with_seed(lambda: apply(values)),
        _FACTOR_RAMP,
        _label_factors(factors),
    )


def _illustrate_branches(regulariser: Regulariser, maps: Tensor) -> Illustration:
    """Illustrate gates of branches at increasing depth, with a feature map each as its output."""
    gates = [regulariser.branch((index + 1) / _MAPS).train() for index in range(_MAPS)]

    def apply(outputs: Tensor) -> Tensor:
        gated = [
            gate(lambda rows: rows, outputs[:, index : index + 1]).expand_as(outputs[:, :1])
            for index, gate in enumerate(gates)
        ]
        return torch.cat(gated, 1)

    heading = f"outputs of {_MAPS} residual branches"
    return _illustrate_factors(heading, maps, apply)


def _illustrate_weights(layer: nn.Conv2d) -> Illustration:
    """Illustrate noisy weights, read off the response to a single bright pixel."""
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)

    def kernels() -> Tensor:
        probe = torch.zeros(_EXAMPLES, 1, 3, 3)
        probe[:, :, 1, 1] = 1
        response: Tensor = layer(probe)
        return response.flip(-1, -2)

    layer.eval()
    plain = kernels()
    layer.train()
    noisy = _call_with_seed(kernels)
    factors = noisy / plain
    return Illustration(
        (f"weights of {_MAPS} kernels", "× factors in training", "= weights of each example"),
        plain,
        factors,
        noisy,
        _FACTOR_RAMP,
        _label_factors(factors),
    )


def _illustrate_input(noise: nn.Module, splits: Splits) -> Illustration:
    """Illustrate noise on images: the share of each pixel that is kept, and the new images."""
    count = _EXAMPLES * _MAPS
    images = splits.normalise(splits.test.images[:count])
    labels = splits.test.labels[:count]
    ones = torch.ones_like(images)
    changed = _call_with_seed(partial(_change, noise, images, labels))
    # An image of ones among images of zeros shows how much of each pixel it keeps.
    probes = [ones * F.one_hot(torch.tensor(i), count).view(-1, 1, 1, 1) for i in range(count)]
    kept = [_call_with_seed(partial(_change, noise, probe, labels)) for probe in probes]
    own = torch.stack([images[index] for index, images in enumerate(kept)])
    shape = (_EXAMPLES, _MAPS, *images.shape[2:])
    return Illustration(
        ("training images", "how much of each pixel is its own", "what the network sees"),
        images.view(shape),
        own.view(shape),
        changed.view(shape),
        _SHARE_RAMP,
        {0.0: "nothing", 0.5: "half", 1.0: "all"},
        rows=(),
    )


def _label_factors(factors: Tensor) -> dict[float, str]:
    zero = {0.0: "0: dropped" if bool((factors.abs() < _ZERO).any()) else "0"}
    negative = {-1.0: "−1"} if float(factors.min()) < -_ZERO else {}
    return {**negative, **zero, 1.0: "1: unchanged", 2.0: "2"}


def _change(noise: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    changed: Tensor = noise(images, labels)[0]
    return changed


def _choose_maps(maps: Tensor) -> Tensor:
    """Choose the channels with the most contrast."""
    contrast = maps.flatten(2).std(2).mean(0)
    return maps[:, contrast.topk(_MAPS).indices]


def _copy_first_kernels(convolution: nn.Conv2d) -> nn.Conv2d:
    copy = nn.Conv2d(1, _MAPS, 3, padding=1)
    with torch.no_grad():
        copy.weight.copy_(convolution.weight[:_MAPS])
    return copy.requires_grad_(requires_grad=False)


def _call_with_seed(call: Callable[[], Tensor]) -> Tensor:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(_SEED)
        return call()


# --- drawing ----------------------------------------------------------------------------------


def _draw(illustration: Illustration) -> str:
    """Draw an illustration as SVG."""
    low, high = float(illustration.values.min()), float(illustration.values.max())
    block_pixels = _MAPS * (_MAP_PIXELS + _GAP) - _GAP
    width = _LEFT + 3 * block_pixels + 2 * _BLOCK_GAP
    height = _TOP + _EXAMPLES * (_MAP_PIXELS + _GAP) + _BOTTOM
    parts = []
    for row in range(_EXAMPLES):
        y = _TOP + row * (_MAP_PIXELS + _GAP)
        if illustration.rows:
            parts.append(_text(0, y + _MAP_PIXELS / 2 + 4, illustration.rows[row]))
        for column in range(_MAPS):
            at = (row, column)
            values, factors, results = (
                each[at]
                for each in (illustration.values, illustration.factors, illustration.results)
            )
            colours = [
                [_scale_colour(v, low, high) for v in values.flatten().tolist()],
                [_mix(illustration.factor_ramp, v) for v in factors.flatten().tolist()],
                [
                    _DROPPED if abs(factor) + abs(v) < _ZERO else _scale_colour(v, low, high)
                    for v, factor in zip(
                        results.flatten().tolist(), factors.flatten().tolist(), strict=True
                    )
                ],
            ]
            for block, cells in enumerate(colours):
                x = _LEFT + block * (block_pixels + _BLOCK_GAP) + column * (_MAP_PIXELS + _GAP)
                parts.append(_draw_map(x, y, values.shape[-1], cells))
    for block, heading in enumerate(illustration.headings):
        parts.append(_text(_LEFT + block * (block_pixels + _BLOCK_GAP), 14, heading))
    parts.append(_text(_LEFT, height - 5, illustration.note))
    parts.append(_draw_legend(illustration, _LEFT + block_pixels + _BLOCK_GAP, height - 16))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="Liberation Sans, Helvetica, Arial, sans-serif" font-size="13" '
        f'shape-rendering="crispEdges">{"".join(parts)}</svg>'
    )


def _draw_map(x: float, y: float, side: int, colours: list[str]) -> str:
    pixels = _MAP_PIXELS / side
    return "".join(
        f'<rect x="{x + index % side * pixels:.2f}" y="{y + index // side * pixels:.2f}" '
        f'width="{pixels:.2f}" height="{pixels:.2f}" fill="{colour}"/>'
        for index, colour in enumerate(colours)
    )


def _draw_legend(illustration: Illustration, x: float, y: float) -> str:
    parts = []
    for factor, label in illustration.legend.items():
        colour = _mix(illustration.factor_ramp, factor)
        parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(x + 17, y + 11, label))
        x += 17 + 7 * len(label) + 14
    return "".join(parts)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{_INK}">{text}</text>'


def _scale_colour(value: float, low: float, high: float) -> str:
    return _mix(_VALUE_RAMP, (value - low) / (high - low))


def _mix(ramp: dict[float, str], value: float) -> str:
    """Return the colour of a value between the stops of a ramp, #rrggbb."""
    stops = sorted(ramp)
    value = min(max(value, stops[0]), stops[-1])
    above = next(index for index, stop in enumerate(stops) if value <= stop)
    low, high = stops[max(above - 1, 0)], stops[above]
    share = (value - low) / (high - low) if high > low else 0.0
    pairs = zip(bytes.fromhex(ramp[low]), bytes.fromhex(ramp[high]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)
