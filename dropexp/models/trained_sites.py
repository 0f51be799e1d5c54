"""Limits a regulariser to the sites where a network trains."""

from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

from torch import nn

from dropexp.data import ImageShape
from dropexp.models.adapter.tracing import NORMS
from dropexp.models.third_party import probe_model
from dropexp.regularisers import (
    DropConnectConv2d,
    DropConnectLinear,
    Gate,
    Noise,
    find_noise_modules,
)

_OfNoise = dict[str, set[nn.Module]]


def keep_trained_sites(model: nn.Module, kinds: Collection[str], image_shape: ImageShape) -> int:
    """Remove noise from sites where nothing trains, and return from how many.

    A site trains if a parameter does of what its noise acts on: of the layer itself (a weight), of
    the layer before with the normalisation between (an activation), of anything in the branch.

    Args:
        model: with noise, after freezing; it is changed in place.
        kinds: names of the regularisers to limit.
        image_shape: (C, H, W) of one image.
    """
    noises = {
        name: noise for name, noise in find_noise_modules(model).items() if noise.kind in kinds
    }
    acts_on = _find_what_noise_acts_on(model, noises, image_shape)
    idle = [
        name
        for name in noises
        if not any(
            parameter.requires_grad
            for module in acts_on[name]
            for parameter in module.parameters(recurse=False)
        )
    ]
    for name in idle:
        _replace_everywhere(model, model.get_submodule(name))
    return len(idle)


def _replace_everywhere(model: nn.Module, noise: nn.Module) -> None:
    """Put what a plain network has in the place of a noise module, in all of its parents."""
    plain = _make_plain(noise)
    for parent in list(model.modules()):
        for child, module in list(parent._modules.items()):
            if module is noise:
                parent.add_module(child, plain)


def _make_plain(noise: nn.Module) -> nn.Module:
    """Return what stands in a noise module's place in a plain network."""
    if isinstance(noise, Gate):
        return Gate()
    if isinstance(noise, DropConnectLinear | DropConnectConv2d):
        return noise.to_plain()
    return nn.Identity()


def _find_what_noise_acts_on(
    model: nn.Module, noises: dict[str, Noise], image_shape: ImageShape
) -> _OfNoise:
    """Return name of a noise module → the modules with parameters that it acts on.

    They are found by the order in which one pass calls the modules.
    """
    recorder = _Recorder(noises)
    with ExitStack() as stack:
        for name, module in model.named_modules():
            for handle in recorder.watch(name, module):
                stack.callback(handle.remove)
        probe_model(model, image_shape)
    return recorder.acts_on


class _Recorder:
    """Records which modules are called before a noise on activations, and inside a gate."""

    def __init__(self, noises: dict[str, Noise]) -> None:
        self.acts_on: _OfNoise = {name: set() for name in noises}
        self._noises = noises
        self._before: list[nn.Module] = []  # the last layer, and the normalisations after it
        self._open: list[str] = []  # gates whose branch is being computed

    def watch(self, name: str, module: nn.Module) -> list[Any]:
        """Register hooks on a module, and return their handles."""
        is_layer = any(True for _ in module.parameters(recurse=False))
        is_own = isinstance(module, DropConnectLinear | DropConnectConv2d)
        if name in self._noises and isinstance(module, Gate):
            return [
                module.register_forward_pre_hook(lambda *_: self._open.append(name)),
                module.register_forward_hook(lambda *_: self._close(name), always_call=True),
            ]
        if name in self._noises and not is_own:
            return [module.register_forward_pre_hook(lambda *_: self._note_noise(name))]
        if not is_layer or (isinstance(module, Noise) and not is_own):
            return []
        if name in self._noises:
            self.acts_on[name].add(module)
        return [module.register_forward_pre_hook(lambda *_: self._note_layer(module))]

    def _note_noise(self, name: str) -> None:
        self.acts_on[name].update(self._before)

    def _note_layer(self, module: nn.Module) -> None:
        if not isinstance(module, NORMS):
            self._before.clear()
        self._before.append(module)
        for gate in self._open:
            self.acts_on[gate].add(module)

    def _close(self, name: str) -> None:
        self._open.remove(name)
