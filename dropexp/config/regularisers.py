"""A regulariser's part of a run's configuration: one section for each in the registry.

Defaults here mean "as published" or "off" (see config.py on what that does to a run's identity).
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dropexp.config.sections import DropProbability, Number, Probability, Section, refuse_bool
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.config.time_schedules import SWITCHING_SCHEDULES, TimeSchedule


class NoneConfig(Section):
    """The baseline: no regulariser, and p = 0 whatever was asked for."""

    name: Literal["none"]
    p: DropProbability = Field(default=0.0, validate_default=True)

    @field_validator("p")
    @classmethod
    def _always_zero(cls, _p: float) -> float:
        return 0.0


class _TimedSection(Section):
    p: Probability
    time_schedule: TimeSchedule = Field(
        default="constant", description="of p over the epochs; see strength.py"
    )
    switch_after: Annotated[PositiveInt, BeforeValidator(refuse_bool)] | None = Field(
        default=None,
        validate_default=True,
        description="epochs, of the time schedules early and late",
    )

    @field_validator("switch_after")
    @classmethod
    def _belongs_to_early_and_late(cls, epochs: int | None, info: ValidationInfo) -> int | None:
        schedule = info.data.get("time_schedule", "constant")
        if schedule in SWITCHING_SCHEDULES and epochs is None:
            raise ValueError(f"time_schedule={schedule} needs a number of epochs")
        if schedule not in SWITCHING_SCHEDULES and epochs is not None:
            raise ValueError(f"only time_schedule={' and '.join(SWITCHING_SCHEDULES)} switch")
        return epochs


class _NoiseSection(_TimedSection):
    p: DropProbability
    depth_schedule: Literal["linear", "uniform"] = Field(
        default="uniform", description="linear: p grows with depth, to p at the last site"
    )


class _InputSection(_TimedSection):
    p: Probability = Field(description="that an image or batch is changed")


def _constant_only(value: str, other: str, info: ValidationInfo) -> str:
    """Refuse an evaluation that depends on p beside a p that changes."""
    if value == other and info.data.get("time_schedule", "constant") != "constant":
        raise ValueError("its evaluation depends on p, which must be constant over time then")
    return value


class Dropout2dConfig(_NoiseSection):
    """Whole channels."""

    name: Literal["dropout2d"]
    inplace: bool = False


class DropoutConfig(_NoiseSection):
    """Single activations."""

    name: Literal["dropout"]
    inplace: bool = False


class SpatialDropoutConfig(_NoiseSection):
    """Positions, shared over channels."""

    name: Literal["spatial_dropout"]


class DropConnectConfig(_NoiseSection):
    """Single weights."""

    name: Literal["dropconnect"]
    mask: Literal["example", "batch"] = "example"
    inference: Literal["mean", "gaussian"] = "mean"

    @field_validator("inference")
    @classmethod
    def _agrees_with_the_schedule(cls, inference: str, info: ValidationInfo) -> str:
        return _constant_only(inference, "gaussian", info)


class _BranchSection(_NoiseSection):
    mode: Literal["row", "batch"] = "row"
    scaling: Literal["train", "eval"] = "train"
    depth_schedule: Literal["linear", "uniform"] = "linear"

    @field_validator("scaling")
    @classmethod
    def _agrees_with_the_schedule(cls, scaling: str, info: ValidationInfo) -> str:
        return _constant_only(scaling, "eval", info)


class StochasticDepthConfig(_BranchSection):
    """Whole residual branches."""

    name: Literal["stochastic_depth"]


class ShakeDropConfig(_BranchSection):
    """Residual branches, shaken."""

    name: Literal["shakedrop"]


class DropBlockConfig(_NoiseSection):
    """Square blocks of positions."""

    name: Literal["dropblock"]
    block_size: Annotated[PositiveInt, BeforeValidator(refuse_bool)] = Field(
        default=7, description="side of a block, positions"
    )
    mask: Literal["channel", "shared"] = "channel"


class GaussianDropoutConfig(_NoiseSection):
    """Single activations, times normal noise."""

    name: Literal["gaussian_dropout"]


class AlphaDropoutConfig(_NoiseSection):
    """Single activations of a network with SELU."""

    name: Literal["alpha_dropout"]
    featurewise: bool = Field(default=False, description="whole channels")


class ConcreteDropoutConfig(Section):
    """Channels or features, with a p that is learned."""

    name: Literal["concrete_dropout"]
    p: DropProbability = Field(description="where the learned p starts")


class UnitScalingConfig(_NoiseSection):
    """Whole units, times a learned coefficient and normal noise."""

    name: Literal["unit_scaling"]


class CutoutConfig(_InputSection):
    """A square of the image."""

    name: Literal["cutout"]
    size: Number = Field(
        default=0.5, gt=0, le=1, description="side, as a fraction of the image's shorter side"
    )


class _MixedSection(_InputSection):
    alpha: Number = Field(default=1.0, gt=0, description="of the Beta(α, α) of proportions")


class MixupConfig(_MixedSection):
    """Pairs of images, and of labels."""

    name: Literal["mixup"]


class CutMixConfig(_MixedSection):
    """A box of another image, and its share of the label."""

    name: Literal["cutmix"]


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
    | CutMixConfig,
    Field(discriminator="name"),
]


class CombinedConfig(Section):
    """Several at once: a section for each, by its name; p is the largest of theirs."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SingleRegulariser] = Field(init=False)

    name: str
    p: Probability = Field(default=0.0, description="the largest of the parts'; follows them")

    @property
    def parts(self) -> "tuple[SingleRegulariser, ...]":
        """The sections, in the order of the name."""
        return tuple(
            self.__pydantic_extra__[name] for name in self.name.split(COMBINATION_SEPARATOR)
        )

    @model_validator(mode="before")
    @classmethod
    def _with_the_largest_p(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        strengths = [part.get("p") for part in values.values() if isinstance(part, dict)]
        numbers = [p for p in strengths if isinstance(p, int | float) and p is not True]
        return {**values, "p": min(max(numbers, default=0.0), 1.0)}

    @model_validator(mode="after")
    def _is_what_it_is_called(self) -> Self:
        names = self.name.split(COMBINATION_SEPARATOR)
        sections = self.__pydantic_extra__
        if set(names) != set(sections) or len(names) != len(sections):
            raise ValueError(f"it needs a section for each of {', '.join(names)} and no other")
        dropconnect = sections.get("dropconnect")
        if "unit_scaling" in names and getattr(dropconnect, "inference", "mean") == "gaussian":
            raise ValueError(
                "dropconnect.inference=gaussian is the mean of a ReLU, before which unit_scaling "
                "would act; use inference=mean"
            )
        wrong = [name for name, section in sections.items() if section.name != name]
        if wrong:
            raise ValueError(f"the section {wrong[0]} is of {sections[wrong[0]].name}")
        return self


def _how_many(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return SEVERAL if COMBINATION_SEPARATOR in str(name) else ONE


ONE, SEVERAL = "one", "several"
"""Tags of the union below, which pydantic's errors name."""

RegulariserConfig = Annotated[
    Annotated[Annotated[NoneConfig | SingleRegulariser, Field(discriminator="name")], Tag(ONE)]
    | Annotated[CombinedConfig, Tag(SEVERAL)],
    Discriminator(_how_many),
]
