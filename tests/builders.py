"""Builds the parts of a tiny run, with the code that a real run uses."""

from dropexp import data
from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.training.build import build_plan, build_state
from dropexp.training.loop import TrainingPlan, TrainingState

TINY = ("train.epochs=3", "data.train_size=70", "data.val_size=50", "model.width=4")


def compose_tiny(*overrides: str) -> RunConfig:
    """Compose a config of 3 epochs on 70 images, unless the overrides say otherwise."""
    return compose_run([*TINY, *overrides])


def build_parts(*overrides: str) -> tuple[RunConfig, Splits, TrainingState, TrainingPlan]:
    """Build all that the trainer needs for compose_tiny's config."""
    config = compose_tiny(*overrides)
    splits = data.load(config.data)
    state = build_state(config, splits)
    return config, splits, state, build_plan(config, splits, state.model)
