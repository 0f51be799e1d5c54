"""Regularisers: the noise that a model asks for at each of its sites while it is built.

A name, p and options come in; a Regulariser goes out. Its noise modules can also be used by
themselves. base.py explains the sites, CONTRIBUTING.md how to add a regulariser.
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
from dropexp.regularisers.base import Branch, FollowingNonlinearity, Gate, Noise, Regulariser
from dropexp.regularisers.combined import Combined
from dropexp.regularisers.concrete import ConcreteDropout, ConcreteDropoutRegulariser
from dropexp.regularisers.custom import CustomNoise, CustomRegulariser
from dropexp.regularisers.cutout import Cutout, CutoutRegulariser
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
from dropexp.regularisers.inputs import apply_input_noise, attach_input_noise
from dropexp.regularisers.mixing import CutMix, CutMixRegulariser, Mixup, MixupRegulariser
from dropexp.regularisers.modes import preserve_modes
from dropexp.regularisers.noises import (
    count_filled_sites,
    find_noise_modules,
    group_parameters,
    is_learned_by_noise,
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
    "CustomNoise",
    "CustomRegulariser",
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
    "FollowingNonlinearity",
    "Gate",
    "GaussianDropout",
    "GaussianDropoutRegulariser",
    "Mixup",
    "MixupRegulariser",
    "Noise",
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
    "find_noise_modules",
    "group_parameters",
    "is_learned_by_noise",
    "preserve_modes",
    "read_p",
    "scale_p",
]
