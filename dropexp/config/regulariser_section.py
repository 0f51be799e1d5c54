"""The regulariser section of a run's configuration: one class for each regulariser.

A default here has the value that means "as published" or "off" (run_config.py says what that does
to a run's identity).
"""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from dropexp.config.section_base import (
    MOST_PIXELS_A_SIDE,
    ClassFingerprint,
    ClassTarget,
    DropProbability,
    Epochs,
    Number,
    OptionFiles,
    Probability,
    Section,
    Whole,
)
from dropexp.config.time_schedules import SWITCHING_SCHEDULES, TimeSchedule


class NoneConfig(Section):
    """The baseline: no regulariser."""

    name: Literal["none"]
    p: DropProbability = Field(
        default=0.0, validate_default=True, description="Always 0, whatever p is set to."
    )

    @field_validator("p")
    @classmethod
    def _set_to_zero(cls, _p: float) -> float:
        return 0.0


class _TimedSection(Section):
    p: Probability
    time_schedule: TimeSchedule = Field(
        default="constant",
        description="Change of p over the epochs: linear_up and linear_down from or to 0; cosine "
        "falls to 0; curriculum rises like 1 − exp(−10 t); early and late are on before or after "
        "regulariser.switch_after.",
    )
    switch_after: Epochs | None = Field(
        default=None,
        validate_default=True,
        description="Epochs after which time_schedule=early turns off and late turns on. null "
        "for the other schedules.",
    )

    @field_validator("switch_after")
    @classmethod
    def _check_switch(cls, epochs: int | None, info: ValidationInfo) -> int | None:
        schedule = info.data.get("time_schedule", "constant")
        if schedule in SWITCHING_SCHEDULES and epochs is None:
            raise ValueError(f"time_schedule={schedule} needs a number of epochs")
        if schedule not in SWITCHING_SCHEDULES and epochs is not None:
            raise ValueError(f"only time_schedule={' and '.join(SWITCHING_SCHEDULES)} switch")
        return epochs


_DEPTH_SCHEDULE = "Change of p over depth: uniform, p everywhere; linear, p · l/L at depth l of L."

Sites = Literal["all", "trained"]
_SITES = (
    "Where it acts: all, at all of its sites; trained, at those where the network trains, if "
    "model.freeze or model.train freezes others."
)


class _NoiseSection(_TimedSection):
    p: DropProbability = Field(description="Drop probability. It follows the top-level p.")
    depth_schedule: Literal["linear", "uniform"] = Field(
        default="uniform", description=_DEPTH_SCHEDULE
    )
    sites: Sites = Field(default="all", description=_SITES)


class _InputSection(_TimedSection):
    p: Probability = Field(
        description="Probability that a training image (cutout) or batch (mixup, cutmix) is "
        "changed. It follows the top-level p."
    )


def _check_constant_p(value: str, needs_constant_p: str, info: ValidationInfo) -> str:
    """Refuse an option whose evaluation depends on p where p changes over time."""
    if value == needs_constant_p and info.data.get("time_schedule", "constant") != "constant":
        raise ValueError("its evaluation depends on p, so it needs time_schedule=constant")
    return value


_INPLACE = "Overwrite the activations instead of allocating a result; the numbers are the same."


class Dropout2dConfig(_NoiseSection):
    """Drops whole channels (Tompson et al. 2015, who call it spatial dropout)."""

    name: Literal["dropout2d"]
    inplace: bool = Field(default=False, description=_INPLACE)


class DropoutConfig(_NoiseSection):
    """Drops single activations (Srivastava et al. 2014)."""

    name: Literal["dropout"]
    inplace: bool = Field(default=False, description=_INPLACE)


class SpatialDropoutConfig(_NoiseSection):
    """Drops positions, the same in all channels."""

    name: Literal["spatial_dropout"]


class DropConnectConfig(_NoiseSection):
    """Drops single weights (Wan et al. 2013)."""

    name: Literal["dropconnect"]
    mask: Literal["example", "batch"] = Field(
        default="example",
        description="Masks of the weights: example, one for each example, as published; batch, "
        "one for each batch, which is cheaper.",
    )
    inference: Literal["mean", "gaussian"] = Field(
        default="mean",
        description="Evaluation: mean, with the plain weights; gaussian, by moment-matched "
        "sampling, as published.",
    )

    @field_validator("inference")
    @classmethod
    def _check_schedule(cls, inference: str, info: ValidationInfo) -> str:
        return _check_constant_p(inference, "gaussian", info)


