"""The parts of a run's configuration: types, ranges and choices of every field.

Defaults live in conf/. Where a field here has a default too, it is the value that means
"off" or "as published" (see config.py on what that does to a run's identity).
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from dropexp.config.fingerprints import split_target


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def refuse_bool(value: object) -> object:
    """Python counts True as 1; as a number in a config it is a mistake."""
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _whole_or_fraction(value: float) -> int | float:
    if value <= 0 or (value >= 1 and value != int(value)):
        raise ValueError("it must be a whole number of images, or a fraction between 0 and 1")
    return int(value) if value >= 1 else value


Number = Annotated[float, BeforeValidator(refuse_bool)]
Seed = Annotated[int, BeforeValidator(refuse_bool), Field(ge=0, lt=2**63)]
DropProbability = Annotated[Number, Field(ge=0, lt=1)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Size = Annotated[int | float, BeforeValidator(refuse_bool), AfterValidator(_whole_or_fraction)]
"""A number of images (≥ 1), or a fraction of what there is (between 0 and 1)."""
Passes = Annotated[int, BeforeValidator(refuse_bool), Field(ge=0)]
"""Of the test set, with the noise on; 0 for none."""


# --- data ---------------------------------------------------------------------------------

Augmentation = Literal["none", "flip", "crop", "crop_flip"]


class _DataSection(Section):
    train_size: Size | None = Field(description="training images, stratified; null: all")
    val_size: Size = Field(description="validation images, taken from the training set")
    label_noise: Number = Field(
        ge=0, le=1, description="fraction of training labels set to a wrong class"
    )
    augment: Augmentation
    seed: Seed = Field(description="of the split and the label noise; default: the run's seed")


class DigitsConfig(_DataSection):
    """The embedded UCI digits."""

    name: Literal["digits"]


class DownloadableConfig(_DataSection):
    """A published data set that torchvision can download."""

    name: Literal["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"]
    root: str = Field(description="folder that holds the data set's files")
    download: bool = Field(description="download into root what is not there")


class ImageFolderConfig(_DataSection):
    """A user's own pictures: root/train/<class>/*, optionally root/val, root/test."""

    name: Literal["image_folder"]
    root: str
    image_size: PositiveInt = Field(description="height and width after resizing, pixels")
    grayscale: bool = False
    test_size: Size = Field(description="held out of train/ where there is no test/")
    fingerprint: str | None = Field(
        default=None,
        description="hash of the pictures' names and bytes; filled in when the config is made",
    )


DataConfig = Annotated[
    DigitsConfig | DownloadableConfig | ImageFolderConfig, Field(discriminator="name")
]


# --- model --------------------------------------------------------------------------------


class SmallCNNConfig(Section):
    """The article's MyModel with a head."""

    name: Literal["small_cnn"]
    width: PositiveInt = Field(description="channels of conv1; conv2 has twice as many")
    head: Literal["flatten", "gap"]
    shortcut: bool = Field(default=False, description="parameter-free shortcut around conv2")
    nonlinearity: Literal["relu", "selu"] = "relu"


class MLPConfig(Section):
    """Fully connected layers with ReLU."""

    name: Literal["mlp"]
    hidden: tuple[PositiveInt, ...] = Field(min_length=1, description="units of each hidden layer")
    nonlinearity: Literal["relu", "selu"] = "relu"
    shortcut: bool = Field(default=False, validate_default=True)

    @field_validator("shortcut")
    @classmethod
    def _has_no_branches(cls, _shortcut: bool) -> bool:
        # conf/regulariser/stochastic_depth.yaml asks every model for shortcuts; that an MLP has
        # none is said when the regulariser finds no site.
        return False


class ResNetConfig(Section):
    """The CIFAR ResNet of He et al. 2016, depth 6n+2."""

    name: Literal["resnet"]
    depth: int = Field(description="6n+2: 8, 14, 20, 32, 44, 56, 110, …")
    width: PositiveInt = Field(description="channels of the first stage")
    shortcut: Literal[True] = True

    @field_validator("depth")
    @classmethod
    def _is_6n_plus_2(cls, depth: int) -> int:
        if depth < 8 or depth % 6 != 2:
            raise ValueError("it must be 6n+2 with n ≥ 1, such as 8, 20, 32, 56, 110")
        return depth


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


