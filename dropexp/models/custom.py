"""A user's own network: imports, constructs and checks it, and explains what goes wrong."""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from dropexp.config.fingerprints import fingerprint_source, module_search_path, split_target
from dropexp.errors import ConfigError, DropexpError, suggest
from dropexp.models.third_party import (
    add_note,
    describe_wrong_logits,
    disable_own_noise,
    find_and_fill_sites,
    probe_model,
    summarise_error,
)
from dropexp.regularisers import Regulariser

ImageShape = tuple[int, int, int]


def custom_model(
    image_shape: ImageShape,
    num_classes: int,
    regulariser: Regulariser,
    *,
    target: str,
    options: Mapping[str, Any] | None = None,
    sites: Sequence[str] | None = None,
    fingerprint: str | None = None,
) -> nn.Module:
    """Build a network of the user's own class.

    The class gets ``image_shape`` (C, H, W), ``in_channels``, ``num_classes`` and ``regulariser``
    as far as its signature names them, and all options. A class that takes a regulariser announces
    its own sites (see dropexp.regularisers.base); in any other they are found. Dropout of its own
    is switched off.

    Args:
        image_shape: (C, H, W).
        num_classes: number of logits.
        regulariser: fills the sites.
        target: ``package.module:Class``; the current folder is searched first.
        options: further arguments of the class.
        sites: patterns of names of sites to fill; None: all.
        fingerprint: that the source must have, see config/fingerprints.py; None: any.

    Raises:
        ConfigError: the class cannot be imported or constructed, its code has another fingerprint,
            or it does not return logits (N, num_classes).
    """
    if fingerprint is not None and fingerprint_source(target) != fingerprint:
        raise ConfigError(
            f"model.target={target} is not the code that this run was made with: its fingerprint "
            f"is {fingerprint_source(target)}, and model.fingerprint={fingerprint}."
        )
    make = _import_target(target)
    offered = {
        "image_shape": image_shape,
        "in_channels": image_shape[0],
        "num_classes": num_classes,
        "regulariser": regulariser,
    }
    arguments = _collect_arguments(target, make, offered, options or {})
    announces = "regulariser" in arguments
    if announces and sites is not None:
        raise ConfigError(
            f"model.sites selects among the sites that dropexp finds; {target} announces its own."
        )
    model = _construct(target, make, arguments)
    disable_own_noise(model)
    _check(target, model, image_shape, num_classes)
    if announces:
        add_note(model, "it announces its own sites")
    else:
        find_and_fill_sites(model, regulariser, sites)
    return model


def _import_target(target: str) -> Callable[..., Any]:
    module_name, name = split_target(target)
    sys.path[:] = module_search_path()
    importlib.invalidate_caches()
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"model.target={target}: importing {module_name} fails with {summarise_error(error)}."
        ) from error
    for part in name.split("."):
        if not hasattr(found, part):
            classes = [key for key, value in vars(found).items() if inspect.isclass(value)]
            hint = suggest(part, classes) if classes else "It has no class."
            raise ConfigError(f"model.target={target}: {module_name} has no {name}. {hint}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"model.target={target} is neither a class nor a function.")
    made: Callable[..., Any] = found
    return made


def _collect_arguments(
    target: str, make: Callable[..., Any], offered: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the offered arguments that the signature names, and all options."""
    parameters = inspect.signature(make).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            hint = suggest(option, parameters) if parameters else "It takes none."
            raise ConfigError(f"model.options.{option} is not an argument of {target}. {hint}")
    taken = {name: value for name, value in offered.items() if name in parameters}
    arguments = {**taken, **options}
    for name, each in parameters.items():
        is_optional = each.default is not each.empty or each.kind in (
            each.VAR_KEYWORD,
            each.VAR_POSITIONAL,
        )
        if name not in arguments and not is_optional:
            raise ConfigError(
                f"{target} needs {name}: give +model.options.{name}=…. Passed without an option: "
                f"{', '.join(offered)}."
            )
    return arguments


def _construct(target: str, make: Callable[..., Any], arguments: Mapping[str, Any]) -> nn.Module:
    try:
        model = make(**arguments)
    except DropexpError:
        raise
    except Exception as error:
        raise ConfigError(
            f"model.target={target} cannot be constructed: {summarise_error(error)}."
        ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model.target={target} returns a {type(model).__name__}, which is no torch.nn.Module."
        )
    return model


def _check(target: str, model: nn.Module, image_shape: ImageShape, num_classes: int) -> None:
    try:
        answer = probe_model(model, image_shape)
    except Exception as error:
        shape = "×".join(str(side) for side in image_shape)
        raise ConfigError(
            f"model.target={target} cannot take images of {shape}: {summarise_error(error)}."
        ) from error
    wrong = describe_wrong_logits(answer, num_classes)
    if wrong is not None:
        raise ConfigError(f"model.target={target} {wrong}.")
