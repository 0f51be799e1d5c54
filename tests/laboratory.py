"""Parts of a run, put together for tests that look inside."""

import torch

from dropexp import data, models, regularisers
from dropexp.compose import compose_run
from dropexp.config import RunConfig, options
from dropexp.data import Splits
from dropexp.optim import build_optimiser, build_schedule
from dropexp.randomness import global_stream
from dropexp.trainer import TrainingPlan, TrainingState

TINY = ("train.epochs=3", "data.train_size=70", "data.val_size=50", "model.width=4")


def config_of(*overrides: str) -> RunConfig:
    return compose_run([*TINY, *overrides])


def model_of(config: RunConfig, splits: Splits, *, plain: bool = False) -> torch.nn.Module:
    regulariser = (
        regularisers.Regulariser()
        if plain
        else regularisers.build(**options(config.regulariser, without=()))
    )
    with global_stream(config.seed, "init"):
        return models.build(
            config.model.name,
            splits.image_shape,
            splits.num_classes,
            regulariser,
            **options(config.model),
        )


def state_of(config: RunConfig, splits: Splits) -> TrainingState:
    model = model_of(config, splits)
    return TrainingState(model, build_optimiser(config.optimiser, model.parameters()))


def plan_of(config: RunConfig, splits: Splits) -> TrainingPlan:
    steps = -(-len(splits.train) // config.train.batch_size)
    return TrainingPlan(
        splits=splits,
        train=config.train,
        learning_rate=build_schedule(config.optimiser, steps, config.train.epochs),
        augmentation=config.data.augment,
        precision=config.precision,
        seed=config.seed,
        p=config.regulariser.p,
    )


def parts_of(*overrides: str) -> tuple[RunConfig, Splits, TrainingState, TrainingPlan]:
    config = config_of(*overrides)
    splits = data.load(config.data)
    return config, splits, state_of(config, splits), plan_of(config, splits)