class _BranchSection(_NoiseSection):
    mode: Literal["row", "batch"] = Field(
        default="row",
        description="Draws of each branch: row, one for each example; batch, one for the batch.",
    )
    scaling: Literal["train", "eval"] = Field(
        default="train",
        description="Where the branch's mean is kept: train divides by 1 − p in training; eval, "
        "as published, multiplies by 1 − p in evaluation.",
    )
    depth_schedule: Literal["linear", "uniform"] = Field(
        default="linear", description=_DEPTH_SCHEDULE
    )

    @field_validator("scaling")
    @classmethod
    def _check_schedule(cls, scaling: str, info: ValidationInfo) -> str:
        return _check_constant_p(scaling, "eval", info)


class StochasticDepthConfig(_BranchSection):
    """Drops whole residual branches (Huang et al. 2016)."""

    name: Literal["stochastic_depth"]


class ShakeDropConfig(_BranchSection):
    """Scales residual branches by random numbers (Yamada et al. 2018)."""

    name: Literal["shakedrop"]


class DropBlockConfig(_NoiseSection):
    """Drops square blocks of positions (Ghiasi et al. 2018)."""

    name: Literal["dropblock"]
    block_size: Whole = Field(
        default=7, le=MOST_PIXELS_A_SIDE, description="Side of a block, in positions."
    )
    mask: Literal["channel", "shared"] = Field(
        default="channel",
        description="Blocks: channel, each channel has its own, as published; shared, all channels "
        "have the same.",
    )


class GaussianDropoutConfig(_NoiseSection):
    """Multiplies activations by N(1, p/(1−p)) (Srivastava et al. 2014, section 10)."""

    name: Literal["gaussian_dropout"]


class AlphaDropoutConfig(_NoiseSection):
    """Sets activations to SELU's saturation, keeping mean and variance (Klambauer et al. 2017)."""

    name: Literal["alpha_dropout"]
    featurewise: bool = Field(
        default=False, description="Drop whole channels instead of single activations."
    )


class ConcreteDropoutConfig(Section):
    """Drops channels or features, with a p that is learned at every site (Gal et al. 2017)."""

    name: Literal["concrete_dropout"]
    p: DropProbability = Field(
        description="Drop probability at the start; it is learned. It follows the top-level p."
    )
    sites: Sites = Field(default="all", description=_SITES)


class UnitScalingConfig(_NoiseSection):
    """Multiplies whole units by a learned coefficient with normal noise."""

    name: Literal["unit_scaling"]


class CutoutConfig(_InputSection):
    """Sets a square of a training image to its mean (DeVries and Taylor 2017)."""

    name: Literal["cutout"]
    size: Number = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Side of the square, as a fraction of the image's shorter side.",
    )


_LEAST_ALPHA, _LARGEST_ALPHA = 0.001, 1000.0
"""torch draws from Beta in float32: 0.5 always for an alpha of 1e-6, and without an end for 0."""


class _MixingSection(_InputSection):
    alpha: Number = Field(
        default=1.0,
        ge=_LEAST_ALPHA,
        le=_LARGEST_ALPHA,
        description="Mixing proportions are drawn from Beta(alpha, alpha).",
    )


class MixupConfig(_MixingSection):
    """Mixes pairs of training images and their labels (Zhang et al. 2018)."""

    name: Literal["mixup"]


class CutMixConfig(_MixingSection):
    """Pastes a box of another image and mixes the labels (Yun et al. 2019)."""

    name: Literal["cutmix"]


class CustomRegulariserConfig(_NoiseSection):
    """Your own noise: a module that takes p, or a Regulariser of dropexp's."""

    name: Literal["custom"]
    target: ClassTarget
    options: dict[str, Any] = Field(
        default={},
        description="Further arguments of the class; add one with +regulariser.options.NAME=VALUE.",
    )
    option_files: OptionFiles = ()
    fingerprint: ClassFingerprint = None


SingleRegulariser = Annotated[
    Dropout2dConfig
    | DropoutConfig
    | SpatialDropoutConfig
    | DropConnectConfig
    | StochasticDepthConfig
    | ShakeDropConfig
    | DropBlockConfig
    | GaussianDropoutConfig
    | AlphaDropoutConfig
    | ConcreteDropoutConfig
    | UnitScalingConfig
    | CutoutConfig
    | MixupConfig
    | CutMixConfig
    | CustomRegulariserConfig,
    Field(discriminator="name"),
]
