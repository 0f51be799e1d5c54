"""Trains a finished run again, and compares the numbers with the recorded ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError, StoreError, UserError, suggest
from dropexp.runs.files import CONFIG
from dropexp.runs.listing import is_run_id
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import EpochRecord, RunSummary
from dropexp.runs.trust import refuse_untrusted
from dropexp.runs.write import RunFolder
from dropexp.training.agreement import RerunResult, compare_environments, compare_trainings
from dropexp.training.run import RunView, run

_ALLOWED_KEYS = (
    "device",
    "threads",
    "deterministic",
    "data.root",
    "data.download",
    "model.weights",
    "tensorboard.enabled",
    "tensorboard.histograms",
    "tensorboard.images",
)


@dataclass(frozen=True)
class RecordedRun:
    """The content of a finished run's folder, with which a rerun is compared.

    Attributes:
        folder: the run folder.
        config: the content of config.yaml.
        summary: the content of summary.json.
        records: the rows of metrics.csv.
        environment: the content of environment.json.
    """

    folder: RunFolder
    config: RunConfig
    summary: RunSummary
    records: tuple[EpochRecord, ...]
    environment: Mapping[str, Any]


def read_recorded_run(folder: RunFolder) -> RecordedRun:
    """Return the content of a finished run's folder.

    Raises:
        UserError: the run is not finished, or its config is not valid in this version.
        StoreError: one of its files is damaged.
    """
    if folder.status is not FolderStatus.FINISHED:
        raise UserError(
            f"{folder.path} is not a finished run, so there are no numbers to compare with. "
            f"To resume an interrupted run, repeat its dropexp train command."
        )
    if damage := folder.find_damage(whole=True):
        raise StoreError(
            f"{folder.path} is not whole ({damage}), so its numbers are not compared; the command "
            f"that trained it trains it again."
        )
    return RecordedRun(
        folder=folder,
        config=RunConfig.from_mapping(folder.read_config()),
        summary=folder.read_summary(),
        records=tuple(folder.read_records()),
        environment=folder.read_environment(),
    )


def build_rerun_config(
    recorded: RecordedRun,
    overrides: Sequence[str],
    runs_dir: Path,
    *,
    is_kept: bool,
    trust: bool = False,
) -> RunConfig:
    """Return the recorded config, changed so that it trains in another folder.

    Where the config names no number of threads, as those of older versions, the recorded number is
    set, because another number of threads sums in another order.

    Args:
        recorded: the finished run.
        overrides: ``key=value``, with keys that are not part of a run's identity.
        runs_dir: the folder of run folders to train in.
        is_kept: whether the caller keeps that folder; if not, TensorBoard's files are left out.
        trust: whether what the recorded config names may be imported, called and read.

    Raises:
        ConfigError: a key or value is not allowed.
        UntrustedError: the recorded config names code or a folder that the user has not used.
    """
    plain = recorded.config.to_mapping()
    # Not the config's number: run() may have added the passes to a finished run.
    sampled = recorded.summary.mc_dropout
    plain |= {"runs_dir": str(runs_dir), "force": False, "logger": {}}
    plain["mc_dropout"] = 0 if sampled is None else sampled.passes
    if plain["threads"] is None:
        threads = recorded.environment.get("threads")
        plain["threads"] = threads if isinstance(threads, int) and threads > 0 else None
    if not is_kept:
        plain["tensorboard"] = {**plain["tensorboard"], "enabled": False}
    for override in overrides:
        _apply_override(override, plain)
    config = RunConfig.from_mapping(plain)
    typed = {override.partition("=")[0] for override in overrides}
    refuse_untrusted(config, recorded.folder.path / CONFIG, typed, trust=trust)
    return config


def list_caveats(recorded: RecordedRun) -> list[str]:
    """Return the reasons why a rerun may differ even on the same machine, each in a sentence."""
    summary, config = recorded.summary, recorded.config
    if summary.results_version != RESULTS_VERSION:
        return [
            f"this run has results version {summary.results_version}, and this dropexp makes "
            f"version {RESULTS_VERSION}: its numbers are expected to differ"
        ]
    if summary.config_hash != config.config_hash:
        return [
            f"config.yaml does not belong to these results: it is the config of {config.run_id}, "
            f"and summary.json has the config hash {summary.config_hash[:8]}"
        ]
    name = recorded.folder.run_id
    if is_run_id(name) and name != config.run_id:
        return [f"the folder {name} holds the run {config.run_id}, not the run of its name"]
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
    if finished.is_reused:
        view.note(f"{finished.folder} already holds this run; its numbers are compared")
    folder = RunFolder(finished.folder.parent, finished.folder.name)
    # Both are read from files, because NaN and infinity become null there.
    agreement = compare_trainings(
        recorded.records, recorded.summary, folder.read_records(), folder.read_summary()
    )
    environment = compare_environments(recorded.environment, folder.read_environment())
    return RerunResult(agreement, environment)


def _apply_override(override: str, plain: dict[str, Any]) -> None:
    """Set the value of an override in a nested config.

    Raises:
        ConfigError: it is not ``key=value``, or its key is not allowed.
    """
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"{override!r} is not an override; write key=value.")
    if key not in _ALLOWED_KEYS:
        raise ConfigError(
            f"{override} is not allowed: a rerun may change where and how the run is trained, not "
            f"what is trained. {suggest(key, _ALLOWED_KEYS)}"
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
