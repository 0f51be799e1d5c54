"""From a config and its data to what training needs: model, state, plan and audit."""

from contextlib import ExitStack

from torch import nn

from dropexp import models, regularisers
from dropexp.config.model_section import (
    CustomConfig,
    ResNetConfig,
    SmallCNNConfig,
    TorchvisionConfig,
)
from dropexp.config.regulariser_section import CustomRegulariserConfig, SingleRegulariser
from dropexp.config.run_config import RunConfig
from dropexp.config.section_base import make_keyword_arguments
from dropexp.data import Splits
from dropexp.data.user_code import running_user_code
from dropexp.errors import ConfigError, SitesError
from dropexp.randomness import global_stream
from dropexp.regularisers import (
    Regulariser,
    attach_input_noise,
    find_noise_modules,
    read_p,
)
from dropexp.terminal.numbers import format_count
from dropexp.training.audit import audit
from dropexp.training.audit_report import AuditReport
from dropexp.training.audit_subject import MAX_IMAGES
from dropexp.training.examples import FittedExamples
from dropexp.training.max_norm import refuse_idle_max_norm
from dropexp.training.optim import build_optimiser
from dropexp.training.parameter_groups import make_parameter_groups
from dropexp.training.state import TrainingPlan, TrainingState

_MOST_NAMED = 3
_AFTER_NORM = ResNetConfig.model_fields["dropout_site"].default
_NOT_OF_REGULARISERS = ("time_schedule", "switch_after", "sites", "option_files")
"""Options that regularisers do not take: the epoch loop sets p over time, and this module limits
the sites."""

NOT_OF_NETWORKS = (
    *("name", "weights", "weights_fingerprint", "new", "freeze", "train"),
    "option_files",
)
"""Options that networks do not take: they are about what is done with a built one."""


def build_regulariser(config: RunConfig) -> Regulariser:
    """Build the config's regulariser, or the combination of several."""
    parts = [_build_part(part) for part in config.parts]
    return parts[0] if len(parts) == 1 else regularisers.Combined(parts)


def _build_part(part: SingleRegulariser) -> Regulariser:
    return regularisers.build(**make_keyword_arguments(part, without=_NOT_OF_REGULARISERS))


def build_model(config: RunConfig, splits: Splits, *, plain: bool = False) -> nn.Module:
    """Build the config's model on the splits' device, as it is before training.

    What is not loaded from model.weights is initialised from the seed alone.

    Args:
        config: of the run.
        splits: give the shape of images and the number of classes.
        plain: build it without the regulariser; the weights before training are the same.

    Raises:
        SitesError: a regulariser finds nothing to act on in this model.
        ConfigError: the last batch of an epoch is too small for the model, or model.weights or a
            pattern does not fit it.
    """
    regulariser = Regulariser() if plain else build_regulariser(config)
    with global_stream(config.seed, "init"):
        model = _build_network(config, splits, regulariser)
    models.prepare_fine_tuning(model, config.model)
    limited = [part.name for part in config.parts if getattr(part, "sites", "all") == "trained"]
    if limited and not plain:
        models.keep_trained_sites(model, limited, splits.image_shape)
    attach_input_noise(model, regulariser.input(splits.num_classes))
    if not plain:
        _check_sites(config, splits, model)
        _check_last_batch(config, splits, model)
    return model.to(splits.device)


def build_state(config: RunConfig, splits: Splits) -> TrainingState:
    """Build the state that training starts from: a fresh model and its optimiser.

    Raises:
        SitesError, ConfigError: as build_model.
    """
    model = build_model(config, splits)
    refuse_idle_max_norm(model, config.optimiser.max_norm)
    groups = make_parameter_groups(model, config.optimiser.lr_multipliers)
    fitted = FittedExamples(len(splits.train)) if config.track_examples else None
    return TrainingState(model, build_optimiser(config.optimiser, groups), fitted=fitted)


def build_plan(config: RunConfig, splits: Splits, model: nn.Module) -> TrainingPlan:
    """Build the plan of a run.

    Args:
        config: of the run.
        splits: the data, on the model's device.
        model: whose noise modules have their full p, as build_model sets it.
    """
    return TrainingPlan(config, splits, full_p=read_p(find_noise_modules(model)))


def describe_sites(config: RunConfig, splits: Splits) -> str:
    """Describe the sites that the config's model offers; see SiteRecorder.describe."""
    recorder = regularisers.SiteRecorder()
    _build_network(config, splits, recorder)
    return recorder.describe()


def audit_model(config: RunConfig, splits: Splits, model: nn.Module) -> AuditReport:
    """Audit a config's model on the first images of its training set.

    Args:
        config: of the model.
        splits: normalised as in training, on the model's device.
        model: fresh from build_model; it is not changed.
    """
    images = splits.normalise(splits.train.images[:MAX_IMAGES])
    plain = build_model(config, splits, plain=True)
    own = [
        f"{section}.target={part.target}"
        for section, part in (
            ("model", config.model),
            *(("regulariser", each) for each in config.parts),
        )
        if isinstance(part, CustomConfig | CustomRegulariserConfig)
    ]
    with ExitStack() as explaining, global_stream(config.seed, "audit", device=splits.device):
        if own:
            explaining.enter_context(
                running_user_code(f"the network with {' and '.join(own)} fails in the audit")
            )
        return audit(model, plain, images, config.p_by_regulariser, config.precision)


