"""One run from config to summary: the place where the parts meet.

The route: config → folder → data → model → audit → epochs → summary.
"""

import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from dropexp import data, models
from dropexp.config.compose import to_yaml
from dropexp.config.model_section import CustomConfig, TorchvisionConfig
from dropexp.config.run_config import RunConfig
from dropexp.data import Splits
from dropexp.errors import AuditError, ConfigError, DiskError, RunError, StoreError, UserError
from dropexp.loggers.registry import list_destinations, refuse_missing_packages
from dropexp.runs.attempts import make_attempt, record_attempt
from dropexp.runs.files import AUDIT, CHECKPOINT, CONFIG, ENVIRONMENT, ERROR
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import AuditOutcome, EpochRecord, RunSummary
from dropexp.runs.trust import remember_use
from dropexp.runs.write import RunFolder, open_runs_dir
from dropexp.training import checkpoint
from dropexp.training.build import audit_model, build_plan, build_state, describe_data_and_model
from dropexp.training.compiling import refuse_unavailable
from dropexp.training.environment import (
    configure_torch,
    describe_environment,
    is_out_of_memory,
    select_device,
)
from dropexp.training.examples import explain_untracked, write_examples
from dropexp.training.loop import train
from dropexp.training.mc_dropout import add_mc_dropout, explain_no_effect
from dropexp.training.progress import EpochProgress
from dropexp.training.startup import resume_collector
from dropexp.training.state import TrainingPlan, TrainingState
from dropexp.training.summary import summarise
from dropexp.training.threads import choose_threads, has_free_core
from dropexp.training.weights import read_weights, write_weights


class RunView(Protocol):
    """Receives a run's events."""

    def start(self, run_id: str, lines: Sequence[str]) -> None:
        """Show that training starts; the lines describe the data and the model."""

    def note(self, message: str) -> None:
        """Show a message."""

    def warn(self, message: str) -> None:
        """Show a warning: a reason to trust the results less."""

    def report_audit(self, line: str) -> None:
        """Show that the audit has passed; the line summarises it."""

    def report_step(self, progress: EpochProgress) -> None:
        """Show the progress within a long epoch; called at most twice a second."""

    def report_epoch(self, record: EpochRecord, epochs: int) -> None:
        """Show the results of one epoch, of at most ``epochs``."""


@dataclass(frozen=True)
class FinishedRun:
    """A run with its results.

    Attributes:
        summary: as in summary.json.
        records: the records of all epochs.
        folder: the run folder.
        is_reused: whether the folder already held the finished run, so that nothing was trained.
        is_measured: whether the finished run was measured with mc_dropout.
    """

    summary: RunSummary
    records: tuple[EpochRecord, ...]
    folder: Path
    is_reused: bool
    is_measured: bool = False


@dataclass(frozen=True)
class _Start:
    """How to start a training.

    Attributes:
        device: to train on.
        attempt: the entries of environment.json that name it.
        is_forced: whether to remove what the folder holds.
        shares_cores: whether other runs are to use the cores that this one leaves free.
    """

    device: str
    attempt: Mapping[str, Any]
    is_forced: bool
    shares_cores: bool


def run(
    config: RunConfig,
    view: RunView,
    *,
    runs_dir: Path | None = None,
    device: str | None = None,
    patience: float = -1,
    sweep: str = "",
    must_replace: Callable[[RunFolder], bool] | None = None,
) -> FinishedRun:
    """Train a run to its end, resume an interrupted one, or return a finished one.

    A finished run that lacks the measurement that ``mc_dropout`` asks for gets it.

    Args:
        config: of the run.
        view: receives the run's events.
        runs_dir: the folder of run folders; None: the config's.
        device: the device to train on; None: the config's.
        patience: seconds to wait for a process that is training this run; below 0: no limit.
        sweep: the token of the sweep that launches the run; empty outside sweeps.
        must_replace: decides under the lock whether to train again in spite of what the folder
            holds; None: the config's ``force`` does.

    Raises:
        UserError: the data, the device, the folder or the combination of model and regulariser
            is not available; nothing was trained.
        RunError: the audit failed, the folder cannot be written, or the device ran out of memory.
        BusyError: another process still trains this run after ``patience`` seconds.
    """
    folder = RunFolder(runs_dir or open_runs_dir(config.runs_dir), config.run_id)
    device = device or config.device
    attempt = make_attempt(sweep)
    config = config.model_copy(update={"threads": choose_threads(config)})

    def note_wait() -> None:
        view.note(f"another process is training {config.run_id}; waiting for it")

    with folder.lock(note_wait, patience=patience):
        is_forced = config.force if must_replace is None else must_replace(folder)
        if folder.status is FolderStatus.FINISHED and not is_forced:
            _refuse_other_run(config, folder)
            damage = folder.find_damage(whole=True)
            if not damage:
                return _reuse(config, folder, view, device)
            view.warn(f"{folder.path} is not whole ({damage}): the run is trained again")
        try:
            return _train(config, folder, view, _Start(device, attempt, is_forced, bool(sweep)))
        except UserError:
            folder.discard_if_new()
            raise
        except DiskError:
            raise  # no fault of the run: the same command resumes it
        except Exception as error:
            _keep_traceback(folder, error, attempt)
            if is_out_of_memory(error):
                raise RunError(
                    "the device ran out of memory. Choose a smaller model, train.batch_size or "
                    "data.train_size."
                ) from None
            raise


