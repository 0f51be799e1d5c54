"""Parts of a run, put together for tests that look inside."""

import torch

from dropexp import data
from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.regularisers import full_strengths, noise_modules, parameter_groups
from dropexp.training.build import build_model
from dropexp.training.loop import TrainingPlan, TrainingState
from dropexp.training.optim import build_optimiser, build_schedule

TINY = ("train.epochs=3", "data.train_size=70", "data.val_size=50", "model.width=4")


def config_of(*overrides: str) -> RunConfig:
    return compose_run([*TINY, *overrides])


def model_of(config: RunConfig, splits: Splits, *, plain: bool = False) -> torch.nn.Module:
    return build_model(config, splits, torch.device("cpu"), plain=plain)


def state_of(config: RunConfig, splits: Splits) -> TrainingState:
    model = model_of(config, splits)
    return TrainingState(model, build_optimiser(config.optimiser, parameter_groups(model)))


def plan_of(config: RunConfig, splits: Splits, model: torch.nn.Module) -> TrainingPlan:
    steps = -(-len(splits.train) // config.train.batch_size)
    return TrainingPlan(
        splits=splits,
        train=config.train,
        learning_rate=build_schedule(config.optimiser, steps, config.train.epochs),
        augmentation=config.data.augment,
        precision=config.precision,
        seed=config.seed,
        p=config.strengths,
        strengths=full_strengths(noise_modules(model)),
        shares_of_p=config.shares_of_p,
    )


def parts_of(*overrides: str) -> tuple[RunConfig, Splits, TrainingState, TrainingPlan]:
    config = config_of(*overrides)
    splits = data.load(config.data)
    state = state_of(config, splits)
    return config, splits, state, plan_of(config, splits, state.model)
