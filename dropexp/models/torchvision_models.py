"""torchvision's classification networks, adapted to the data's images and classes."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn

from dropexp.data import ImageShape
from dropexp.data.torchvision_import import import_torchvision
from dropexp.data.user_code import summarise_error
from dropexp.errors import ConfigError, suggest
from dropexp.models.third_party import (
    add_note,
    describe_wrong_logits,
    disable_own_noise,
    find_and_fill_sites,
    probe_model,
)
from dropexp.regularisers import Regulariser

SMALL_SIDE = 64
"""Images with a shorter side of fewer pixels than this are small."""

_STEM_KERNEL = 3
_WITHOUT_AUXILIARY_HEADS = {"aux_logits": False, "init_weights": True}
_ARGUMENTS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "googlenet": lambda *_: _WITHOUT_AUXILIARY_HEADS,
    "inception_v3": lambda *_: _WITHOUT_AUXILIARY_HEADS,
    "maxvit_t": lambda height, width: {"input_size": (height, width)},
    "vit": lambda height, _: {"image_size": height},
}
"""Prefix of an architecture's name → its arguments, given the height and width of images."""


def list_architectures() -> list[str]:
    """Return the names of torchvision's classification networks."""
    models = import_torchvision().models
    names: list[str] = models.list_models(module=models)
    return names


def build_torchvision_model(
    image_shape: ImageShape,
    num_classes: int,
    regulariser: Regulariser,
    *,
    arch: str = "resnet18",
    small_images: Literal["adapt", "keep"] = "adapt",
    sites: Sequence[str] | None = None,
) -> nn.Module:
    """Return an initialised network of torchvision with a regulariser in its sites.

    Its own dropout and stochastic depth are switched off. If images do not have three channels, the
    kernels of the first convolution are summed or repeated over channels, so that a grey image
    gives the same output as the same image in RGB.

    Args:
        image_shape: (C, H, W) of one image.
        num_classes: the number of logits.
        regulariser: fills the sites, which the package adapter finds.
        arch: one of list_architectures().
        small_images: "adapt": below 64 pixels the first convolution has stride 1, a kernel of at
            most 3 × 3 and no max-pooling after it, as is usual for CIFAR; its initial weights are
            the centre of the larger kernel's. Transformers and ConvNeXt, whose first convolution
            makes patches, are not adapted. "keep": the network as it is for ImageNet.
        sites: patterns of the names of sites to fill; None: all.

    Raises:
        ConfigError: there is no such architecture, it cannot take images of this shape, or a
            pattern matches no site.
    """
    known = list_architectures()
    if arch not in known:
        raise ConfigError(f"model.arch={arch} is not known. {suggest(arch, known)}")
    channels, height, width = image_shape
    model = _construct(arch, image_shape, num_classes)
    if channels != _find_first_convolution(model).in_channels:
        _replace(model, _find_first_convolution(model), _adapt_channels(channels))
    if small_images == "adapt" and min(height, width) < SMALL_SIDE:
        _adapt_stem(model)
    disable_own_noise(model, image_shape)
    try:
        output = probe_model(model, image_shape)
    except Exception as error:
        raise _make_images_error(arch, image_shape, error) from error
    wrong = describe_wrong_logits(output, num_classes)
    assert wrong is None, f"{arch} {wrong}"
    find_and_fill_sites(model, regulariser, sites, image_shape)
    return model


def _construct(arch: str, image_shape: ImageShape, num_classes: int) -> nn.Module:
    _, height, width = image_shape
    if arch.startswith("vit") and height != width:
        raise ConfigError(f"model.arch={arch} takes square images only, not {height}×{width}.")
    arguments: dict[str, Any] = {}
    for prefix, make_arguments in _ARGUMENTS.items():
        if arch.startswith(prefix):
            arguments = make_arguments(height, width)
    try:
        model: nn.Module = import_torchvision().models.get_model(
            arch, num_classes=num_classes, **arguments
        )
    except (ValueError, AssertionError, RuntimeError) as error:
        raise _make_images_error(arch, image_shape, error) from error
    return model


def _make_images_error(arch: str, image_shape: ImageShape, error: Exception) -> ConfigError:
    channels, height, width = image_shape
    return ConfigError(
        f"model.arch={arch} cannot take images of {channels}×{height}×{width}: "
        f"{summarise_error(error)}. Choose another model.arch or larger images."
    )


# --- the first layers ---------------------------------------------------------------------


def _find_first_convolution(model: nn.Module) -> nn.Conv2d:
    return next(module for module in model.modules() if isinstance(module, nn.Conv2d))


