"""The registry of regularisers, and their construction by name."""

import inspect
from typing import Any

from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError, suggest
from dropexp.regularisers.activations import (
    Dropout2dRegulariser,
    DropoutRegulariser,
    SpatialDropoutRegulariser,
)
from dropexp.regularisers.alpha import AlphaDropoutRegulariser
from dropexp.regularisers.base import Regulariser
from dropexp.regularisers.combined import Combined
from dropexp.regularisers.concrete import ConcreteDropoutRegulariser
from dropexp.regularisers.custom import NAME as CUSTOM
from dropexp.regularisers.custom import CustomRegulariser
from dropexp.regularisers.cutout import CutoutRegulariser
from dropexp.regularisers.dropblock import DropBlockRegulariser
from dropexp.regularisers.dropconnect import DropConnectRegulariser
from dropexp.regularisers.gaussian import GaussianDropoutRegulariser, UnitScalingRegulariser
from dropexp.regularisers.mixing import CutMixRegulariser, MixupRegulariser
from dropexp.regularisers.shakedrop import ShakeDropRegulariser
from dropexp.regularisers.stochastic_depth import StochasticDepthRegulariser

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
    """Return the regulariser of this name.

    Args:
        name: a key of REGISTRY; ``custom``, with its target; or several joined by ``+``, which
            share p and take no options.
        p: drop probability in [0, 1), for regularisers of the input in [0, 1]; none ignores it.
        options: the regulariser's own, such as mask="batch" for dropconnect.

    Raises:
        ConfigError: the name is unknown, or the regulariser has no such option.
        ValueError: p or an option's value is not allowed.
    """
    if COMBINATION_SEPARATOR in name:
        if options:
            raise ConfigError(
                f"regulariser.{next(iter(options))} does not say which of {name} it is for; build "
                f"each with its own options and join them with Combined([…])."
            )
        return Combined([build(part, p) for part in name.split(COMBINATION_SEPARATOR)])
    if name == CUSTOM:
        return CustomRegulariser(p, **options)
    if name not in REGISTRY:
        raise ConfigError(f"regulariser={name} is not known. {suggest(name, REGISTRY)}")
    regulariser = REGISTRY[name]
    known = [option for option in inspect.signature(regulariser).parameters if option != "p"]
    for option in options:
        if option not in known:
            hint = suggest(option, known) if known else "It has none."
            raise ConfigError(f"regulariser.{option} is not an option of {name}. {hint}")
    # A baseline with p > 0 would look like a regulariser that fills no site.
    return regulariser(0.0 if regulariser is Regulariser else p, **options)
