"""The epoch loop: a generator of EpochRecords. It knows no files, no Hydra and no console.

With a second core to itself, a run of one thread evaluates a copy of its model there while the next
epoch trains. The numbers are those of one after the other.
"""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from threading import Event

import torch
from torch import nn
from torch.optim import Optimizer

from dropexp.config.training_sections import EarlyStoppingConfig, TrainConfig
from dropexp.runs.records import EpochRecord, find_best_epoch
from dropexp.training.compiling import prepare_forward
from dropexp.training.evaluation import CleanAndNoisy, evaluate_train, evaluate_val
from dropexp.training.progress import ReportStep
from dropexp.training.state import TrainingPlan, TrainingState, clone_tensors
from dropexp.training.steps import EpochSteps


def train(
    state: TrainingState,
    plan: TrainingPlan,
    report_step: ReportStep | None = None,
    has_free_core: Callable[[], bool] = lambda: False,
) -> Generator[EpochRecord]:
    """Train from ``state`` to the end of the run, and yield the EpochRecord of each epoch.

    A run ends after ``train.epochs`` epochs, by early stopping, or after the first epoch with a
    loss that is not finite. An epoch depends only on the state, the plan and its number, so a
    resumed run repeats the uninterrupted one bit for bit.

    Args:
        state: of the epochs trained so far. Whenever a record is yielded, and at the end, it is
            the state after that record's epoch; its model and optimiser may be other objects.
        plan: of the run.
        report_step: receives the progress within long epochs, at most twice a second.
        has_free_core: asked after each epoch whether to evaluate while the next epoch trains.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="evaluation") as evaluator:
        training = _Training(state, plan, evaluator, report_step, has_free_core)
        try:
            yield from training.train_epochs()
        finally:
            training.is_abandoned.set()  # Ctrl-C need not wait for a long evaluation


def has_ended(records: Sequence[EpochRecord], config: TrainConfig) -> bool:
    """Return whether a run with these records trains no further epoch."""
    if not records:
        return False
    if len(records) >= config.epochs or not records[-1].is_finite:
        return True
    return config.early_stopping is not None and _has_stalled(records, config.early_stopping)


def _has_stalled(records: Sequence[EpochRecord], rule: EarlyStoppingConfig) -> bool:
    """Return whether ``patience`` epochs have passed without a fall of more than ``min_delta``."""
    if len(records) <= rule.patience:
        return False
    earlier = min(record.val_loss for record in records[: -rule.patience])
    recent = min(record.val_loss for record in records[-rule.patience :])
    return recent >= earlier - rule.min_delta


_SECONDS_WORTH_A_THREAD = 0.01
"""Of an evaluation. Below this, two threads lose more by taking turns in Python than they gain."""

_Measured = tuple[CleanAndNoisy, CleanAndNoisy]


@dataclass(frozen=True)
class _Trained:
    """An epoch whose steps are taken, and the model and optimiser as they were then."""

    steps: EpochSteps
    model: nn.Module
    optimiser: Optimizer
    measured: "Future[_Measured]"


class _Training:
    """One run's way through its epochs; see train."""

    def __init__(
        self,
        state: TrainingState,
        plan: TrainingPlan,
        evaluator: ThreadPoolExecutor,
        report_step: ReportStep | None,
        has_free_core: Callable[[], bool],
    ) -> None:
        self._state, self._plan = state, plan
        self._evaluator = evaluator
        self._report_step, self._has_free_core = report_step, has_free_core
        self.is_abandoned = Event()
        self._waiting: _Trained | None = None
        self._evaluation_seconds = 0.0
        self._lap = time.perf_counter()

    def train_epochs(self) -> Iterator[EpochRecord]:
        # Of the latest step; those in the state are of the latest record.
        model, optimiser = self._state.model, self._state.optimiser
        forward = prepare_forward(self._plan.config.train, model)
        epoch = len(self._state.records)
        while not self._has_ended():
            epoch += 1
            steps = EpochSteps(model, optimiser, forward, self._plan, epoch, self._report_step)
            for _ in steps:
                if self._waiting is not None and self._waiting.measured.done():
                    yield from self._record()
                    if self._has_ended():
                        return  # the steps since then are lost
            yield from self._record()
            if self._has_ended():
                return
            self._waiting = self._evaluate(steps, model, optimiser)
            if self._waiting.model is model:
                yield from self._record()

    def _has_ended(self) -> bool:
        return has_ended(self._state.records, self._plan.config.train)

    def _evaluate(self, steps: EpochSteps, model: nn.Module, optimiser: Optimizer) -> _Trained:
        """Evaluate the model now, or begin to evaluate a copy of it on another core."""
        is_last = steps.epoch == self._plan.config.train.epochs
        is_worthwhile = self._evaluation_seconds >= _SECONDS_WORTH_A_THREAD
        if is_worthwhile and not is_last and self._has_free_core():
            model, optimiser = deepcopy((model, optimiser))  # the copy's own parameters
            measured = self._evaluator.submit(_measure_copy, model, self._plan, self.is_abandoned)
            return _Trained(steps, model, optimiser, measured)
        start = time.perf_counter()
        measured = Future()
        measured.set_result(_measure(model, self._plan))
        self._evaluation_seconds = time.perf_counter() - start
        return _Trained(steps, model, optimiser, measured)

    def _record(self) -> Iterator[EpochRecord]:
        """Bring the state to the end of the epoch that waits, if one does; yield its record."""
        trained, self._waiting = self._waiting, None
        if trained is None:
            return
        state, steps = self._state, trained.steps
        on_train, on_val = trained.measured.result()
        now = time.perf_counter()
        record = EpochRecord(
            epoch=steps.epoch,
            lr=steps.lr,
            p=steps.p,
            noisy_train_loss=steps.noisy_train_loss,
            train_loss=on_train.noisy.loss,
            train_acc=on_train.noisy.acc,
            clean_label_train_loss=on_train.clean.loss,
            clean_label_train_acc=on_train.clean.acc,
            val_loss=on_val.clean.loss,
            val_acc=on_val.clean.acc,
            noisy_label_val_loss=on_val.noisy.loss,
            noisy_label_val_acc=on_val.noisy.acc,
            seconds=now - self._lap,
        )
        state.model, state.optimiser = trained.model, trained.optimiser
        state.records.append(record)
        if state.fitted is not None and on_train.fitted is not None:
            state.fitted.append(on_train.fitted)
        if find_best_epoch(state.records) is record:
            state.best_weights = clone_tensors(trained.model.state_dict())
        # The receiver may draw random numbers while the masks of an epoch are being drawn.
        with torch.random.fork_rng(devices=[]):
            yield record
        self._lap = time.perf_counter()


def _measure(model: nn.Module, plan: TrainingPlan) -> _Measured:
    splits, precision = plan.splits, plan.config.precision
    is_tracked = plan.config.track_examples
    on_train = evaluate_train(model, splits, precision, track_examples=is_tracked)
    return on_train, evaluate_val(model, splits, precision)


class _AbandonedError(Exception):
    """Nobody waits for an evaluation any more."""


def _measure_copy(model: nn.Module, plan: TrainingPlan, is_abandoned: Event) -> _Measured:
    """Measure a model that nothing else uses, and give up at the next chunk if asked to."""

    def give_up(*_: object) -> None:
        if is_abandoned.is_set():
            raise _AbandonedError

    handle = model.register_forward_pre_hook(give_up)
    try:
        return _measure(model, plan)
    finally:
        handle.remove()
