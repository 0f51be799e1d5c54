"""What training changes, and what it does not: the state and the plan of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.runs.records import EpochRecord
from dropexp.training.examples import FittedExamples
from dropexp.training.optim import LearningRate, build_schedule


@dataclass
class TrainingState:
    """What training changes: everything that a checkpoint holds.

    Attributes:
        model: the network, with its noise modules.
        optimiser: the optimiser of the model's parameters.
        records: the records of the epochs trained so far.
        best_weights: the model's state_dict at the epoch of the lowest validation loss so far.
        fitted: which training images the network predicts as they are labelled, after each epoch;
            None where the run does not track them.
    """

    model: nn.Module
    optimiser: Optimizer
    records: list[EpochRecord] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    fitted: FittedExamples | None = None


@dataclass(frozen=True)
class TrainingPlan:
    """What training does not change.

    Attributes:
        config: the config of the run.
        splits: the data, on the device to train on.
        full_p: noise module name → its p where the time schedule's factor is 1.
    """

    config: RunConfig
    splits: Splits
    full_p: Mapping[str, float]

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch; the last may be smaller, none is dropped."""
        return -(-len(self.splits.train) // self.config.train.batch_size)

    @cached_property
    def learning_rate(self) -> LearningRate:
        """The learning rate as a function of the step, counted from 0 over the whole run."""
        config = self.config
        return build_schedule(config.optimiser, self.steps_per_epoch, config.train.epochs)


def clone_tensors(value: Any) -> Any:
    """Return a copy of nested dicts and lists in which every tensor is copied."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: clone_tensors(item) for key, item in value.items()}
    if isinstance(value, list):
        return [clone_tensors(item) for item in value]
    return value