def _reuse(config: RunConfig, folder: RunFolder, view: RunView, device_name: str) -> FinishedRun:
    """Return a finished run, measured with mc_dropout if the config asks for it."""
    if leftovers := folder.list_leftovers():
        folder.remove_leftovers(keep_checkpoint=CHECKPOINT not in leftovers)
    summary = folder.read_summary()
    if summary.audit is not AuditOutcome.PASSED:
        view.warn(
            f"this run was trained with its audit {summary.audit}; force=true trains it again"
        )
    is_measured = summary.lacks_mc_dropout(config.mc_dropout)
    if is_measured:
        splits, _ = _prepare(config, device_name)
        summary = add_mc_dropout(config, summary, splits, read_weights(folder, summary.parameters))
        folder.write_summary(summary)
        folder.log(f"measured with mc_dropout={config.mc_dropout}")
    _note_no_effect(config, summary, view)
    if config.track_examples and summary.forgetting is None:
        view.warn(explain_untracked(summary.last.epoch))
    records = tuple(folder.read_records())
    return FinishedRun(summary, records, folder.path, is_reused=True, is_measured=is_measured)


def _refuse_other_run(config: RunConfig, folder: RunFolder) -> None:
    """Refuse a folder whose summary is that of another configuration."""
    with suppress(StoreError):
        if folder.read_summary().config_hash != config.config_hash:
            raise ConfigError(
                f"{folder.path} holds a run of another configuration with the same short id. "
                f"Choose another runs_dir, or replace that run with force=true."
            )


def _train(
    config: RunConfig,
    folder: RunFolder,
    view: RunView,
    start: _Start,
) -> FinishedRun:
    """Train a run from its start, or from the checkpoint of an interrupted process."""
    splits, device = _prepare(config, start.device)
    state = build_state(config, splits)
    # Every mistake of the user has been reported by now, so an earlier attempt may be replaced.
    record_request(folder.path.parent, config.study, [config.run_id], Purpose.SWEEP)
    if start.is_forced:
        folder.clear()
    folder.forget_results()  # of a finished run that is not whole
    folder.remove_error()
    folder.remove_parts()
    folder.write(CONFIG, to_yaml(config), is_promised=False)
    before, now = folder.read_environment(), describe_environment(device)
    now |= {**start.attempt, **models.record_fine_tuning(state.model)}
    folder.write_json(ENVIRONMENT, now)
    for note in models.get_notes(state.model):
        folder.log(note)
    view.start(config.run_id, describe_data_and_model(config, splits, state.model))
    for name in splits.skipped:
        folder.log(f"left out, as it cannot be decoded: {name}")
    audit = _audit(config, splits, state.model, folder, view)
    resumed = _resume(config, splits, folder, view)
    if resumed is not None:
        state = resumed
        _warn_of_other_environment(before, now, view)
    plan = build_plan(config, splits, state.model)

    from dropexp.training.recorder import Recorder  # see startup.py

    with Recorder(config, folder, state, splits, view) as recorder:
        resume_collector()
        has_core = watch_cores(plan, shares_cores=start.shares_cores)
        for record in train(state, plan, view.report_step, has_core):
            recorder.write_epoch(record)
            view.report_epoch(record, config.train.epochs)
        if state.records[-1].is_finite and len(state.records) < config.train.epochs:
            view.note(f"stopped early after epoch {len(state.records)} of {config.train.epochs}")
        examples = None if state.fitted is None else state.fitted.to_history(splits)
        summary = summarise(config, state, splits, audit, examples)
        write_weights(folder, state.best_weights)
        write_examples(folder, examples)
        summary = add_mc_dropout(config, summary, splits, state.best_weights)
        _note_no_effect(config, summary, view)
        recorder.finish(summary)
    return FinishedRun(summary, tuple(state.records), folder.path, is_reused=False)


