"""A data set that a function of the user's returns."""

from collections.abc import Mapping
from typing import Any

import torch

from dropexp.config.data_section import CustomDataConfig
from dropexp.data.arrays import NAMES, make_source
from dropexp.data.splits import Source
from dropexp.data.user_code import (
    collect_arguments,
    import_target,
    refuse_changed_source,
    running_user_code,
)
from dropexp.errors import DataError
from dropexp.randomness import seeded_python_and_numpy


def read(config: CustomDataConfig) -> Source:
    """Return what the function of the config returns: a mapping as in arrays.NAMES, or a pair.

    The function is called with ``data.options``, and with the global generators of torch, NumPy and
    Python seeded with 0. It has to return the same at every call.

    Raises:
        ConfigError: the function cannot be imported, takes other arguments, or has changed.
        DataError: it fails, or returns something else.
    """
    refuse_changed_source("data", config.target, config.fingerprint, config.options)
    origin = f"data.target={config.target}"
    load = import_target(config.target, origin)
    arguments = collect_arguments(config.target, load, {}, config.options, "data.options.{}")
    with (
        running_user_code(f"{origin} fails"),
        seeded_python_and_numpy(0),
        torch.random.fork_rng(devices=[]),
    ):
        torch.manual_seed(0)
        returned = load(**arguments)
    return make_source(_name_arrays(returned, origin), origin)


def _name_arrays(returned: Any, origin: str) -> Mapping[str, Any]:
    if isinstance(returned, Mapping):
        return returned
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return dict(zip(NAMES[:2], returned, strict=True))
    raise DataError(
        f"{origin} returns a {type(returned).__name__}; it must return images and labels as a "
        f"pair, or a mapping with {', '.join(NAMES)}."
    )
