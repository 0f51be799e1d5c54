"""The model section of a run's configuration: one class for each model."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from dropexp.config.section_base import (
    MOST_LAYERS,
    MOST_UNITS,
    Channels,
    ClassFingerprint,
    ClassTarget,
    OptionFiles,
    Section,
    Whole,
)

Nonlinearity = Literal["relu", "selu"]
DropoutSite = Literal["after_norm", "before_norm", "last"]
_NONLINEARITY = "Activation function; selu also initialises weights for itself."

_ARE_PATTERNS = "it must be patterns of names, as a list such as [layer1.*]"


def _read_patterns(value: object) -> object:
    """Return patterns sorted and without repeats, as their order means nothing; one is a list too.

    Raises:
        ValueError: the value is no list of texts.
    """
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list | tuple):
        raise ValueError(_ARE_PATTERNS)
    if not all(isinstance(each, str) and each for each in patterns):
        raise ValueError(_ARE_PATTERNS)
    return tuple(sorted(set(patterns)))


def _read_word_or_patterns(value: object, words: tuple[str | None, ...]) -> object:
    """Return one of the words as it is, and patterns as _read_patterns does; at least one."""
    if (value is None or isinstance(value, str)) and value in words:
        return value
    try:
        patterns = _read_patterns(value)
    except ValueError:
        patterns = ()
    if not patterns:
        known = ", ".join("null" if word is None else word for word in words)
        raise ValueError(f"{_ARE_PATTERNS}, or {known}")
    return patterns


def _read_left_new(value: object) -> object:
    return _read_word_or_patterns(value, (None, "head"))


def _read_trained(value: object) -> object:
    return _read_word_or_patterns(value, ("all", "head"))


Patterns = Annotated[tuple[str, ...], BeforeValidator(_read_patterns)]


class _NetworkSection(Section):
    """What holds for any network: the weights that it starts from, and what of it trains."""

    weights: str | None = Field(
        default=None,
        min_length=1,
        description="Weights to start from: a file (.safetensors, or a .pt that holds data only), "
        "the folder of a finished run, or for torchvision's networks the name of published "
        "weights, such as DEFAULT. null: initial weights only.",
    )
    weights_fingerprint: str | None = Field(
        default=None,
        description="Start of the SHA-256 of the file of model.weights, filled in by dropexp. A "
        "run is refused if the file has changed.",
    )
    new: Annotated[Literal["head"] | tuple[str, ...] | None, BeforeValidator(_read_left_new)] = (
        Field(
            default=None,
            description="What model.weights leaves new: head, the layer of the logits; patterns "
            "of parameter names, such as [layer4.*]. null: a head of another shape only.",
        )
    )
    freeze: Patterns = Field(
        default=(),
        description="Patterns of the names of parameters that do not train, such as [layer1.*]. "
        "Their normalisation keeps its statistics.",
    )
    train: Annotated[Literal["all", "head"] | tuple[str, ...], BeforeValidator(_read_trained)] = (
        Field(
            default="all",
            description="What trains, but for model.freeze: all; head, the layer of the logits; "
            "patterns of parameter names.",
        )
    )

    @field_validator("new")
    @classmethod
    def _drop_new(cls, new: Any, info: ValidationInfo) -> Any:
        # Without weights everything is new: so a sweep over model.weights=null,FILE may say it.
        return None if info.data.get("weights") is None else new


class SmallCNNConfig(_NetworkSection):
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


def _read_hidden(value: object) -> object:
    """Return two layers of so many units for one number, and lists as they are."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return (value, value) if is_number else value


class MLPConfig(_NetworkSection):
    """Fully connected layers."""

    name: Literal["mlp"]
    hidden: Annotated[
        tuple[Annotated[Whole, Field(le=MOST_UNITS)], ...], BeforeValidator(_read_hidden)
    ] = Field(
        min_length=1,
        max_length=MOST_LAYERS,
        description="Units of each hidden layer, as a list; one number is two layers of so many.",
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


class ResNetConfig(_NetworkSection):
    """The CIFAR ResNet of He et al. 2016, of depth 6n+2."""

    name: Literal["resnet"]
    depth: int = Field(
        ge=8,
        le=MOST_LAYERS,
        description="Layers with weights, 6n+2: 8, 14, 20, 32, 44, 56, 110, ….",
    )
    width: Channels = Field(description="Channels of the first stage; doubled in each next.")
    dropout_site: DropoutSite = Field(
        default="after_norm",
        description="Where noise on activations stands: after_norm or before_norm, beside the "
        "first batch norm of each block; last, once before the head. Ignored where "
        "regulariser=none.",
    )
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


class _ThirdPartySection(_NetworkSection):
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
    """A classification network of torchvision."""

    name: Literal["torchvision"]
    arch: str = Field(description="Name of the network in torchvision.models, such as resnet18.")
    small_images: Literal["adapt", "keep"] = Field(
        default="adapt",
        description="For images below 64 pixels: adapt gives the first convolution a 3×3 kernel "
        "and stride 1 and removes the max-pooling after it; keep changes nothing.",
    )


class CustomConfig(_ThirdPartySection):
    """Your own network class."""

    name: Literal["custom"]
    target: ClassTarget
    options: dict[str, Any] = Field(
        default={},
        description="Further arguments of the class; add one with +model.options.NAME=VALUE.",
    )
    option_files: OptionFiles = ()
    fingerprint: ClassFingerprint = None
    options_fingerprint: str | None = Field(
        default=None,
        description="Hash of the files that model.options names, filled in by dropexp. A run is "
        "refused if one of them has changed.",
    )


ModelConfig = Annotated[
    SmallCNNConfig | MLPConfig | ResNetConfig | TorchvisionConfig | CustomConfig,
    Field(discriminator="name"),
]
