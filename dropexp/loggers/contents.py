"""What is sent of a run: the config's values, the metrics of epochs and the final results."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from dropexp import __version__
from dropexp.config.identity import IDENTITY_KEYS
from dropexp.loggers.tracker import Ending, LoggedEpoch, Parameter, RunDescription
from dropexp.runs.records import EpochRecord, RunStatus, RunSummary

_RUN_RESULTS = ("parameters", "seconds", "peak_memory_mb")

_ENDINGS = {RunStatus.COMPLETED: Ending.COMPLETED, RunStatus.DIVERGED: Ending.DIVERGED}


def describe_run(run_id: str, config: Mapping[str, Any], started_at: float) -> RunDescription:
    """Return what a tracker is told of a run before its first epoch.

    Args:
        run_id: of the run.
        config: flat, as read_flat_config returns it.
        started_at: in seconds since 1970.
    """
    study = config.get("study") or ""
    tags = {"dropexp.run_id": run_id, "dropexp.version": __version__}
    if study:
        tags["dropexp.study"] = str(study)
    parameters = {
        key: _to_parameter(value)
        for key, value in config.items()
        if key.partition(".")[0] in IDENTITY_KEYS and value is not None
    }
    return RunDescription(run_id, str(study), parameters, tags, started_at)


def _to_parameter(value: Any) -> Parameter:
    return value if isinstance(value, bool | int | float | str) else str(value)


def list_epochs(records: Sequence[EpochRecord], started_at: float, after: int) -> list[LoggedEpoch]:
    """Return the metrics of the epochs after one, with the time at which each ended.

    Args:
        records: of all epochs.
        started_at: the start of the first epoch, in seconds since 1970.
        after: the number of the last epoch to leave out.
    """
    epochs, ended_at = [], started_at
    for record in records:
        ended_at += record.seconds
        if record.epoch > after:
            row = {key: value for key, value in record.to_row().items() if key != "epoch"}
            epochs.append(LoggedEpoch(record.epoch, ended_at, _without_empty(row.items())))
    return epochs


def list_results(summary: RunSummary) -> dict[str, float]:
    """Return the results of a finished run by their names in summary.json: ``best.test_loss``."""
    blocks = {"best": summary.best, "last": summary.last, "mc_dropout": summary.mc_dropout}
    nested = [
        (f"{name}.{key}", value)
        for name, block in blocks.items()
        if block is not None
        for key, value in asdict(block).items()
    ]
    # Not their names alone: seconds is a metric of epochs too.
    own = [(f"run.{key}", getattr(summary, key)) for key in _RUN_RESULTS]
    return _without_empty([*nested, *own])


def get_ending(summary: RunSummary) -> Ending:
    """Return how a finished run has ended."""
    return _ENDINGS[summary.status]


def _without_empty(items: Iterable[tuple[str, Any]]) -> dict[str, float]:
    return {key: float(value) for key, value in items if isinstance(value, int | float)}
