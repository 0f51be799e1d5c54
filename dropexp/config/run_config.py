"""The typed configuration of a run, its checks, and the run's identity.

Plain mappings come in (Hydra and OmegaConf stop in compose.py), a frozen RunConfig comes out.

Defaults stand in conf/. A field that has a default here too has the value that means "off" or "as
published", and at that value it does not enter the identity. So a new option, added with such a
default, leaves the ids of existing runs as they are.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from dropexp.config.combined_section import CombinedConfig, RegulariserConfig
from dropexp.config.data_section import DataConfig
from dropexp.config.identity import (
    IDENTITY_KEYS,
    NOT_IN_IDENTITY,
    OWN_LOOP,
    hash_identity,
    shorten_paths,
)
from dropexp.config.logger_section import LoggerConfig
from dropexp.config.messages import describe_validation_error
from dropexp.config.model_section import ModelConfig, ResNetConfig
from dropexp.config.regulariser_section import ConcreteDropoutConfig, SingleRegulariser
from dropexp.config.section_base import (
    MOST_MC_PASSES,
    MOST_THREADS,
    Probability,
    Section,
    Seed,
    Whole,
    read_whole,
)
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.config.study_files import check_study_name
from dropexp.config.time_schedules import TimeSchedule, p_factor
from dropexp.config.training_sections import OptimiserConfig, TrainConfig
from dropexp.errors import ConfigError


def _check_device(name: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", name):
        raise ValueError("it must be auto, cpu, cuda, cuda:N (such as cuda:1) or mps")
    return name


StudyName = Annotated[str, AfterValidator(check_study_name)]
DeviceName = Annotated[str, AfterValidator(_check_device)]


class TensorBoardConfig(Section):
    """What is written to TensorBoard's event files."""

    enabled: bool = Field(default=True, description="Write event files.")
    histograms: bool = Field(
        default=False, description="Write histograms of the weights after every epoch."
    )
    images: bool = Field(default=True, description="Write one grid of training images.")


class TopLevelP(Section):
    """The top-level p. It is checked, and regulariser.p, which follows it, is used."""

    p: Probability | None = Field(
        description="Drop probability in [0, 1); regulariser.p follows it. For cutout, mixup and "
        "cutmix the probability that an image or batch is changed, in [0, 1]. A run without a "
        "regulariser, the default, has p = 0 whatever is given."
    )


class RunConfig(Section):
    """Everything that is needed to train a run, and to train it again."""

    # The identity of a run.
    seed: Seed = Field(
        description="Seed of the initial weights, the batch order and the masks; data.seed "
        "follows it."
    )
    data: DataConfig
    model: ModelConfig
    regulariser: RegulariserConfig
    optimiser: OptimiserConfig
    train: TrainConfig
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        default="float32",
        description="Floating-point type of the forward pass; bfloat16 is mixed precision. tf32 "
        "rounds the factors of float32 products to 10 bits, on a CUDA device.",
    )

    # Where and how the run is trained; not part of its identity.
    device: DeviceName = Field(
        default="auto",
        description="Device to train on: auto (a GPU if there is one), cpu, cuda, cuda:N for the "
        "GPU of that number, or mps.",
    )
    threads: Annotated[Whole, Field(le=MOST_THREADS)] | None = Field(
        default=None,
        description="CPU threads of torch. null: by the size of the network, the images and the "
        "batches, and by the machine's cores.",
    )
    deterministic: bool | None = Field(
        default=None,
        description="Refuse operations that are not deterministic. null: on a CPU only.",
    )
    runs_dir: str = Field(
        default="runs", min_length=1, description="Folder in which run folders are made."
    )
    study: StudyName | None = Field(
        default=None, description="Name to find this run by, or a ready study. null: none."
    )
    audit: Literal["strict", "warn", "off"] = Field(
        default="strict",
        description="What a failed audit of the regulariser does: strict stops the run, warn "
        "trains all the same, off makes no audit.",
    )
    force: bool = Field(default=False, description="Train again, even if the run is finished.")
    keep_checkpoint: bool = Field(
        default=False, description="Keep checkpoint.pt when the run is finished."
    )
    mc_dropout: Annotated[int, BeforeValidator(read_whole)] = Field(
        default=0,
        ge=0,
        le=MOST_MC_PASSES,
        description="Stochastic forward passes of the test set, with the noise on, with the "
        "weights of the best epoch (MC dropout). 0: none.",
    )
    track_examples: bool = Field(
        default=False,
        description="Keep which training images the network predicts as they are labelled, after "
        "every epoch, for dropexp forgetting.",
    )
    tensorboard: TensorBoardConfig = TensorBoardConfig()
    logger: LoggerConfig = LoggerConfig()

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Self:
        """Return the config that a plain mapping of conf/'s shape describes.

        Raises:
            ConfigError: a value is not allowed; the message names the first such field.
        """
        values = dict(plain)
        _refuse_own_loop(values)
        _refuse_alpha_without_selu(values)
        try:
            # First, so that an error names the key that the user typed.
            TopLevelP.model_validate({"p": values.pop("p", None)})
            config = cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(describe_validation_error(error, cls)) from None
        _check_schedules(config)
        idle = _find_idle_site(config)
        return config.model_copy(update=idle) if idle else config

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """See BaseModel; the copy has its own identity."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in ("config_hash", "run_id"):
            copied.__dict__.pop(derived, None)
        return copied

    def to_mapping(self) -> dict[str, Any]:
        """Return the full config as plain values, of which from_mapping makes an equal config."""
        plain = self.model_dump(mode="json")
        # Not in a serializer of the section: pydantic turns a Ctrl-C in one into its own error.
        chosen = {name: section for name, section in plain["logger"].items() if section is not None}
        return {"p": self.regulariser.p, **plain, "logger": chosen}

    def to_identity(self) -> dict[str, Any]:
        """Return what determines the run's numbers, as plain values."""
        # Validation has converted every number to its field's type: 1 and 1.0 are the same here.
        identity = self.model_dump(
            mode="json", include=set(IDENTITY_KEYS), exclude=NOT_IN_IDENTITY, exclude_defaults=True
        )
        _shorten_paths(identity["data"], self.data)
        _shorten_paths(identity["model"], self.model)
        for part in self.parts:
            of_all = identity["regulariser"]
            _shorten_paths(of_all.get(part.name, of_all), part)
        return identity

    @property
    def parts(self) -> "tuple[SingleRegulariser, ...]":
        """The section of each regulariser; empty for regulariser=none."""
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
            for schedule, switch in [_time_schedule(part)]
        }

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 of the canonical JSON of what makes the run's identity, 64 hex digits."""
        return hash_identity(self.to_identity())

    @cached_property
    def run_id(self) -> str:
        """``<regulariser>-p<p>-s<seed>-<8 hex>``; equal for configs that train the same run."""
        return make_run_id(self.regulariser.name, self.regulariser.p, self.seed, self.config_hash)


