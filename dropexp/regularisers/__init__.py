"""Regularisers: what a model asks for noise (the seam, base.py), and what can answer.

A regulariser is added by writing a subclass of Regulariser, entering it into REGISTRY and
giving it a file in conf/regulariser and a section in dropexp/config.py. The tests in
tests/regularisers/test_contracts.py then apply to it.
"""

import inspect
from typing import Any

from dropexp.errors import ConfigError, suggest
from dropexp.regularisers.activations import (
    Dropout,
    Dropout2d,
    Dropout2dRegulariser,
    DropoutRegulariser,
    SpatialDropout2d,
    SpatialDropoutRegulariser,
)
from dropexp.regularisers.base import Branch, Gate, Noise, Nonlinearity, Regulariser, noise_modules
from dropexp.regularisers.dropconnect import DropConnectLinear, DropConnectRegulariser
from dropexp.regularisers.dropconnect_convolution import DropConnectConv2d
from dropexp.regularisers.sites import SiteRecorder
from dropexp.regularisers.stochastic_depth import StochasticDepth, StochasticDepthRegulariser

__all__ = [
    "REGISTRY",
    "Branch",
    "DropConnectConv2d",
    "DropConnectLinear",
    "DropConnectRegulariser",
    "Dropout",
    "Dropout2d",
    "Dropout2dRegulariser",
    "DropoutRegulariser",
    "Gate",
    "Noise",
    "Nonlinearity",
    "Regulariser",
    "SiteRecorder",
    "SpatialDropout2d",
    "SpatialDropoutRegulariser",
    "StochasticDepth",
    "StochasticDepthRegulariser",
    "build",
    "noise_modules",
]

REGISTRY: dict[str, type[Regulariser]] = {
    regulariser.name: regulariser
    for regulariser in (
        Regulariser,
        Dropout2dRegulariser,
        SpatialDropoutRegulariser,
        DropConnectRegulariser,
        StochasticDepthRegulariser,
        DropoutRegulariser,
    )
}


def build(name: str, p: float, **options: Any) -> Regulariser:
    """The regulariser of that name.

    Args:
        name: a key of REGISTRY.
        p: drop probability in [0, 1); "none" is none at any p.
        options: the regulariser's own, such as mask="batch" for dropconnect.

    Raises:
        ConfigError: there is no such regulariser, or it has no such option.
        ValueError: p or an option's value is not allowed.
    """
    if name not in REGISTRY:
        raise ConfigError(f"regulariser={name} is not known. {suggest(name, REGISTRY)}")
    regulariser = REGISTRY[name]
    known = [option for option in inspect.signature(regulariser).parameters if option != "p"]
    for option in options:
        if option not in known:
            hint = suggest(option, known) if known else "It has none."
            raise ConfigError(f"regulariser.{option} is not an option of {name}. {hint}")
    # A baseline with p > 0 would read as a regulariser that was served no site.
    return regulariser(0.0 if regulariser is Regulariser else p, **options)
