"""Regularisers: what a model asks for noise (the seam, base.py), and what can answer.

A regulariser is added by writing a subclass of Regulariser, entering it into REGISTRY and
giving it a file in conf/regulariser and a section in dropexp/config_regularisers.py. The tests in
tests/regularisers/test_contracts.py then apply to it.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError, suggest
from dropexp.regularisers.activations import (
    Dropout,
    Dropout2d,
    Dropout2dRegulariser,
    DropoutRegulariser,
    SpatialDropout2d,
    SpatialDropoutRegulariser,
)
from dropexp.regularisers.alpha import AlphaDropout, AlphaDropoutRegulariser
from dropexp.regularisers.base import Branch, Gate, Noise, Nonlinearity, Regulariser, noise_modules
from dropexp.regularisers.combined import Combined
from dropexp.regularisers.concrete import ConcreteDropout, ConcreteDropoutRegulariser
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.dropblock import DropBlock2d, DropBlockRegulariser
from dropexp.regularisers.dropconnect.convolution import DropConnectConv2d
from dropexp.regularisers.dropconnect.regulariser import DropConnectLinear, DropConnectRegulariser
from dropexp.regularisers.gaussian import (
    GaussianDropout,
    GaussianDropoutRegulariser,
    UnitScaling,
    UnitScalingRegulariser,
)
from dropexp.regularisers.inputs import (
    CutMix,
    CutMixRegulariser,
    Cutout,
    CutoutRegulariser,
    Mixup,
    MixupRegulariser,
    attach_input_noise,
    through_input_noise,
)
from dropexp.regularisers.modes import preserve_modes
from dropexp.regularisers.shakedrop import ShakeDrop, ShakeDropRegulariser
from dropexp.regularisers.sites import SiteRecorder
from dropexp.regularisers.stochastic_depth import StochasticDepth, StochasticDepthRegulariser

__all__ = [
    "REGISTRY",
    "AlphaDropout",
    "AlphaDropoutRegulariser",
    "Branch",
    "Combined",
    "ConcreteDropout",
    "ConcreteDropoutRegulariser",
    "CutMix",
    "CutMixRegulariser",
    "Cutout",
    "CutoutRegulariser",
    "Draws",
    "DropBlock2d",
    "DropBlockRegulariser",
    "DropConnectConv2d",
    "DropConnectLinear",
    "DropConnectRegulariser",
    "Dropout",
    "Dropout2d",
    "Dropout2dRegulariser",
    "DropoutRegulariser",
    "Gate",
    "GaussianDropout",
    "GaussianDropoutRegulariser",
    "Mixup",
    "MixupRegulariser",
    "Noise",
    "Nonlinearity",
    "Regulariser",
    "ShakeDrop",
    "ShakeDropRegulariser",
    "SiteRecorder",
    "SpatialDropout2d",
    "SpatialDropoutRegulariser",
    "StochasticDepth",
    "StochasticDepthRegulariser",
    "UnitScaling",
    "UnitScalingRegulariser",
    "attach_input_noise",
    "build",
    "noise_modules",
    "parameter_groups",
    "preserve_modes",
    "read_p",
    "scale_p",
    "served",
    "through_input_noise",
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
        DropBlockRegulariser,
        GaussianDropoutRegulariser,
        AlphaDropoutRegulariser,
        ConcreteDropoutRegulariser,
        ShakeDropRegulariser,
        UnitScalingRegulariser,
        CutoutRegulariser,
        MixupRegulariser,
        CutMixRegulariser,
    )
}


def build(name: str, p: float, **options: Any) -> Regulariser:
    """The regulariser of that name.

    Args:
        name: a key of REGISTRY, or several joined by ``+``, which have the same p and no options.
        p: drop probability in [0, 1); "none" is none at any p.
        options: the regulariser's own, such as mask="batch" for dropconnect.

    Raises:
        ConfigError: there is no such regulariser, or it has no such option.
        ValueError: p or an option's value is not allowed.
    """
    if COMBINATION_SEPARATOR in name:
        if options:
            raise ConfigError(f"regulariser.{next(iter(options))} does not say which of {name}.")
        return Combined([build(part, p) for part in name.split(COMBINATION_SEPARATOR)])
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


def served(model: nn.Module) -> dict[str, int]:
    """How many sites of a model each regulariser fills, by its name."""
    counts: dict[str, int] = {}
    for noise in noise_modules(model).values():
        counts[noise.kind] = counts.get(noise.kind, 0) + 1
    return counts


def read_p(noises: Mapping[str, Noise]) -> dict[str, float]:
    """Return the p of each noise module as it is set now, by its name in the model."""
    return {name: noise.p for name, noise in noises.items()}


def scale_p(
    noises: Mapping[str, Noise], full_p: Mapping[str, float], factors: Mapping[str, float]
) -> None:
    """Set each noise module's p to its full value times a factor; a learned p stays as it is.

    Args:
        noises: by their names in the model.
        full_p: p where the factor is 1, by the same names.
        factors: in [0, 1], by the names of the regularisers.
    """
    for name, noise in noises.items():
        if not noise.learns_p:
            noise.p = factors[noise.kind] * full_p[name]


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """A model's parameters for an optimiser: those that noise learns are not decayed.

    Weight decay would pull a learned p towards 1/2 and a learned scale towards 0.
    """
    plain: list[nn.Parameter] = []
    learned: list[nn.Parameter] = []
    noises = noise_modules(model)
    for name, parameter in model.named_parameters():
        owner = noises.get(name.rpartition(".")[0])
        is_weight = owner is None or isinstance(owner, nn.Linear | nn.Conv2d)
        (plain if is_weight else learned).append(parameter)
    groups: list[dict[str, Any]] = [{"params": plain}]
    return [*groups, {"params": learned, "weight_decay": 0.0}] if learned else groups