def _shorten_paths(identity: dict[str, Any], section: Section) -> None:
    """Replace the paths among the options of a section; see shorten_paths."""
    identity.pop("option_files", None)
    if files := getattr(section, "option_files", ()):
        identity["options"] = {
            key: shorten_paths(value, key, files) for key, value in identity["options"].items()
        }


def make_run_id(regulariser: str, p: float, seed: int, config_hash: str) -> str:
    """Return the id of a run; see RunConfig.run_id."""
    return f"{regulariser}-p{p:g}-s{seed}-{config_hash[:8]}"


def _refuse_own_loop(values: Mapping[str, Any]) -> None:
    """Refuse the config of a run that a loop of the user's own has trained."""
    train = values.get("train")
    if isinstance(train, Mapping) and train.get("loop") == OWN_LOOP:
        raise ConfigError(
            "train.loop=own is the mark of a run of your own training loop, which dropexp has "
            "recorded: only that loop trains it again."
        )


def _refuse_alpha_without_selu(values: Mapping[str, Any]) -> None:
    """Refuse alpha dropout after a ReLU, where it would change the mean activation."""
    regulariser, model = values.get("regulariser"), values.get("model")
    if not isinstance(regulariser, Mapping) or not isinstance(model, Mapping):
        return
    if "alpha_dropout" not in str(regulariser.get("name")).split(COMBINATION_SEPARATOR):
        return
    if model.get("name") not in ("small_cnn", "mlp") or model.get("nonlinearity") != "selu":
        raise ConfigError(
            "regulariser=alpha_dropout is not allowed with this model: it acts after a SELU. Use "
            "model=small_cnn or model=mlp, with model.nonlinearity=selu."
        )


def _find_idle_site(config: RunConfig) -> dict[str, Any]:
    """Return the update that resets model.dropout_site in a run without a regulariser.

    The site means nothing there, and one run is the baseline of all sites.
    """
    model, default = config.model, ResNetConfig.model_fields["dropout_site"].default
    if config.regulariser.name != "none" or not isinstance(model, ResNetConfig):
        return {}
    if model.dropout_site == default:
        return {}
    return {"model": model.model_copy(update={"dropout_site": default})}


def _check_schedules(config: RunConfig) -> None:
    """Refuse schedules that never turn a regulariser on, and early ones that never turn off."""
    # Every schedule rises or falls, so its extremes are at the first and the last epoch.
    factors = [config.p_factors(epoch) for epoch in (1, config.train.epochs)]
    for part in config.parts:
        schedule, switch_after = _time_schedule(part)
        of_part = [at_epoch[part.name] for at_epoch in factors]
        limits = f"of {part.name} is not allowed with train.epochs={config.train.epochs}"
        if part.p > 0 and not any(of_part):
            raise ConfigError(
                f"regulariser.time_schedule={schedule} {limits}: it would never be on."
            )
        if schedule == "early" and all(of_part):
            raise ConfigError(
                f"regulariser.switch_after={switch_after} {limits}: it would never be off."
            )


def _time_schedule(part: SingleRegulariser) -> tuple[TimeSchedule, int | None]:
    """Return the time schedule of p and its switch; a learned p is not scheduled."""
    if isinstance(part, ConcreteDropoutConfig):
        return "constant", None
    return part.time_schedule, part.switch_after