SitePatterns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]


class _ForeignNetworkSection(Section):
    """A network that was not written for dropexp, whose sites are found."""

    sites: SitePatterns | None = Field(
        default=None, description="patterns of sites' names, such as layer4.*; null: all"
    )
    shortcut: bool = Field(default=False, validate_default=True)

    @field_validator("shortcut")
    @classmethod
    def _has_what_it_has(cls, _shortcut: bool) -> bool:
        # As for an MLP: conf/regulariser/stochastic_depth.yaml asks every model.
        return False


class TorchvisionConfig(_ForeignNetworkSection):
    """A classification network of torchvision."""

    name: Literal["torchvision"]
    arch: str = Field(description="as torchvision.models names it")
    small_images: Literal["adapt", "keep"] = Field(
        default="adapt", description="below 64 pixels: a first convolution without a stride"
    )


def _names_a_class(target: str) -> str:
    split_target(target)
    return target


class CustomConfig(_ForeignNetworkSection):
    """A user's own class."""

    name: Literal["custom"]
    target: Annotated[str, AfterValidator(_names_a_class)] = Field(
        description="package.module:Class, looked for in the current folder first"
    )
    options: dict[str, Any] = Field(default={}, description="further arguments of the class")
    fingerprint: str | None = Field(
        default=None, description="hash of the source; filled in when the config is made"
    )


ModelConfig = Annotated[
    SmallCNNConfig | MLPConfig | ResNetConfig | TorchvisionConfig | CustomConfig,
    Field(discriminator="name"),
]


# --- optimiser and training ---------------------------------------------------------------


class _Schedule(Section):
    warmup_epochs: Number = Field(default=0.0, ge=0, description="linear from 0 to lr")


class ConstantSchedule(_Schedule):
    """lr throughout."""

    name: Literal["constant"]


class StepSchedule(_Schedule):
    """lr × gamma after every step_epochs epochs."""

    name: Literal["step"]
    step_epochs: PositiveInt
    gamma: Number = Field(gt=0, le=1)


class CosineSchedule(_Schedule):
    """Half a cosine from lr to min_lr_factor × lr."""

    name: Literal["cosine"]
    min_lr_factor: Number = Field(default=0.0, ge=0, le=1)


class OneCycleSchedule(Section):
    """Smith's one-cycle policy: up to lr, then far down; it is its own warm-up."""

    name: Literal["one_cycle"]
    warmup_fraction: Number = Field(gt=0, lt=1, description="share of the steps spent rising")
    start_divisor: Number = Field(ge=1, description="starts at lr / start_divisor")
    final_divisor: Number = Field(ge=1, description="ends at lr / (start_divisor × final_divisor)")


ScheduleConfig = Annotated[
    ConstantSchedule | StepSchedule | CosineSchedule | OneCycleSchedule,
    Field(discriminator="name"),
]

Betas = tuple[
    Annotated[Number, Field(ge=0, lt=1)],
    Annotated[Number, Field(ge=0, lt=1)],
]


class _OptimiserSection(Section):
    lr: Number = Field(gt=0, description="peak learning rate")
    weight_decay: Number = Field(default=0.0, ge=0)
    schedule: ScheduleConfig


class SGDConfig(_OptimiserSection):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    momentum: Number = Field(ge=0, lt=1)
    nesterov: bool = False

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("it needs optimiser.momentum above 0")
        return nesterov


class AdamConfig(_OptimiserSection):
    """Adam (weight decay as an L2 penalty) or AdamW (decoupled weight decay)."""

    name: Literal["adam", "adamw"]
    betas: Betas


OptimiserConfig = Annotated[SGDConfig | AdamConfig, Field(discriminator="name")]


class EarlyStoppingConfig(Section):
    """Stop when the validation loss has not fallen for ``patience`` epochs."""

    patience: PositiveInt
    min_delta: Number = Field(default=0.0, ge=0, description="nats that count as a fall")


class TrainConfig(Section):
    """The training loop."""

    epochs: PositiveInt
    batch_size: PositiveInt
    label_smoothing: Number = Field(default=0.0, ge=0, lt=1)
    clip: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="largest norm of the gradient; null: no clipping"
    )
    early_stopping: EarlyStoppingConfig | None = None
