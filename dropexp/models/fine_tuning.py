"""Prepares a built network for fine-tuning: its weights, then what of it trains."""

from typing import Any

from torch import nn

from dropexp.config.model_section import ModelConfig
from dropexp.models.freezing import TrainedPart, freeze_parameters
from dropexp.models.pretrained import LoadedWeights, load_pretrained
from dropexp.models.third_party import add_note

_PREPARED = "_fine_tuning"


def prepare_fine_tuning(model: nn.Module, config: ModelConfig) -> None:
    """Load the weights that a config names, freeze what it does not train, and note both.

    Draws no random numbers, so that what stays new is the same with any weights.

    Args:
        model: as built from the config, with its initial weights; it is changed in place.
        config: of the model.

    Raises:
        ConfigError: see load_pretrained and freeze_parameters.
    """
    loaded = load_pretrained(model, config)
    part = freeze_parameters(model, config)
    if loaded is not None:
        add_note(model, *loaded.describe())
    if part is not None:
        add_note(model, part.describe())
    vars(model)[_PREPARED] = (loaded, part)


def record_fine_tuning(model: nn.Module) -> dict[str, Any]:
    """Return plain values on what was loaded and what trains; empty for a run from scratch."""
    prepared: tuple[LoadedWeights | None, TrainedPart | None] = vars(model).get(
        _PREPARED, (None, None)
    )
    loaded, part = prepared
    plain: dict[str, Any] = {}
    if loaded is not None:
        plain["weights"] = loaded.to_json()
    if part is not None:
        plain["trained"] = part.to_json()
    return plain
