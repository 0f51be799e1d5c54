"""Imports, constructs and checks a user's own network, and explains what is wrong with it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from dropexp.config.named_files import fingerprint_options, list_option_files
from dropexp.data import ImageShape
from dropexp.data.user_code import (
    collect_arguments,
    import_target,
    refuse_changed_source,
    running_user_code,
)
from dropexp.errors import ConfigError
from dropexp.models.third_party import (
    add_note,
    describe_wrong_logits,
    disable_own_noise,
    find_and_fill_sites,
    probe_model,
    returns_probabilities,
)
from dropexp.regularisers import Regulariser


def build_custom_model(
    image_shape: ImageShape,
    num_classes: int,
    regulariser: Regulariser,
    *,
    target: str,
    options: Mapping[str, Any] | None = None,
    sites: Sequence[str] | None = None,
    fingerprint: str | None = None,
    options_fingerprint: str | None = None,
) -> nn.Module:
    """Return a network of the user's own class, with a regulariser in its sites.

    The class gets all options, and those of ``image_shape`` (C, H, W), ``in_channels``,
    ``num_classes`` and ``regulariser`` that its signature names. A class that takes a regulariser
    announces its own sites (see dropexp.regularisers.base); in any other class the sites are found
    by module type. The network's own dropout is switched off.

    Args:
        image_shape: (C, H, W) of one image.
        num_classes: the number of logits.
        regulariser: fills the sites.
        target: ``package.module:Class``; the current folder is searched first.
        options: further arguments of the class.
        sites: patterns of the names of sites to fill; None: all.
        fingerprint: the one that the source must have, see config/fingerprints.py; None: any.
        options_fingerprint: the one that the files must have which options name, see
            config/named_files.py; None: any.

    Raises:
        ConfigError: the class cannot be imported or constructed, its code has another fingerprint,
            or it does not return logits (N, num_classes).
    """
    refuse_changed_source("model", target, fingerprint)
    _check_option_files(target, options or {}, options_fingerprint)
    named = f"model.target={target}"
    make = import_target(target, named)
    offered = {
        "image_shape": image_shape,
        "in_channels": image_shape[0],
        "num_classes": num_classes,
        "regulariser": regulariser,
    }
    arguments = collect_arguments(target, make, offered, options or {})
    announces = "regulariser" in arguments
    if announces and sites is not None:
        raise ConfigError(
            f"model.sites is not allowed here: it selects among sites that dropexp finds, and "
            f"{target} announces its own. Leave it out."
        )
    model = _construct(make, arguments, named)
    missing = _suggest_options(make, arguments, image_shape, num_classes)
    _silence_and_check_logits(target, model, image_shape, num_classes, missing)
    if announces:
        add_note(model, "it announces its own sites")
    else:
        find_and_fill_sites(model, regulariser, sites, image_shape)
    return model


def _check_option_files(target: str, options: Mapping[str, Any], fingerprint: str | None) -> None:
    """Refuse files that options name whose content is not that of the config."""
    found = None if fingerprint is None else fingerprint_options(options)
    if found != fingerprint:
        files = ", ".join(f"{key}={path}" for key, path in list_option_files(options)) or "none"
        raise ConfigError(
            f"model.options_fingerprint={fingerprint} does not match the files that model.options "
            f"names for {target} ({files}), whose fingerprint is {found}: one has changed, or was "
            f"moved, since the run was made. Restore it, or make a new run."
        )


def build_any_network(
    target: str, example_shape: tuple[int, ...], options: Mapping[str, Any]
) -> nn.Module:
    """Return a network of anybody's class, as it is: for the doctor.

    Args:
        target: ``package.module:Class``, or a function or a network; the current folder is
            searched first.
        example_shape: of its input without the batch; (C, H, W) for images.
        options: arguments of the class.

    Raises:
        ConfigError: the class cannot be imported or constructed.
    """
    try:
        make = import_target(target, target)
    except ValueError as error:
        raise ConfigError(f"{target} is not allowed: {error}.") from error
    if isinstance(make, nn.Module):
        return make
    offered: dict[str, Any] = {"num_classes": _CLASSES_FOR_THE_DOCTOR, "regulariser": Regulariser()}
    if len(example_shape) == _AXES_OF_AN_IMAGE:
        offered |= {"image_shape": example_shape, "in_channels": example_shape[0]}
    arguments = collect_arguments(target, make, offered, options, key="--option {}")
    return _construct(make, arguments, target)


_CLASSES_FOR_THE_DOCTOR = 10
_AXES_OF_AN_IMAGE = 3


def _construct(make: Callable[..., Any], arguments: Mapping[str, Any], named: str) -> nn.Module:
    with running_user_code(f"{named} cannot be constructed"):
        model = make(**arguments)
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"{named} returns a {type(model).__name__}; it must return a torch.nn.Module."
        )
    return model


def _suggest_options(
    make: Callable[..., Any],
    arguments: Mapping[str, Any],
    image_shape: ImageShape,
    num_classes: int,
) -> str:
    """Return a sentence on what a maker with ``**kwargs`` was not given, as it names none of it.

    timm's create_model is one: it hands them to the network, which has names of its own for them.
    """
    parameters = inspect.signature(make).parameters.values()
    if not any(each.kind is each.VAR_KEYWORD for each in parameters) or "num_classes" in arguments:
        return ""
    given = (
        " Its signature names no num_classes, so it was not told: give "
        f"+model.options.num_classes={num_classes}"
    )
    is_of_timm = make.__module__.partition(".")[0] == "timm" and "in_chans" not in arguments
    channels = f" +model.options.in_chans={image_shape[0]}" if is_of_timm else ""
    return f"{given}{channels} if it takes them."


def _silence_and_check_logits(
    target: str, model: nn.Module, image_shape: ImageShape, num_classes: int, hint: str
) -> None:
    shape = "×".join(str(side) for side in image_shape)
    with running_user_code(f"model.target={target} cannot take images of {shape}", hint):
        disable_own_noise(model, image_shape)
        output = probe_model(model, image_shape)
    wrong = describe_wrong_logits(output, num_classes)
    if wrong is not None:
        raise ConfigError(f"model.target={target} {wrong}.{hint}")
    if returns_probabilities(model, image_shape):
        raise ConfigError(
            f"model.target={target} returns probabilities, which are positive and sum to 1. Return "
            f"logits: the loss takes the softmax."
        )
