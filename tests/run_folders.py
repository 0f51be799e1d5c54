"""Builds run folders with the results that a test needs; nothing is trained."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from dropexp.compare import Question, compare, find_runs
from dropexp.compare.results import Comparison
from dropexp.config.compose import compose_run, to_yaml
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.planned_runs import PlannedSetting
from dropexp.config.run_config import RunConfig
from dropexp.runs.files import CONFIG, SUMMARY
from dropexp.runs.ledger import LEDGER, Purpose, read_ledger, record_end, record_request
from dropexp.runs.listed_run import ListedStatus
from dropexp.runs.listing import list_runs
from dropexp.runs.records import AuditOutcome, EpochRecord, RunStatus, RunSummary, SelectedEpoch
from dropexp.runs.write import RunFolder

SummaryChange = Callable[[RunSummary], RunSummary]

DROPOUT = "regulariser=dropout2d p=0.3"
NONE = "regulariser=none"


def make_record(epoch: int, val_loss: float) -> EpochRecord:
    """Return one epoch's record, without label noise; only what the arguments say varies."""
    return EpochRecord(epoch, 1e-3, 0.5, 1.0, 0.5, 0.9, val_loss, 0.8, 0.1, 0.5, 0.9, val_loss, 0.8)


def make_summary(best: EpochRecord | None, last: EpochRecord, test_loss: float = 0.7) -> RunSummary:
    """Return the summary of a run of none with these epochs."""
    return RunSummary(
        run_id="none-p0-s0-00000000",
        status=RunStatus.COMPLETED if last.is_finite else RunStatus.DIVERGED,
        regulariser="none",
        p=0.0,
        seed=0,
        parameters=10,
        seconds=1.5,
        peak_memory_mb=100.0,
        audit=AuditOutcome.PASSED,
        best=None if best is None else SelectedEpoch.from_record(best, test_loss, 0.8),
        last=SelectedEpoch.from_record(last, test_loss, 0.8),
        config_hash="0" * 64,
        results_version=RESULTS_VERSION,
    )


def mark_diverged(summary: RunSummary) -> RunSummary:
    """Return the summary as that of a run that diverged."""
    return replace(summary, status=RunStatus.DIVERGED)


def write_finished_run(
    runs: Path,
    test_loss: float,
    *overrides: str,
    change: SummaryChange | None = None,
    train_losses: tuple[float, ...] = (0.5,),
    val_losses: tuple[float, ...] = (1.0,),
) -> RunFolder:
    """Write the folder of a finished run, one epoch for each training and validation loss.

    Args:
        runs: the folder of run folders.
        test_loss: at the best and the last epoch.
        overrides: as of ``dropexp train``.
        change: what is changed in the summary before it is written.
        train_losses: one for each epoch.
        val_losses: one for each epoch.
    """
    config = _compose(overrides)
    folder = RunFolder(runs, config.run_id)
    folder.path.mkdir(parents=True)
    folder.write(CONFIG, to_yaml(config))
    records = [
        replace(make_record(epoch, val), train_loss=train, clean_label_train_loss=train)
        for epoch, (train, val) in enumerate(zip(train_losses, val_losses, strict=True), start=1)
    ]
    folder.write_metrics(records)
    summary = replace(
        make_summary(min(records, key=lambda each: each.val_loss), records[-1], test_loss),
        run_id=config.run_id,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
    )
    folder.finish(change(summary) if change else summary, keep_checkpoint=False)
    _plan_all(runs)
    return folder


def _plan_all(runs: Path) -> None:
    """Rewrite the ledger as if all runs had been asked for before the first of them ended."""
    ends = read_ledger(runs).ends
    (runs / LEDGER).unlink()
    record_request(runs, None, list(ends), Purpose.SWEEP)
    for run_id, end in ends.items():
        record_end(runs, run_id, end.setting)


def write_unfinished_run(runs: Path, *overrides: str) -> RunFolder:
    """Write the folder of a run that was interrupted after one epoch."""
    folder = write_finished_run(runs, 1.0, *overrides)
    (folder.path / SUMMARY).unlink()
    return folder


def write_study(runs: Path, losses: dict[str, list[float]]) -> None:
    """Write finished runs: the overrides of each setting → its losses by seed, val and test."""
    for overrides, values in losses.items():
        for seed, loss in enumerate(values):
            write_finished_run(runs, loss, *overrides.split(), f"seed={seed}", val_losses=(loss,))


def compare_folder(runs: Path, *arguments: str, **question: object) -> Comparison:
    """Compare the runs of a folder, as ``dropexp compare ARGUMENTS`` does.

    Args:
        runs: the folder of run folders.
        arguments: as of the command.
        question: fields of Question.
    """
    allow_mixed = bool(question.get("allow_mixed", False))
    with_baselines = question.get("baseline") is None
    found = find_runs(arguments, runs, allow_mixed=allow_mixed, with_baselines=with_baselines)
    return compare(found, Question(**question))  # type: ignore[arg-type]


@cache
def _compose(overrides: tuple[str, ...]) -> RunConfig:
    about_seeds = [text for text in overrides if "seed" in text]
    if len(about_seeds) != 1 or not re.fullmatch(r"seed=\d+", about_seeds[0]):
        return compose_run(list(overrides))
    setting = _compose_setting(tuple(text for text in overrides if text not in about_seeds))
    return setting.make_config(int(about_seeds[0].removeprefix("seed=")))


@cache
def _compose_setting(overrides: tuple[str, ...]) -> PlannedSetting:
    """Compose a setting once for all its seeds, as Hydra takes a tenth of a second."""
    return PlannedSetting(compose_run(list(overrides)), data_follows=True)


def read_statuses(runs: Path) -> dict[str, ListedStatus]:
    """Return the status of every run in a folder, by run id."""
    return {run.run_id: run.status for run in list_runs(runs)}
