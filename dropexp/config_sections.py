"""The parts of a run's configuration: types, ranges and choices of every field.

Defaults live in conf/. Where a field here has a default too, it is the value that means
"off" or "as published" (see config.py on what that does to a run's identity).
"""

from typing import Annotated, Literal

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

from dropexp.strength import SWITCHED, TimeSchedule


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _refuse_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _whole_or_fraction(value: float) -> int | float:
    if value <= 0 or (value >= 1 and value != int(value)):
        raise ValueError("it must be a whole number of images, or a fraction between 0 and 1")
    return int(value) if value >= 1 else value


Number = Annotated[float, BeforeValidator(_refuse_bool)]
Seed = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0, lt=2**63)]
DropProbability = Annotated[Number, Field(ge=0, lt=1)]
Size = Annotated[int | float, BeforeValidator(_refuse_bool), AfterValidator(_whole_or_fraction)]
"""A number of images (≥ 1), or a fraction of what there is (between 0 and 1)."""
Passes = Annotated[int, BeforeValidator(_refuse_bool), Field(ge=0)]
"""Of the test set, with the noise on; 0 for none."""


# --- data ---------------------------------------------------------------------------------


class _DataSection(Section):
    train_size: Size | None = Field(description="training images, stratified; null: all")
    val_size: Size = Field(description="validation images, taken from the training set")
    label_noise: Number = Field(
        ge=0, le=1, description="fraction of training labels set to a wrong class"
    )
    augment: Literal["none", "flip", "crop_flip"]
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


class MLPConfig(Section):
    """Fully connected layers with ReLU."""

    name: Literal["mlp"]
    hidden: tuple[PositiveInt, ...] = Field(min_length=1, description="units of each hidden layer")
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


ModelConfig = Annotated[SmallCNNConfig | MLPConfig | ResNetConfig, Field(discriminator="name")]


# --- regulariser --------------------------------------------------------------------------


class NoneConfig(Section):
    """The baseline: no regulariser, and p = 0 whatever was asked for."""

    name: Literal["none"]
    p: DropProbability = Field(default=0.0, validate_default=True)

    @field_validator("p")
    @classmethod
    def _always_zero(cls, _p: float) -> float:
        return 0.0


class _NoiseSection(Section):
    p: DropProbability
    depth_schedule: Literal["linear", "uniform"] = Field(
        default="uniform", description="linear: p grows with depth, to p at the last site"
    )
    time_schedule: TimeSchedule = Field(
        default="constant", description="of p over the epochs; see strength.py"
    )
    switch_after: Annotated[PositiveInt, BeforeValidator(_refuse_bool)] | None = Field(
        default=None,
        validate_default=True,
        description="epochs, of the time schedules early and late",
    )

    @field_validator("switch_after")
    @classmethod
    def _belongs_to_early_and_late(cls, epochs: int | None, info: ValidationInfo) -> int | None:
        schedule = info.data.get("time_schedule", "constant")
        if schedule in SWITCHED and epochs is None:
            raise ValueError(f"time_schedule={schedule} needs a number of epochs")
        if schedule not in SWITCHED and epochs is not None:
            raise ValueError(f"only time_schedule={' and '.join(SWITCHED)} switch")
        return epochs


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


class StochasticDepthConfig(_NoiseSection):
    """Whole residual branches."""

    name: Literal["stochastic_depth"]
    mode: Literal["row", "batch"] = "row"
    scaling: Literal["train", "eval"] = "train"
    depth_schedule: Literal["linear", "uniform"] = "linear"

    @field_validator("scaling")
    @classmethod
    def _agrees_with_the_schedule(cls, scaling: str, info: ValidationInfo) -> str:
        return _constant_only(scaling, "eval", info)


RegulariserConfig = Annotated[
    NoneConfig
    | Dropout2dConfig
    | DropoutConfig
    | SpatialDropoutConfig
    | DropConnectConfig
    | StochasticDepthConfig,
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
