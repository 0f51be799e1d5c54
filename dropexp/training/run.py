"""One run from config to summary: the only place where the parts meet."""

import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dropexp import data
from dropexp.config.compose import to_yaml
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.errors import AuditError, ConfigError, RunError, StoreError, UserError
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.runs.write import (
    AUDIT,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    ERROR,
    SUMMARY,
    WEIGHTS,
    FolderStatus,
    RunFolder,
    open_runs_dir,
)
from dropexp.statistics import area_between, rise_after_best
from dropexp.training import checkpoint
from dropexp.training.build import audit_model, build_plan, build_state, describe_data_and_model
from dropexp.training.environment import (
    configure_torch,
    describe,
    is_out_of_memory,
    peak_memory_mb,
    select_device,
)
from dropexp.training.evaluation import FinalMeasurement, evaluate_finally
from dropexp.training.loop import TrainingState, train
from dropexp.training.mc_dropout import remark, with_mc_dropout


class RunView(Protocol):
    """Receives a run's events."""

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """Training is about to begin; the lines describe the data and the model."""

    def note(self, message: str) -> None:
        """There is something to know."""

    def warn(self, message: str) -> None:
        """There is something that may make the results less than they seem."""

    def report_audit(self, line: str) -> None:
        """The audit has passed; the line summarises it."""

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """An epoch, of at most ``epochs``, has been trained and measured."""


@dataclass(frozen=True)
class FinishedRun:
    """What run() gives back."""

    summary: RunSummary
    records: tuple[EpochRecord, ...]
    folder: Path
    reused: bool  # the folder held the finished run already


def run(
    config: RunConfig,
    view: RunView,
    *,
    runs_dir: Path | None = None,
    device: str | None = None,
    patience: float = -1,
) -> FinishedRun:
    """Train a run to its end, go on with an interrupted one, or give back a finished one.

    A finished one that lacks the passes that the config asks for (``mc_dropout``) gets them.

    Args:
        config: of the run.
        view: is told what happens.
        runs_dir: the folder of run folders, where it is not the config's.
        device: to train on, where it is not the config's.
        patience: seconds to wait for a process that is training this run; below 0: for ever.

    Raises:
        UserError: the data, the device, the folder or the combination of model and regulariser
            cannot be had; nothing was trained.
        RunError: the audit failed, the folder could not be written, or (BusyError) patience ended.
    """
    folder = RunFolder(runs_dir or open_runs_dir(config.runs_dir), config.run_id)

    def say_that_it_waits() -> None:
        view.note(f"another process is training {config.run_id}; waiting for it")

    with folder.lock(say_that_it_waits, patience=patience):
        if folder.status is FolderStatus.FINISHED and not config.force:
            return _reused(folder, config, view, device or config.device)
        try:
            return _trained(config, folder, view, device or config.device)
        except UserError:
            folder.discard_if_new()
            raise
        except Exception as error:
            _note_failure(folder, error)
            if is_out_of_memory(error):
                raise RunError(
                    "the device ran out of memory; a smaller model, train.batch_size or "
                    "data.train_size needs less."
                ) from None
            raise


def _reused(folder: RunFolder, config: RunConfig, view: RunView, device_name: str) -> FinishedRun:
    summary = folder.read_summary()
    if summary.config_hash != config.config_hash:
        raise ConfigError(
            f"{folder.path} holds a run of another configuration with the same short id; "
            f"choose another runs_dir, or force=true to replace it."
        )
    if summary.audit is not AuditOutcome.PASSED:
        view.warn(f"this run was trained with its audit {summary.audit}; force=true repeats it")
    if summary.lacks_mc_dropout(config.mc_dropout):
        device = select_device(device_name)
        configure_torch(device, config.threads, config.deterministic)
        splits = data.load(config.data).to(device)
        summary = with_mc_dropout(config, summary, splits, _read_weights(folder))
        folder.write_json(SUMMARY, summary.to_json())
        folder.log(f"measured with mc_dropout={config.mc_dropout}")
    if said := remark(config, summary):
        view.note(said)
    return FinishedRun(summary, tuple(folder.read_records()), folder.path, reused=True)


def _trained(config: RunConfig, folder: RunFolder, view: RunView, device_name: str) -> FinishedRun:
    device = select_device(device_name)
    configure_torch(device, config.threads, config.deterministic)
    splits = data.load(config.data).to(device)
    state = build_state(config, splits)
    # Whatever the user may have got wrong is behind us: now an earlier attempt may be replaced.
    if config.force:
        folder.clear()
    folder.remove_error()
    folder.write(CONFIG, to_yaml(config))
    before, now = folder.read_environment(), describe(device)
    folder.write_json(ENVIRONMENT, now)
    view.start(config.run_id, describe_data_and_model(config, splits, state.model))
    outcome = _audited(config, splits, state.model, folder, view)
    resumed = _resumed(config, splits, device, folder, view)
    if resumed is not None:
        state = resumed
        _say_what_has_changed(before, now, view)
    plan = build_plan(config, splits, state.model)

    from dropexp.training.recorder import (
        Recorder,  # TensorBoard's import is not needed to fail early
    )

    with Recorder(config, folder, state, splits) as recorder:
        for record in train(state, plan):
            recorder.epoch(record)
            view.report_epoch(record, config.train.epochs)
        if state.records[-1].is_finite and len(state.records) < config.train.epochs:
            view.note(f"stopped early after epoch {len(state.records)} of {config.train.epochs}")
        summary = _summarised(config, state, splits, device, outcome)
        _write_weights(folder, state)
        summary = with_mc_dropout(config, summary, splits, state.best_weights)
        if said := remark(config, summary):
            view.note(said)
        recorder.finish(summary)
    return FinishedRun(summary, tuple(state.records), folder.path, reused=False)


