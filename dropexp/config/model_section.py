"""The model section of a run's configuration: one class for each model."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from dropexp.config.fingerprints import split_target
from dropexp.config.section_base import MOST_LAYERS, MOST_UNITS, Channels, Section, Whole

Nonlinearity = Literal["relu", "selu"]
_NONLINEARITY = "Activation function; selu also initialises weights for itself."


class SmallCNNConfig(Section):
    """Two convolutions and a linear head: the network of the article."""

    name: Literal["small_cnn"]
    width: Channels = Field(description="Channels of conv1; conv2 has twice as many.")
    head: Literal["flatten", "gap"] = Field(
        description="Input of the linear layer: flatten, all positions; gap, their mean (global "
        "average pooling)."
    )
    shortcut: bool = Field(
        default=False,
        description="Add a shortcut around conv2 (identity, zero-padded channels), which makes it "
        "a residual branch without adding parameters.",
    )
    nonlinearity: Nonlinearity = Field(default="relu", description=_NONLINEARITY)


class MLPConfig(Section):
    """Fully connected layers."""

    name: Literal["mlp"]
    hidden: tuple[Annotated[Whole, Field(le=MOST_UNITS)], ...] = Field(
        min_length=1, max_length=MOST_LAYERS, description="Units of each hidden layer, as a list."
    )
    nonlinearity: Nonlinearity = Field(default="relu", description=_NONLINEARITY)
    shortcut: bool = Field(
        default=False, validate_default=True, description="Always false: it has no branches."
    )

    @field_validator("shortcut")
    @classmethod
    def _set_to_false(cls, _shortcut: bool) -> bool:
        # conf/regulariser/stochastic_depth.yaml asks every model for shortcuts. That an MLP has
        # none is reported when the regulariser finds no site.
        return False


class ResNetConfig(Section):
    """The CIFAR ResNet of He et al. 2016, of depth 6n+2."""

    name: Literal["resnet"]
    depth: int = Field(
        ge=8,
        le=MOST_LAYERS,
        description="Layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110, ….",
    )
    width: Channels = Field(description="Channels of the first stage; doubled in each next.")
    shortcut: Literal[True] = Field(default=True, description="Always true.")

    @field_validator("depth")
    @classmethod
    def _check_depth(cls, depth: int) -> int:
        if depth < 8 or depth % 6 != 2:
            raise ValueError("it must be 6n+2 with n ≥ 1, such as 8, 20, 32, 56, 110")
        return depth


def _make_list(value: object) -> object:
    return (value,) if isinstance(value, str) else value


SitePatterns = Annotated[tuple[str, ...], BeforeValidator(_make_list), Field(min_length=1)]


class _ThirdPartySection(Section):
    """A network that was not written for dropexp; its sites are found by module type."""

    sites: SitePatterns | None = Field(
        default=None,
        description="Patterns of module names at which the regulariser acts, such as [layer4.*]. "
        "null: everywhere it can.",
    )
    shortcut: bool = Field(
        default=False,
        validate_default=True,
        description="Always false: the network keeps the branches that it has.",
    )

    @field_validator("shortcut")
    @classmethod
    def _set_to_false(cls, _shortcut: bool) -> bool:
        # For the reason given in MLPConfig.
        return False


class TorchvisionConfig(_ThirdPartySection):
    """A classification network of torchvision, without pretrained weights."""

    name: Literal["torchvision"]
    arch: str = Field(description="Name of the network in torchvision.models, such as resnet18.")
    small_images: Literal["adapt", "keep"] = Field(
        default="adapt",
        description="For images below 64 pixels: adapt gives the first convolution a 3×3 kernel "
        "and stride 1 and removes the max-pooling after it; keep changes nothing.",
    )


def _check_target(target: str) -> str:
    split_target(target)
    return target


class CustomConfig(_ThirdPartySection):
    """Your own network class."""

    name: Literal["custom"]
    target: Annotated[str, AfterValidator(_check_target)] = Field(
        description="The class as package.module:Class; modules are looked for in the current "
        "folder first, then among installed packages."
    )
    options: dict[str, Any] = Field(
        default={},
        description="Further arguments of the class; add one with +model.options.NAME=VALUE.",
    )
    fingerprint: str | None = Field(
        default=None,
        description="Hash of the class's source, filled in by dropexp. A run is refused if the "
        "source has changed.",
    )


ModelConfig = Annotated[
    SmallCNNConfig | MLPConfig | ResNetConfig | TorchvisionConfig | CustomConfig,
    Field(discriminator="name"),
]