def watch_cores(plan: TrainingPlan, *, shares_cores: bool) -> Callable[[], bool]:
    """Return what tells whether a copy of the model may be evaluated while the model trains."""
    config = plan.config
    # Copies of networks that others wrote may share what their authors keep outside of modules.
    is_ours = not isinstance(config.model, CustomConfig | TorchvisionConfig)
    is_ours = is_ours and all(part.name != "custom" for part in config.parts)
    is_plain = config.precision == "float32" and not config.train.compile
    if plan.splits.device.type != "cpu" or not is_plain or not is_ours:
        return lambda: False
    return partial(has_free_core, choose_threads(config), shares_cores=shares_cores)


def _prepare(config: RunConfig, device_name: str) -> tuple[Splits, torch.device]:
    """Set up torch, and load the data onto the device."""
    refuse_missing_packages(list_destinations(config.logger))
    remember_use(config)  # what reaches this line was typed, or trusted
    device = select_device(device_name)
    refuse_unavailable(config, device)
    configure_torch(device, config.threads, config.deterministic, config.precision)
    return data.load(config.data).to(device), device


def _audit(
    config: RunConfig, splits: Splits, model: nn.Module, folder: RunFolder, view: RunView
) -> AuditOutcome:
    """Audit the model as the config says.

    Raises:
        AuditError: a check failed, and the config does not say ``audit=warn``.
    """
    if config.audit == "off":
        view.warn("audit=off: nothing proves that the regulariser is on")
        return AuditOutcome.SKIPPED
    report = audit_model(config, splits, model)
    folder.write_json(AUDIT, report.to_json(), is_promised=False)
    if report.passed:
        view.report_audit(report.summarise())
        return AuditOutcome.PASSED
    if config.audit == "strict":
        raise AuditError(
            f"the audit failed: {report.summarise()}. Nothing was trained. See "
            f"{folder.path / AUDIT}, or train in spite of it with audit=warn."
        )
    view.warn(f"the audit failed: {report.summarise()}")
    return AuditOutcome.FAILED


def _resume(
    config: RunConfig, splits: Splits, folder: RunFolder, view: RunView
) -> TrainingState | None:
    """Return the state that an interrupted process saved; None where there is none to use."""
    if not os.path.lexists(folder.path / CHECKPOINT):  # a link too, which is refused
        return None
    state = build_state(config, splits)
    numbers = sum(tensor.numel() for tensor in state.model.state_dict().values())
    raw = folder.read_checkpoint(numbers)
    if raw is None:
        return None
    try:
        checkpoint.restore(state, raw, config.config_hash, splits.device)
    except checkpoint.DamagedCheckpointError as error:
        view.warn(f"{folder.path / CHECKPOINT} is damaged ({error}); starting over")
        return None
    view.note(f"resuming after epoch {len(state.records)}")
    if config.track_examples and state.fitted is None:
        view.warn(explain_untracked(len(state.records)))
    return state


def _warn_of_other_environment(
    before: Mapping[str, Any], now: Mapping[str, Any], view: RunView
) -> None:
    """Warn where resuming is not exact: another machine rounds sums differently."""
    compared = ("device", "device_name", "threads", "packages")
    changed = [key for key in compared if key in before and before[key] != now[key]]
    if changed:
        view.warn(
            f"this run was started with another {' and '.join(changed)}: its numbers may differ in "
            f"their last digits from those of a run that was never interrupted"
        )


def _note_no_effect(config: RunConfig, summary: RunSummary, view: RunView) -> None:
    explanation = explain_no_effect(config, summary)
    if explanation:
        view.note(explanation)


def _keep_traceback(folder: RunFolder, error: Exception, attempt: dict[str, Any]) -> None:
    """Write error.txt. Where that fails too, the caller's ``error`` tells the reason."""
    with suppress(StoreError):
        record_attempt(folder, attempt)
        folder.write(ERROR, "".join(traceback.format_exception(error)))
