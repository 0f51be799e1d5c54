"""The typed configuration of a run, its checks, and the run's identity.

Plain mappings come in (Hydra and OmegaConf stop in compose.py), a frozen RunConfig comes out.

Defaults live in conf/. Where a field here has a default too, it is the value that means
"off" or "as published", and a field at that value does not enter the identity: so an option
added later leaves the ids of existing runs as they are.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from dropexp import RESULTS_VERSION
from dropexp.config_messages import in_a_sentence
from dropexp.errors import ConfigError

SCIENTIFIC = ("data", "model", "regulariser", "optimiser", "train", "precision", "seed")
"""The top-level keys that make a run what it is; all others say where and how it is run."""

_NOT_IN_IDENTITY = {"data": {"root", "download"}}


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


class Dropout2dConfig(Section):
    """Whole channels."""

    name: Literal["dropout2d"]
    p: DropProbability
    inplace: bool = False


class DropoutConfig(Section):
    """Single activations."""

    name: Literal["dropout"]
    p: DropProbability
    inplace: bool = False


class SpatialDropoutConfig(Section):
    """Positions, shared over channels."""

    name: Literal["spatial_dropout"]
    p: DropProbability


class DropConnectConfig(Section):
    """Single weights."""

    name: Literal["dropconnect"]
    p: DropProbability
    mask: Literal["example", "batch"] = "example"
    inference: Literal["mean", "gaussian"] = "mean"


class StochasticDepthConfig(Section):
    """Whole residual branches."""

    name: Literal["stochastic_depth"]
    p: DropProbability
    mode: Literal["row", "batch"] = "row"
    scaling: Literal["train", "eval"] = "train"
    depth_schedule: Literal["linear", "uniform"] = "linear"


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


# --- the whole ----------------------------------------------------------------------------


class TensorBoardConfig(Section):
    """What goes into the event files."""

    enabled: bool = True
    histograms: bool = Field(default=False, description="weights, after every epoch")
    images: bool = Field(default=True, description="one grid of training images")


class _Shorthand(Section):
    """The top-level p: checked, though regulariser.p (which follows it) is what counts."""

    p: DropProbability | None


class RunConfig(Section):
    """Everything that is needed to run, and to run again."""

    # the scientific part
    seed: Seed
    data: DataConfig
    model: ModelConfig
    regulariser: RegulariserConfig
    optimiser: OptimiserConfig
    train: TrainConfig
    precision: Literal["float32", "bfloat16"] = "float32"

    # where and how
    device: Literal["auto", "cpu", "cuda", "mps"] | Annotated[str, Field(pattern=r"^cuda:\d+$")] = (
        "auto"
    )
    threads: PositiveInt | None = Field(default=None, description="of torch; null: its choice")
    deterministic: bool | None = Field(default=None, description="null: on a CPU only")
    runs_dir: str = Field(default="runs", min_length=1)
    study: str | None = None
    audit: Literal["strict", "warn", "off"] = "strict"
    force: bool = False
    keep_checkpoint: bool = False
    tensorboard: TensorBoardConfig = TensorBoardConfig()

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Self:
        """Check a plain mapping (of conf/'s shape) and freeze it.

        Raises:
            ConfigError: names the first field at fault, its value, and what is allowed.
        """
        values = dict(plain)
        try:
            _Shorthand.model_validate({"p": values.pop("p", None)})
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(in_a_sentence(error, cls)) from None

    def to_mapping(self) -> dict[str, Any]:
        """The full config as plain values, from which from_mapping makes an equal one."""
        plain = self.model_dump(mode="json")
        return {"p": self.regulariser.p, **plain}

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the scientific part, 64 hex digits."""
        payload = {"results_version": RESULTS_VERSION, "config": self._scientific()}
        canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """``<regulariser>-p<p>-s<seed>-<8 hex>``; equal for configs that train the same run."""
        name, p = self.regulariser.name, self.regulariser.p
        return f"{name}-p{p:g}-s{self.seed}-{self.config_hash[:8]}"

    def _scientific(self) -> dict[str, Any]:
        # Validation has made every number its field's type (1 and 1.0 are the same by now).
        return self.model_dump(
            mode="json", include=set(SCIENTIFIC), exclude=_NOT_IN_IDENTITY, exclude_defaults=True
        )


def options(section: Section, *, without: tuple[str, ...] = ("name",)) -> dict[str, Any]:
    """A section's fields as keyword arguments for what it configures."""
    return {name: value for name, value in section if name not in without}