def name_first_kernel(model: nn.Module) -> str:
    """Return the name of the kernel of a network's first convolution."""
    first = _find_first_convolution(model)
    name = next(name for name, module in model.named_modules() if module is first)
    return f"{name}.weight"


def _adapt_stem(model: nn.Module) -> None:
    """Adapt the first layers to small images; see build_torchvision_model, small_images."""
    stem = _find_first_convolution(model)
    is_of_patches = stem.kernel_size == stem.stride
    if is_of_patches or max(stem.stride) == 1:
        return
    stem = _replace(model, stem, _shrink_stem)
    kernel = "×".join(str(side) for side in stem.kernel_size)
    sentence = f"for small images the first convolution is {kernel} with stride 1"
    pool = _find_pooling_after(model, stem)
    if pool is not None:
        _replace(model, pool, lambda _: nn.Identity())
        sentence += ", without max-pooling after it"
    add_note(model, sentence)


def _find_pooling_after(model: nn.Module, stem: nn.Conv2d) -> nn.Module | None:
    """Return the max-pooling between the first and the second convolution, if there is any."""
    modules = list(model.modules())
    for module in modules[modules.index(stem) + 1 :]:
        if isinstance(module, nn.MaxPool2d):
            return module
        if isinstance(module, nn.Conv2d):
            return None
    return None


def _adapt_channels(channels: int) -> Callable[[nn.Conv2d], nn.Conv2d]:
    """Return a function that makes a convolution for images of another number of channels."""

    def adapt(conv: nn.Conv2d) -> nn.Conv2d:
        weight = _mix_channels(conv.weight, channels)
        return _make_convolution_like(conv, weight, conv.stride, conv.padding)

    return adapt


def _mix_channels(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Return a kernel for another number of channels; a grey image counts as an RGB one."""
    before = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    repeats = -(-channels // before)
    return weight.repeat(1, repeats, 1, 1)[:, :channels] * (before / channels)


def _cut_middle(weight: torch.Tensor, sides: Sequence[int]) -> torch.Tensor:
    """Return the middle of a kernel, with these height and width."""
    tops = [(whole - side) // 2 for whole, side in zip(weight.shape[2:], sides, strict=True)]
    return weight[:, :, tops[0] : tops[0] + sides[0], tops[1] : tops[1] + sides[1]]


def fit_first_kernel(weight: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return a trained kernel of a first convolution as build_torchvision_model adapts it.

    Args:
        weight: (O, C, R, S), of the network for large images in RGB.
        own: the kernel of the adapted network.

    Returns:
        A kernel of the shape of ``own`` with the norm of the given one; the kernel itself if it
        cannot be adapted to that.
    """
    if weight.dim() != 4 or len(weight) != len(own) or weight.shape == own.shape:
        return weight
    sides = own.shape[2:]
    if any(side > whole for side, whole in zip(sides, weight.shape[2:], strict=True)):
        return weight
    if weight.shape[1] != own.shape[1]:
        weight = _mix_channels(weight, own.shape[1])
    middle = _cut_middle(weight, sides)
    scaled: torch.Tensor = middle * (weight.norm() / middle.norm())
    return scaled


def _shrink_stem(conv: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution with stride 1 and the kernel's centre, at the same output variance."""
    sides = [min(side, _STEM_KERNEL) for side in conv.kernel_size]
    middle = _cut_middle(conv.weight, sides)
    scale = (conv.weight[0, 0].numel() / middle[0, 0].numel()) ** 0.5
    padded = any(conv.padding) if isinstance(conv.padding, tuple) else True
    padding = tuple(side // 2 if padded else 0 for side in sides)
    return _make_convolution_like(conv, middle * scale, (1, 1), padding)


def _make_convolution_like(
    conv: nn.Conv2d,
    weight: torch.Tensor,
    stride: tuple[int, ...],
    padding: str | tuple[int, ...],
) -> nn.Conv2d:
    """Return a convolution with another weight and geometry; draws no random numbers."""
    convolution = nn.Conv2d(
        weight.shape[1],
        conv.out_channels,
        (weight.shape[2], weight.shape[3]),
        (stride[0], stride[1]),
        padding if isinstance(padding, str) else (padding[0], padding[1]),
        bias=conv.bias is not None,
        device="meta",
    )
    convolution.weight = nn.Parameter(weight.detach().clone())
    convolution.bias = conv.bias
    return convolution


def _replace(model: nn.Module, before: Any, change: Callable[[Any], Any]) -> Any:
    """Replace a module by what ``change`` makes of it, and return that."""
    after = change(before)
    name = next(name for name, module in model.named_modules() if module is before)
    parent, _, child = name.rpartition(".")
    model.get_submodule(parent).add_module(child, after)
    return after
