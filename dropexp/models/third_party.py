"""Prepares networks that were not written for dropexp.

It switches off their own noise, checks their logits, finds and fills their sites, and notes every
change for the user.
"""

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

from dropexp.data import ImageShape
from dropexp.doctor.kinds import find_strength, is_dropout_like
from dropexp.doctor.recording import RecordedCall, Recorder
from dropexp.models.adapter import fill_sites, find_sites, observe_dimensions
from dropexp.models.freezing import find_held_modules
from dropexp.models.heads import remember_heads
from dropexp.regularisers import Noise, Regulariser, preserve_modes
from dropexp.terminal.numbers import list_few

_NOTES = "_notes"
_PROBED_IMAGES = 2


def add_note(model: nn.Module, *sentences: str) -> None:
    """Add sentences for the user to a network's notes; see get_notes."""
    vars(model)[_NOTES] = (*get_notes(model), *sentences)


def get_notes(model: nn.Module) -> tuple[str, ...]:
    """Return sentences for the user about what was changed in a network."""
    sentences: tuple[str, ...] = vars(model).get(_NOTES, ())
    return sentences


def disable_own_noise(model: nn.Module, image_shape: ImageShape) -> None:
    """Set the strength of the network's own dropout and stochastic depth to 0, and note it.

    Such noise would act in addition to every regulariser, and in the baseline too. Modules are
    found by their class, or by their name and their drop probability, as timm's DropPath. A
    function that a forward calls, as F.dropout, is switched off if an attribute of the module has
    its drop probability.

    Args:
        model: any network; it is changed in place.
        image_shape: (C, H, W).
    """
    disabled = [name for name, module in model.named_modules() if _switch_off(module)]
    disabled += _switch_off_functions(model, image_shape)
    if disabled:
        add_note(model, f"the network's own dropout is off ({list_few(disabled, 1)})")


def _switch_off(module: nn.Module) -> bool:
    """Set a module's drop probability to 0; return whether it had one."""
    if isinstance(module, Noise):
        return False
    attribute = find_strength(module) if is_dropout_like(module) else None
    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        attribute = "dropout"
    if attribute is None or not getattr(module, attribute):
        return False
    setattr(module, attribute, 0.0)
    return True


def _switch_off_functions(model: nn.Module, image_shape: ImageShape) -> list[str]:
    """Set to 0 the attributes whose drop probability a module gives to a function.

    Returns:
        The attributes.
    """
    disabled: list[str] = []
    for recorded in _record_training_pass(model, image_shape):
        p = recorded.call.p
        if not recorded.call.is_on or not p or isinstance(recorded.owner, Noise):
            continue
        for attribute, value in vars(recorded.owner).items():
            if "drop" in attribute and isinstance(value, float) and value == p:
                setattr(recorded.owner, attribute, 0.0)
                disabled.append(f"{recorded.module}.{attribute}".removeprefix("."))
    return disabled


