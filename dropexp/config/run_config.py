"""The typed configuration of a run, its checks, and the run's identity.

Plain mappings come in (Hydra and OmegaConf stop in compose.py), a frozen RunConfig comes out.

Defaults live in conf/. Where a field here has a default too, it is the value that means
"off" or "as published", and a field at that value does not enter the identity: so an option
added later leaves the ids of existing runs as they are.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PositiveInt,
    ValidationError,
)

from dropexp.config.identity import IDENTITY_KEYS, NOT_IN_IDENTITY, hash_identity
from dropexp.config.messages import describe_validation_error
from dropexp.config.regularisers import (
    CombinedConfig,
    ConcreteDropoutConfig,
    RegulariserConfig,
    SingleRegulariser,
)
from dropexp.config.sections import (
    DataConfig,
    ModelConfig,
    OptimiserConfig,
    Passes,
    Probability,
    Section,
    Seed,
    TrainConfig,
)
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.config.time_schedules import TimeSchedule, p_factor
from dropexp.errors import ConfigError


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise ValueError("it may hold letters, digits, '_', '-' and '.', as it names a file too")
    return name


StudyName = Annotated[str, AfterValidator(_file_name)]


class TensorBoardConfig(Section):
    """What goes into the event files."""

    enabled: bool = True
    histograms: bool = Field(default=False, description="weights, after every epoch")
    images: bool = Field(default=True, description="one grid of training images")


class _Shorthand(Section):
    """The top-level p: checked, though regulariser.p (which follows it) is what counts."""

    p: Probability | None


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
    study: StudyName | None = None
    audit: Literal["strict", "warn", "off"] = "strict"
    force: bool = False
    keep_checkpoint: bool = False
    mc_dropout: Passes = Field(default=0, description="of the best epoch's weights; 0: none")
    tensorboard: TensorBoardConfig = TensorBoardConfig()

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Self:
        """Check a plain mapping (of conf/'s shape) and freeze it.

        Raises:
            ConfigError: names the first field at fault, its value, and what is allowed.
        """
        values = dict(plain)
        _refuse_alpha_without_selu(values)
        try:
            shorthand = values.pop("p", None)
            config = cls.model_validate(values)
            _Shorthand.model_validate({"p": shorthand})
        except ValidationError as error:
            raise ConfigError(describe_validation_error(error, cls)) from None
        factors = [config.p_factors(epoch) for epoch in range(1, config.train.epochs + 1)]
        for part in config.parts:
            if part.p > 0 and not any(at_epoch[part.name] for at_epoch in factors):
                raise ConfigError(
                    f"regulariser.time_schedule={_schedule(part)[0]} of {part.name} is not allowed "
                    f"with train.epochs={config.train.epochs}: it would never be on."
                )
            if _schedule(part)[0] == "early" and all(at_epoch[part.name] for at_epoch in factors):
                raise ConfigError(
                    f"regulariser.switch_after={_schedule(part)[1]} of {part.name} is not allowed "
                    f"with train.epochs={config.train.epochs}: it would never be off."
                )
        return config

    def to_mapping(self) -> dict[str, Any]:
        """The full config as plain values, from which from_mapping makes an equal one."""
        plain = self.model_dump(mode="json")
        return {"p": self.regulariser.p, **plain}

    @property
    def parts(self) -> "tuple[SingleRegulariser, ...]":
        """The sections of the regularisers: several of a combination, none of none."""
        if isinstance(self.regulariser, CombinedConfig):
            return self.regulariser.parts
        return () if self.regulariser.name == "none" else (self.regulariser,)

    @property
    def p_by_regulariser(self) -> dict[str, float]:
        """The p of each regulariser, by its name."""
        return {part.name: part.p for part in self.parts}

    def p_factors(self, epoch: int) -> dict[str, float]:
        """Return the factors in [0, 1] that time schedules multiply p by at an epoch.

        Args:
            epoch: from 1.

        Returns:
            Regulariser name → factor.
        """
        return {
            part.name: p_factor(schedule, epoch, self.train.epochs, switch)
            for part in self.parts
            for schedule, switch in [_schedule(part)]
        }

    @property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of the scientific part, 64 hex digits."""
        return hash_identity(self._scientific())

    @property
    def run_id(self) -> str:
        """``<regulariser>-p<p>-s<seed>-<8 hex>``; equal for configs that train the same run."""
        name, p = self.regulariser.name, self.regulariser.p
        return f"{name}-p{p:g}-s{self.seed}-{self.config_hash[:8]}"

    def _scientific(self) -> dict[str, Any]:
        # Validation has made every number its field's type (1 and 1.0 are the same by now).
        return self.model_dump(
            mode="json", include=set(IDENTITY_KEYS), exclude=NOT_IN_IDENTITY, exclude_defaults=True
        )


def keyword_arguments(section: Section, *, without: tuple[str, ...] = ("name",)) -> dict[str, Any]:
    """A section's fields as keyword arguments for what it configures."""
    return {name: value for name, value in section if name not in without}


def _refuse_alpha_without_selu(values: Mapping[str, Any]) -> None:
    """Before a ReLU, alpha dropout's constant would be one more noise, and no mean be kept."""
    regulariser, model = values.get("regulariser"), values.get("model")
    if not isinstance(regulariser, Mapping) or not isinstance(model, Mapping):
        return
    if "alpha_dropout" not in str(regulariser.get("name")).split(COMBINATION_SEPARATOR):
        return
    if model.get("name") not in ("small_cnn", "mlp") or model.get("nonlinearity") != "selu":
        raise ConfigError(
            "regulariser=alpha_dropout belongs after a SELU: it needs model=small_cnn or "
            "model=mlp, with model.nonlinearity=selu."
        )


def _schedule(part: SingleRegulariser) -> tuple[TimeSchedule, int | None]:
    """Of p over time; a p that is learned has none."""
    if isinstance(part, ConcreteDropoutConfig):
        return "constant", None
    return part.time_schedule, part.switch_after
