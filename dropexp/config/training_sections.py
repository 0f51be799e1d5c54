"""The optimiser section, with its learning-rate schedule, and the train section."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from dropexp.config.section_base import MOST_IMAGES_IN_A_STEP, Epochs, Number, Section, Whole


class _Schedule(Section):
    warmup_epochs: Number = Field(
        default=0.0,
        ge=0,
        description="Epochs at the start in which the learning rate rises linearly from 0.",
    )


class ConstantSchedule(_Schedule):
    """The learning rate stays at optimiser.lr."""

    name: Literal["constant"]


class StepSchedule(_Schedule):
    """The learning rate is multiplied by gamma after every step_epochs epochs."""

    name: Literal["step"]
    step_epochs: Epochs = Field(description="Epochs between two steps.")
    gamma: Number = Field(gt=0, le=1, description="Factor of the learning rate at each step.")


class CosineSchedule(_Schedule):
    """The learning rate falls along half a cosine to min_lr_factor × optimiser.lr."""

    name: Literal["cosine"]
    min_lr_factor: Number = Field(
        default=0.0, ge=0, le=1, description="Last learning rate, as a fraction of optimiser.lr."
    )


class OneCycleSchedule(Section):
    """The one-cycle policy of Smith and Topin 2018; its rise is its warm-up."""

    name: Literal["one_cycle"]
    warmup_fraction: Number = Field(
        gt=0, lt=1, description="Fraction of the steps in which the learning rate rises."
    )
    start_divisor: Number = Field(
        ge=1, description="The first learning rate is optimiser.lr divided by this."
    )
    final_divisor: Number = Field(
        ge=1, description="The last learning rate is the first one divided by this."
    )


ScheduleConfig = Annotated[
    ConstantSchedule | StepSchedule | CosineSchedule | OneCycleSchedule,
    Field(discriminator="name"),
]

Betas = tuple[
    Annotated[Number, Field(ge=0, lt=1)],
    Annotated[Number, Field(ge=0, lt=1)],
]


def _read_multipliers(value: object) -> object:
    """Return pairs of a pattern and a factor, of a mapping or of pairs.

    Raises:
        ValueError: it is neither, or a factor is not above 0.
    """
    if value is None:
        return None
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    if not isinstance(pairs, list | tuple) or not pairs or not all(map(_is_multiplier, pairs)):
        raise ValueError(
            "it must map patterns of parameter names to factors above 0, such as {layer1.*: 0.1}; "
            "model.freeze stops parameters"
        )
    return tuple((pattern, float(factor)) for pattern, factor in pairs)


def _is_multiplier(pair: object) -> bool:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return False
    pattern, factor = pair
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
    return isinstance(pattern, str) and is_number and factor > 0 and isfinite(factor)


Multipliers = tuple[tuple[str, float], ...]
"""Pairs of a pattern of parameter names and a factor; the last pattern that matches counts."""


class _OptimiserSection(Section):
    lr: Number = Field(gt=0, description="Peak learning rate.")
    weight_decay: Number = Field(
        default=0.0,
        ge=0,
        description="Weight decay: an L2 penalty for sgd and adam, decoupled for adamw.",
    )
    max_norm: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Largest L2 norm of the weights that come into each hidden unit or filter, "
        "restored after each step; biases and the output layer are free. null: no bound.",
    )
    lr_multipliers: Annotated[Multipliers | None, BeforeValidator(_read_multipliers)] = Field(
        default=None,
        description="Factors of the learning rate by patterns of parameter names, such as "
        "{layer1.*: 0.1, fc: 10}; the last pattern that matches counts. null: 1 for all.",
    )
    schedule: ScheduleConfig = Field(description="Learning rate over time.")


class SGDConfig(_OptimiserSection):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    momentum: Number = Field(ge=0, lt=1, description="Momentum factor; 0: none.")
    nesterov: bool = Field(
        default=False, description="Nesterov momentum; needs optimiser.momentum above 0."
    )

    @field_validator("nesterov")
    @classmethod
    def _check_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("it needs optimiser.momentum above 0")
        return nesterov


class AdamConfig(_OptimiserSection):
    """Adam (weight decay as an L2 penalty) or AdamW (decoupled weight decay)."""

    name: Literal["adam", "adamw"]
    betas: Betas = Field(
        description="Decay rates of the running means of the gradient and of its square."
    )


OptimiserConfig = Annotated[SGDConfig | AdamConfig, Field(discriminator="name")]


class EarlyStoppingConfig(Section):
    """Stop when the validation loss has not fallen for some epochs."""

    patience: Epochs = Field(
        description="Epochs without a fall of the validation loss after which training stops."
    )
    min_delta: Number = Field(
        default=0.0, ge=0, description="Smallest fall of the validation loss that counts, in nats."
    )


class TrainConfig(Section):
    """The training loop."""

    epochs: Epochs = Field(description="Passes over the training images.")
    batch_size: Whole = Field(le=MOST_IMAGES_IN_A_STEP, description="Images in a training step.")
    label_smoothing: Number = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Weight of the uniform distribution in the training labels; 0: none.",
    )
    clip: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Largest norm of the gradient. null: no clipping."
    )
    early_stopping: EarlyStoppingConfig | None = Field(
        default=None,
        description="Early stopping. null: off; on with train/early_stopping=patience.",
    )
    compile: bool = Field(
        default=False,
        description="Compile the training steps with torch.compile. It rounds differently, so it "
        "is part of the run's id.",
    )
    cuda_graphs: bool = Field(
        default=False,
        description="Replay the compiled training steps as CUDA graphs; needs train.compile=true "
        "and a CUDA device.",
    )

    @field_validator("cuda_graphs")
    @classmethod
    def _check_compile(cls, cuda_graphs: bool, info: ValidationInfo) -> bool:
        if cuda_graphs and not info.data.get("compile"):
            raise ValueError("it needs train.compile=true")
        return cuda_graphs