# --- parts -------------------------------------------------------------------------------


def _audited(
    config: RunConfig, splits: Splits, model: nn.Module, folder: RunFolder, view: RunView
) -> AuditOutcome:
    """Raises AuditError if a check fails and the config does not say ``audit=warn``."""
    if config.audit == "off":
        view.warn("audit=off: nothing shows that the regulariser does what it claims")
        return AuditOutcome.SKIPPED
    report = audit_model(config, splits, model)
    folder.write_json(AUDIT, report.to_json())
    if report.passed:
        view.report_audit(report.summarise())
        return AuditOutcome.PASSED
    if config.audit == "strict":
        raise AuditError(
            f"the audit failed: {report.summarise()}. Nothing was trained; see "
            f"{folder.path / AUDIT}, or go on all the same with audit=warn."
        )
    view.warn(f"the audit failed: {report.summarise()}")
    return AuditOutcome.FAILED


def _resumed(
    config: RunConfig, splits: Splits, device: torch.device, folder: RunFolder, view: RunView
) -> TrainingState | None:
    """The state that an interrupted process saved; None where a fresh start is due."""
    raw = folder.read_checkpoint()
    if raw is None:
        return None
    state = build_state(config, splits)
    try:
        checkpoint.restore(state, raw, config.config_hash, device)
    except checkpoint.DamagedCheckpointError as error:
        view.warn(f"{folder.path / CHECKPOINT} is damaged ({error}); starting over")
        return None
    view.note(f"going on after epoch {len(state.records)}")
    return state


def _say_what_has_changed(before: Mapping[str, Any], now: Mapping[str, Any], view: RunView) -> None:
    """Resuming is exact on the same machine only: elsewhere sums are rounded otherwise."""
    changed = [key for key in ("device", "device_name", "threads", "packages") if key in before]
    changed = [key for key in changed if before[key] != now[key]]
    if changed:
        view.warn(
            f"this run was begun with another {' and '.join(changed)}: its numbers may differ in "
            f"their last digits from those of a run that was never interrupted"
        )


def _summarised(
    config: RunConfig,
    state: TrainingState,
    splits: Splits,
    device: torch.device,
    outcome: AuditOutcome,
) -> RunSummary:
    """Touches the test set: at the last and at the selected epoch, and never before."""
    last, best = state.records[-1], find_best_epoch(state.records)
    of_last = evaluate_finally(state.model, splits, config.precision)
    of_best = of_last
    if best is not None and best is not last:
        state.model.load_state_dict(state.best_weights)
        of_best = evaluate_finally(state.model, splits, config.precision)
    return RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED if last.is_finite else RunStatus.DIVERGED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=sum(parameter.numel() for parameter in state.model.parameters()),
        seconds=sum(record.seconds for record in state.records),
        peak_memory_mb=peak_memory_mb(device),
        audit=outcome,
        best=None if best is None else _selected(best, of_best),
        last=_selected(last, of_last),
        config_hash=config.config_hash,
        results_version=RESULTS_VERSION,
        rise=rise_after_best([record.val_loss for record in state.records]).last,
        area=area_between(
            [record.train_loss for record in state.records],
            [record.val_loss for record in state.records],
        ),
    )


def _selected(record: EpochRecord, measured: FinalMeasurement) -> SelectedEpoch:
    return SelectedEpoch.from_record(
        record,
        measured.test.loss,
        measured.test.acc,
        measured.test_ece,
        measured.noisy_label_acc,
        measured.test_entropy,
    )


def _read_weights(folder: RunFolder) -> dict[str, Tensor]:
    """The weights at the best epoch.

    Raises:
        StoreError: they are not there, or are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load((folder.path / WEIGHTS).read_bytes())
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{folder.path / WEIGHTS}, which mc_dropout needs, cannot be read: {reason}; "
            f"force=true trains this run again."
        ) from None


def _write_weights(folder: RunFolder, state: TrainingState) -> None:
    from safetensors.torch import save

    if state.best_weights:
        plain = {name: weight.contiguous() for name, weight in state.best_weights.items()}
        folder.write(WEIGHTS, save(plain), durable=True)


def _note_failure(folder: RunFolder, error: Exception) -> None:
    """Leave the traceback in the folder; if even that cannot be written, the error says why."""
    with suppress(StoreError):
        folder.write(ERROR, "".join(traceback.format_exception(error)))
