"""A run that was never trained, as its console is told of it."""

import io
import math
import re
from pathlib import Path

from rich.console import Console

from dropexp.cli.run_console import RunConsole
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)

RUN_ID = "dropout2d-p0.3-s0-1a2b3c4d"
FOLDER = Path("a folder") / ("deep" * 30) / RUN_ID
COMMANDS = [
    ("dropexp compare", "all finished runs side by side"),
    (f"tensorboard --logdir {'long' * 30}", "the curves in a browser"),
]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


def record_of(epoch: int, val_loss: float | None = None) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        lr=1e-3,
        p=0.3,
        noisy_train_loss=1.5 / epoch,
        train_loss=1 / epoch,
        train_acc=0.987 - 0.1 / epoch,
        val_loss=0.4 + abs(epoch - 12) / 100 if val_loss is None else val_loss,
        val_acc=0.876 - 0.1 / epoch,
        seconds=0.08,
    )


RECORDS = [record_of(epoch) for epoch in range(1, 31)]
DIVERGING = [*RECORDS[:8], record_of(9, val_loss=math.nan)]


def summary_of(records: list[EpochRecord]) -> RunSummary:
    finite = [record for record in records if record.is_finite]
    best = find_best_epoch(records)
    return RunSummary(
        run_id=RUN_ID,
        status=RunStatus.COMPLETED if finite == records else RunStatus.DIVERGED,
        regulariser="dropout2d",
        p=0.3,
        seed=0,
        parameters=98442,
        seconds=2.46,
        peak_memory_mb=512.3,
        audit=AuditOutcome.PASSED,
        best=SelectedEpoch.from_record(best, 0.47, 0.861) if best else None,
        last=SelectedEpoch.from_record(records[-1], 0.81, 0.842),
        config_hash="0" * 64,
        results_version=1,
    )


def plain_console(width: int = 80) -> tuple[RunConsole, io.StringIO]:
    out = io.StringIO()
    return RunConsole(Console(file=out, width=width, _environ={})), out


def terminal(width: int = 80, **environment: str) -> tuple[RunConsole, io.StringIO]:
    out = io.StringIO()
    environment = {"TERM": "xterm-256color"} | environment
    console = Console(file=out, width=width, height=50, force_terminal=True, _environ=environment)
    return RunConsole(console), out


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def run_through(console: RunConsole, records: list[EpochRecord]) -> None:
    with console:
        console.start(RUN_ID, ["data digits", "model small_cnn"])
        console.report_audit("audit passed")
        for record in records:
            console.report_epoch(record, 30)
        console.show_run(summary_of(records), records, FOLDER, COMMANDS, is_reused=False)