def _record_training_pass(model: nn.Module, image_shape: ImageShape) -> list[RecordedCall]:
    """Return the calls that draw in a training pass; the network is not changed.

    Empty if the network does not work: that is reported where its logits are checked.
    """
    shape = (_PROBED_IMAGES, *image_shape)
    with preserve_modes(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.train()
        with suppress(Exception), Recorder(model) as recorder:
            _run_on_meta(model, shape)
            return recorder.calls
        with suppress(Exception), Recorder(model) as recorder:
            # The statistics of batch normalisation must stay as they are.
            buffers = {id(buffer) for buffer in model.buffers()}
            state = {
                name: tensor.clone()
                for name, tensor in _name_tensors(model).items()
                if id(tensor) in buffers
            }
            torch.func.functional_call(model, state, (torch.zeros(shape),), tie_weights=False)
            return recorder.calls
    return []


def find_and_fill_sites(
    model: nn.Module,
    regulariser: Regulariser,
    sites: Sequence[str] | None,
    image_shape: ImageShape,
) -> None:
    """Find a network's sites and let the regulariser fill them; note which layers stay plain.

    Args:
        model: the network; it is changed in place.
        regulariser: fills the sites.
        sites: patterns of the names of sites to fill; None: all.
        image_shape: (C, H, W), for which the dimensions of the layers' outputs are observed.

    Raises:
        ConfigError: a pattern matches no site.
    """
    dimensions = observe_dimensions(model, lambda: probe_model(model, image_shape))
    network_sites = find_sites(model, dimensions)
    remember_heads(model, network_sites.heads)
    if network_sites.heads:
        add_note(model, f"its head is left plain ({', '.join(network_sites.heads)})")
    if network_sites.untraced:
        where = list_few([each or "the network itself" for each in network_sites.untraced], 1)
        add_note(model, f"read in the order of registration, as it cannot be traced: {where}")
    fill_sites(model, regulariser, sites, network_sites)


def probe_model(model: nn.Module, image_shape: ImageShape) -> object:
    """Return a network's output for two black images in eval mode, without changing it.

    If the network allows it, the output is computed on meta tensors, which have shapes and no
    values: this is faster.

    Args:
        model: any network.
        image_shape: (C, H, W).
    """
    shape = (_PROBED_IMAGES, *image_shape)
    with preserve_modes(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.eval()
        try:
            return _run_on_meta(model, shape)
        except Exception:  # a network that creates tensors or reads values needs real data
            return model(torch.zeros(shape))


def _run_on_meta(model: nn.Module, shape: tuple[int, ...]) -> object:
    tensors = _name_tensors(model)
    on_meta = {id(tensor): tensor.to("meta") for tensor in tensors.values()}
    state = {name: on_meta[id(tensor)] for name, tensor in tensors.items()}
    images = torch.zeros(shape, device="meta")
    return torch.func.functional_call(model, state, (images,), tie_weights=False)


def _name_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers by name, those of a module that has two names once.

    functional_call ties weights by their names, and would exchange those of such a module twice:
    it would put back what it had put in.
    """
    return {
        f"{prefix}.{name}".removeprefix("."): tensor
        for prefix, module in model.named_modules()
        for name, tensor in {**module._parameters, **module._buffers}.items()
        if tensor is not None
    }


def returns_probabilities(model: nn.Module, image_shape: ImageShape) -> bool:
    """Return whether a network ends in a softmax, where logits are needed.

    Trained so, the loss takes the softmax twice and its gradients are small.

    Args:
        model: a network whose output has the right shape; it is not changed.
        image_shape: (C, H, W).
    """
    with preserve_modes(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.eval()
        output = model(torch.zeros((_PROBED_IMAGES, *image_shape)))
    sums = output.sum(dim=1)
    return bool((output >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def takes_single_images(model: nn.Module, image_shape: ImageShape) -> bool:
    """Return whether a training batch may have a single image; the network is not changed.

    Batch normalisation of maps with a single position has no statistics of a single image.

    Args:
        model: any network.
        image_shape: (C, H, W).
    """
    try:
        with preserve_modes(model), torch.no_grad():
            model.train()
            for module in find_held_modules(model):
                module.training = False
            _run_on_meta(model, (1, *image_shape))
    except ValueError as error:
        return "more than 1 value per channel" not in str(error)
    except Exception:  # the network may not support meta tensors, and training reports errors
        return True
    return True


def describe_wrong_logits(output: object, num_classes: int) -> str | None:
    """Return what is wrong with a network's output for two images; None if it is right."""
    is_right = isinstance(output, Tensor) and output.shape == (_PROBED_IMAGES, num_classes)
    if isinstance(output, Tensor) and is_right and output.is_floating_point():
        return None
    given = (
        f"logits of type {str(output.dtype).removeprefix('torch.')}, which is not floating point,"
        if isinstance(output, Tensor) and is_right
        else f"logits of shape {tuple(output.shape)}"
        if isinstance(output, Tensor)
        else f"a {type(output).__name__}"
    )
    return (
        f"returns {given} for {_PROBED_IMAGES} images; ({_PROBED_IMAGES}, {num_classes}) is "
        f"needed, one logit for each class"
    )
