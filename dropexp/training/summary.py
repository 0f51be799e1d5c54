"""From a trained state to the run's summary: the only place that touches the test set."""

from collections.abc import Mapping
from dataclasses import replace

from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.runs.examples import ExampleHistory
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.statistics import area_between, rise_after_best
from dropexp.training.environment import measure_peak_memory
from dropexp.training.evaluation import FinalMeasurement, evaluate_final
from dropexp.training.examples import summarise_examples
from dropexp.training.state import TrainingState
from dropexp.training.variance_shift import mean_shift, measure_variance_shifts


def summarise(
    config: RunConfig,
    state: TrainingState,
    splits: Splits,
    audit: AuditOutcome,
    examples: ExampleHistory | None = None,
) -> RunSummary:
    """Measure the last and the best epoch on the test set, and return the run's summary.

    Args:
        config: of the run.
        state: at the end of training. Its model has the weights of the best epoch afterwards.
        splits: the data, on the model's device.
        audit: the outcome of the audit before training.
        examples: what became of the training examples; None where the run has not tracked them.
    """
    records = state.records
    last, best = records[-1], find_best_epoch(records)
    at_last = at_best = evaluate_final(state.model, splits, config.precision)
    shifts = shifts_at_best = measure_variance_shifts(state.model, splits, config.precision)
    if best is not None and best is not last:
        state.model.load_state_dict(state.best_weights)
        at_best = evaluate_final(state.model, splits, config.precision)
        shifts_at_best = measure_variance_shifts(state.model, splits, config.precision)
    train_losses = [record.train_loss for record in records]
    val_losses = [record.val_loss for record in records]
    comparable = [record.comparable_val_loss for record in records]
    return RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED if last.is_finite else RunStatus.DIVERGED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        seconds=sum(record.seconds for record in records),
        peak_memory_mb=measure_peak_memory(splits.device),
        audit=audit,
        best=None if best is None else _select(best, at_best, shifts_at_best),
        last=_select(last, at_last, shifts),
        config_hash=config.config_hash,
        results_version=RESULTS_VERSION,
        rise=rise_after_best(val_losses).last,
        area=area_between(train_losses, comparable),
        forgetting=None if examples is None else summarise_examples(examples),
        variance_shifts=shifts,
    )


def _select(
    record: EpochRecord, measured: FinalMeasurement, shifts: Mapping[str, float]
) -> SelectedEpoch:
    selected = SelectedEpoch.from_record(
        record,
        measured.test.loss,
        measured.test.acc,
        measured.test_ece,
        measured.noisy_label_acc,
        measured.test_entropy,
    )
    return replace(selected, variance_shift=mean_shift(shifts))
