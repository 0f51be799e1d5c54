"""Regularisers: the noise that a model asks for while it is built, at each of its sites.

A name, p and options come in, and a Regulariser goes out; the modules that it puts into
a model can be used by themselves too. base.py explains the sites, CONTRIBUTING.md how to add one.
"""

from dropexp.regularisers.activations import (
    Dropout,
    Dropout2d,
    Dropout2dRegulariser,
    DropoutRegulariser,
    SpatialDropout2d,
    SpatialDropoutRegulariser,
)
from dropexp.regularisers.alpha import AlphaDropout, AlphaDropoutRegulariser
from dropexp.regularisers.base import Branch, Gate, Noise, Nonlinearity, Regulariser
from dropexp.regularisers.combined import Combined
from dropexp.regularisers.concrete import ConcreteDropout, ConcreteDropoutRegulariser
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.dropblock import DropBlock2d, DropBlockRegulariser
from dropexp.regularisers.dropconnect import (
    DropConnectConv2d,
    DropConnectLinear,
    DropConnectRegulariser,
)
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
    apply_input_noise,
    attach_input_noise,
)
from dropexp.regularisers.modes import preserve_modes
from dropexp.regularisers.noises import (
    count_filled_sites,
    group_parameters,
    noise_modules,
    read_p,
    scale_p,
)
from dropexp.regularisers.registry import REGISTRY, build
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
    "apply_input_noise",
    "attach_input_noise",
    "build",
    "count_filled_sites",
    "group_parameters",
    "noise_modules",
    "preserve_modes",
    "read_p",
    "scale_p",
]
