"""A config's model, put together from its parts, and the audit of it."""

import torch
from torch import nn

from dropexp import models, regularisers
from dropexp.config.run_config import RunConfig, options
from dropexp.config.sections import CustomConfig, TorchvisionConfig
from dropexp.data import Splits
from dropexp.errors import ConfigError, SitesError
from dropexp.randomness import global_stream
from dropexp.regularisers import Regulariser, attach_input_noise
from dropexp.training.audit import MOST_IMAGES, audit
from dropexp.training.audit_report import AuditReport

_OF_TIME = ("time_schedule", "switch_after")
"""Options of a regulariser's strength over time, which the trainer sees to."""


def build_regulariser(config: RunConfig) -> Regulariser:
    """The config's regulariser, or combination of several."""
    parts = [regularisers.build(**options(part, without=_OF_TIME)) for part in config.parts]
    return parts[0] if len(parts) == 1 else regularisers.Combined(parts)


def build_model(
    config: RunConfig, splits: Splits, device: torch.device, *, plain: bool = False
) -> nn.Module:
    """The config's model, initialised from the seed alone, with noise on its input if any.

    Raises:
        SitesError: a regulariser finds nothing to act on in this model.
    """
    regulariser = Regulariser() if plain else build_regulariser(config)
    with global_stream(config.seed, "init"):
        model = models.build(
            config.model.name,
            splits.image_shape,
            splits.num_classes,
            regulariser,
            **options(config.model),
        )
    attach_input_noise(model, regulariser.input(splits.num_classes))
    if not plain:
        _refuse_what_is_not_served(config, splits, model)
        _check_last_batch(config, splits, model)
    return model.to(device)


def _refuse_what_is_not_served(config: RunConfig, splits: Splits, model: nn.Module) -> None:
    filled = regularisers.served(model)
    for part in config.parts:
        if part.p > 0 and part.name not in filled:
            raise SitesError(
                f"regulariser={part.name} acts on {regularisers.REGISTRY[part.name].needs}, and "
                f"model={_called(config)} has none: its sites are {sites(config, splits)}. "
                f"Choose another model or regulariser."
            )


def _check_last_batch(config: RunConfig, splits: Splits, model: nn.Module) -> None:
    """Raises ConfigError if the last batch of every epoch is too small for the model."""
    images, size = len(splits.train), config.train.batch_size
    if (images % size or size) == 1 and not models.takes_single_images(model, splits.image_shape):
        height, width = splits.image_shape[1:]
        raise ConfigError(
            f"train.batch_size={size} leaves one image of {images} for the last batch, of which "
            f"the batch normalisation of {_called(config)} has no statistics at {height}×{width} "
            f"pixels. Choose another train.batch_size or data.train_size."
        )


def sites(config: RunConfig, splits: Splits) -> str:
    """What the config's model offers to regularisers, in words; see SiteRecorder.describe."""
    recorder = regularisers.SiteRecorder()
    models.build(
        config.model.name,
        splits.image_shape,
        splits.num_classes,
        recorder,
        **options(config.model),
    )
    return recorder.describe()


def audited(config: RunConfig, splits: Splits, model: nn.Module) -> AuditReport:
    """The audit of a config's model, by the first images of its training set.

    Args:
        config: of the model.
        splits: normalised as in training, on the model's device.
        model: fresh from build_model; it is left as it is.
    """
    device = splits.train.images.device
    images = splits.normalise(splits.train.images[:MOST_IMAGES])
    plain = build_model(config, splits, device, plain=True)
    with global_stream(config.seed, "audit", device=device):
        return audit(model, plain, images, config.strengths, config.precision)


def described(
    config: RunConfig, splits: Splits, model: nn.Module, device: torch.device
) -> list[str]:
    """The data and the model in a line each, and what was changed in the model."""
    noise = f", {config.data.label_noise:.0%} label noise" if config.data.label_noise else ""
    shape = "×".join(str(side) for side in splits.image_shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return [
        f"data   {config.data.name}: {len(splits.train):,} train, {len(splits.val):,} val, "
        f"{len(splits.test):,} test images of {shape}{noise}",
        f"model  {_called(config)}: {parameters:,} parameters, on {device} in {config.precision}",
        *(f"       {note}" for note in models.notes(model)),
    ]


def _called(config: RunConfig) -> str:
    match config.model:
        case TorchvisionConfig(name=name, arch=arch):
            return f"{name} {arch}"
        case CustomConfig(name=name, target=target):
            return f"{name} {target}"
        case model:
            return model.name
