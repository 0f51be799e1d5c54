"""Records to write into TensorBoard's files, and what these files then hold."""

from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)

CONFIG = compose_run(["regulariser=dropout2d", "p=0.3"])


def make_record(epoch: int, val_loss: float = 0.5, p: float = 0.3) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        lr=1e-3 / epoch,
        p=p,
        noisy_train_loss=1.7 / epoch,
        train_loss=1.1 / epoch,
        train_acc=1 - 0.3 / epoch,
        val_loss=val_loss + abs(epoch - 3) / 7,
        val_acc=0.9 - 0.2 / epoch,
        seconds=0.08,
        clean_label_train_loss=1.2 / epoch,
        clean_label_train_acc=1 - 0.35 / epoch,
        noisy_label_val_loss=val_loss + abs(epoch - 3) / 7 + 0.3,
        noisy_label_val_acc=0.8 - 0.2 / epoch,
    )


def make_summary(config: RunConfig, records: list[EpochRecord]) -> RunSummary:
    best = find_best_epoch(records)
    return RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED if records[-1].is_finite else RunStatus.DIVERGED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=98442,
        seconds=2.46,
        peak_memory_mb=512.3,
        audit=AuditOutcome.PASSED,
        best=SelectedEpoch.from_record(best, 0.47, 0.861, 0.05, 0.25) if best else None,
        last=SelectedEpoch.from_record(records[-1], 0.81, 0.842, 0.06),  # as without label noise
        config_hash=config.config_hash,
        results_version=1,
    )


def read_events(folder: Path) -> list[Any]:
    """Read the events of the folder's only event file; the loader verifies their checksums."""
    (file,) = folder.glob("events.out.tfevents.*")
    return list(LegacyEventFileLoader(str(file)).Load())


def read_scalars(folder: Path) -> list[tuple[str, int, float]]:
    return [
        (value.tag, event.step, value.simple_value)
        for event in read_events(folder)
        for value in event.summary.value
        if value.HasField("simple_value")
    ]


def read_hparams(folder: Path) -> dict[str, Any]:
    found = {}
    for event in read_events(folder):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                found[value.tag.removeprefix("_hparams_/")] = content
    return found


def round_to_float32(value: float) -> float:
    """Round to single precision, in which TensorBoard stores scalars."""
    return torch.tensor(value, dtype=torch.float32).item()
