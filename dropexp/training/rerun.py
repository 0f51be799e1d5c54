"""Trains a finished run again, and compares the numbers with the recorded ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError, UserError, suggest
from dropexp.runs.listing import is_run_id
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.runs.write import FolderStatus, RunFolder
from dropexp.training.agreement import RerunResult, compare_environments, compare_trainings
from dropexp.training.run import RunView, run

_ALLOWED_OVERRIDES = (
    "device",
    "threads",
    "deterministic",
    "data.root",
    "data.download",
    "tensorboard.enabled",
    "tensorboard.histograms",
    "tensorboard.images",
)


@dataclass(frozen=True)
class RecordedRun:
    """The content of a finished run's folder: what a rerun is compared with."""

    folder: RunFolder
    config: RunConfig
    summary: RunSummary
    records: tuple[EpochRecord, ...]
    environment: Mapping[str, Any]


def read_recorded_run(folder: RunFolder) -> RecordedRun:
    """Read a finished run.

    Raises:
        UserError: the run is not finished, or its config is not one of this version.
        StoreError: a file of it is damaged.
    """
    if folder.status is not FolderStatus.FINISHED:
        raise UserError(
            f"{folder.path} is not a finished run, so there are no numbers to compare with; "
            f"dropexp train resumes an interrupted one."
        )
    return RecordedRun(
        folder=folder,
        config=RunConfig.from_mapping(folder.read_config()),
        summary=folder.read_summary(),
        records=tuple(folder.read_records()),
        environment=folder.read_environment(),
    )


def build_rerun_config(
    recorded: RecordedRun, overrides: Sequence[str], runs_dir: Path, *, is_kept: bool
) -> RunConfig:
    """Return the recorded config, to be trained in another folder.

    Where the config leaves the number of threads to torch, it is set to the recorded number:
    another number sums in another order.

    Args:
        recorded: the finished run.
        overrides: ``key=value``, of keys that are not part of the identity of a run.
        runs_dir: the folder to train in.
        is_kept: whether that folder stays; if not, TensorBoard's files are left out.

    Raises:
        ConfigError: a key or value is not allowed.
    """
    plain = recorded.config.to_mapping()
    sampled = recorded.summary.mc_dropout  # the config may be older: see run() on finished runs
    plain |= {"runs_dir": str(runs_dir), "force": False}
    plain["mc_dropout"] = 0 if sampled is None else sampled.passes
    if plain["threads"] is None:
        plain["threads"] = recorded.environment.get("threads")
    if not is_kept:
        plain["tensorboard"] = {**plain["tensorboard"], "enabled": False}
    for override in overrides:
        _apply(override, plain)
    return RunConfig.from_mapping(plain)


def list_caveats(recorded: RecordedRun) -> list[str]:
    """Return the reasons why a rerun may differ even on the same machine, each in a sentence."""
    summary, config = recorded.summary, recorded.config
    if summary.results_version != RESULTS_VERSION:
        return [
            f"this run was made under results version {summary.results_version}, and this "
            f"dropexp makes version {RESULTS_VERSION}: its numbers are expected to differ"
        ]
    if summary.config_hash != config.config_hash:
        return [
            f"config.yaml does not belong to these results: it is that of {config.run_id}, "
            f"and summary.json is of a config with the hash {summary.config_hash[:8]}"
        ]
    name = recorded.folder.run_id
    if is_run_id(name) and name != config.run_id:
        return [f"the folder {name} holds another run than its name says: {config.run_id}"]
    return []


def rerun(recorded: RecordedRun, config: RunConfig, view: RunView) -> RerunResult:
    """Train a config and compare the numbers with the recorded ones.

    Args:
        recorded: the finished run.
        config: from build_rerun_config.
        view: receives the second training's events.

    Raises:
        UserError, RunError: as run().
    """
    finished = run(config, view)
    if finished.reused:
        view.note(f"{finished.folder} holds this run already; its numbers are compared")
    folder = RunFolder(finished.folder.parent, finished.folder.name)
    # Both from files, where what JSON does not know has become null.
    agreement = compare_trainings(
        recorded.records, recorded.summary, folder.read_records(), folder.read_summary()
    )
    environment = compare_environments(recorded.environment, folder.read_environment())
    return RerunResult(agreement, environment)


def _apply(override: str, plain: dict[str, Any]) -> None:
    """Set the value of an override in a nested config.

    Raises:
        ConfigError: it is not ``key=value``, or its key is not allowed.
    """
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"{override!r} is not an override; write key=value.")
    if key not in _ALLOWED_OVERRIDES:
        raise ConfigError(
            f"{override} is not allowed: a rerun may change where and how the run is trained, not "
            f"what is trained. {suggest(key, _ALLOWED_OVERRIDES)}"
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    section, _, name = key.rpartition(".")
    if section:
        plain[section] = {**plain[section], name: value}
    else:
        plain[name] = value