def describe_data_and_model(config: RunConfig, splits: Splits, model: nn.Module) -> list[str]:
    """Return lines on the data, the model, and what was changed in the model."""
    noise = f", {config.data.label_noise:.0%} label noise" if config.data.label_noise else ""
    shape = "×".join(str(side) for side in splits.image_shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return [
        f"data   {config.data.name}: {len(splits.train):,} train, {len(splits.val):,} val, "
        f"{len(splits.test):,} test images of {shape}{noise}",
        *_describe_skipped(splits),
        f"model  {_model_name(config)}: {parameters:,} parameters, on {splits.device} in "
        f"{config.precision}",
        *(f"       {note}" for note in models.get_notes(model)),
    ]


def _describe_skipped(splits: Splits) -> list[str]:
    """Return a line on the pictures that were left out; none where none was."""
    if not splits.skipped:
        return []
    named = ", ".join(splits.skipped[:_MOST_NAMED])
    rest = len(splits.skipped) - _MOST_NAMED
    more = f" and {rest} more, which run.log lists" if rest > 0 else ""
    count = format_count(len(splits.skipped), "picture")
    return [f"       {count} that cannot be decoded left out: {named}{more}"]


def _build_network(config: RunConfig, splits: Splits, regulariser: Regulariser) -> nn.Module:
    """Build the config's network with the regulariser's answers in its sites."""
    # Every model's config has `shortcut`, so that stochastic depth can ask any model for
    # shortcuts, but only the small CNN takes it as an option.
    has_shortcut_option = isinstance(config.model, SmallCNNConfig)
    without = NOT_OF_NETWORKS if has_shortcut_option else (*NOT_OF_NETWORKS, "shortcut")
    return models.build(
        config.model.name,
        splits.image_shape,
        splits.num_classes,
        regulariser,
        **make_keyword_arguments(config.model, without=without),
    )


def _check_sites(config: RunConfig, splits: Splits, model: nn.Module) -> None:
    """Raise SitesError if a regulariser with p > 0 fills no site, or model.dropout_site none."""
    site = _find_dropout_site(config)
    filled = regularisers.count_filled_sites(model)
    for part in config.parts:
        if part.p > 0 and part.name not in filled:
            if getattr(part, "sites", "all") == "trained":
                raise SitesError(
                    f"regulariser.sites=trained leaves {part.name} no site: nothing that it could "
                    f"act on trains. Use regulariser.sites=all, or train more of the network."
                )
            raise SitesError(
                f"regulariser={part.name} acts on {_find_needs(part)}, but "
                f"model={_model_name(config)} has none: its sites are "
                f"{describe_sites(config, splits)}. Choose another model or regulariser"
                f"{', or another model.dropout_site' if site != _AFTER_NORM else ''}."
            )
    if site != _AFTER_NORM and any(config.p_by_regulariser.values()):
        _refuse_idle_dropout_site(config, model)


def _find_dropout_site(config: RunConfig) -> str:
    """Return model.dropout_site; its default for networks without this option."""
    return config.model.dropout_site if isinstance(config.model, ResNetConfig) else _AFTER_NORM


def _refuse_idle_dropout_site(config: RunConfig, model: nn.Module) -> None:
    """Raise SitesError if no noise stands where model.dropout_site says."""
    names = regularisers.find_noise_modules(model)
    if any("dropout" in name.split(".") for name in names):  # the activation sites of ResNet
        return
    needs = dict.fromkeys(_find_needs(part) for part in config.parts)
    raise SitesError(
        f"model.dropout_site={_find_dropout_site(config)} has no effect: "
        f"regulariser={config.regulariser.name} acts on {' and '.join(needs)}. Leave it out, or "
        f"choose a regulariser that acts on activations."
    )


def _find_needs(part: SingleRegulariser) -> str:
    """Return the sites that a regulariser acts on; one of the user's says so when it is built."""
    return (
        _build_part(part).needs if part.name == "custom" else regularisers.REGISTRY[part.name].needs
    )


def _check_last_batch(config: RunConfig, splits: Splits, model: nn.Module) -> None:
    """Raise ConfigError if the last batch of every epoch is too small for the model."""
    images, size = len(splits.train), config.train.batch_size
    if (images % size or size) == 1 and not models.takes_single_images(model, splits.image_shape):
        height, width = splits.image_shape[1:]
        raise ConfigError(
            f"train.batch_size={size} leaves one image of {images} for the last batch. The batch "
            f"normalisation of {_model_name(config)} cannot compute statistics from one image of "
            f"{height}×{width} pixels. Choose another train.batch_size or data.train_size."
        )


def _model_name(config: RunConfig) -> str:
    match config.model:
        case TorchvisionConfig(name=name, arch=arch):
            return f"{name} {arch}"
        case CustomConfig(name=name, target=target):
            return f"{name} {target}"
        case model:
            return model.name
