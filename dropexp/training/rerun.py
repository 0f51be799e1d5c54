"""A finished run trained once more, and what came out beside what was recorded."""

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
from dropexp.training.agreement import Agreement, agreement, environment_differences
from dropexp.training.run import RunView, run

_MAY_CHANGE = (
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
class Recorded:
    """What a finished run's folder says: all that a second training is compared with."""

    folder: RunFolder
    config: RunConfig
    summary: RunSummary
    records: tuple[EpochRecord, ...]
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Rerun:
    """A second training beside the first."""

    agreement: Agreement
    environment: Mapping[str, tuple[Any, Any]]  # name → (recorded, now), where they differ


def recorded(folder: RunFolder) -> Recorded:
    """Read what a finished run came to.

    Raises:
        UserError: the run is not finished, or its config is not one of this version.
        StoreError: a file of it is damaged.
    """
    if folder.status is not FolderStatus.FINISHED:
        raise UserError(
            f"{folder.path} is not a finished run, so there are no numbers to compare with; "
            f"dropexp train goes on with one that was interrupted."
        )
    return Recorded(
        folder=folder,
        config=RunConfig.from_mapping(folder.read_config()),
        summary=folder.read_summary(),
        records=tuple(folder.read_records()),
        environment=folder.read_environment(),
    )


def config_to_rerun(
    known: Recorded, overrides: Sequence[str], runs_dir: Path, *, is_kept: bool
) -> RunConfig:
    """The recorded config, to be trained in another folder.

    Where the config leaves the number of threads to torch, it is the one that was noted then:
    on another number sums are rounded otherwise.

    Args:
        known: the finished run.
        overrides: ``key=value`` words that say where and how, such as ``device=cuda``.
        runs_dir: the folder to train in.
        is_kept: whether anybody will see that folder afterwards.

    Raises:
        ConfigError: an override would make another run, or its value is not allowed.
    """
    plain = known.config.to_mapping()
    sampled = known.summary.mc_dropout  # which may have been measured later, by another command
    plain |= {"runs_dir": str(runs_dir), "force": False}
    plain["mc_dropout"] = 0 if sampled is None else sampled.passes
    if plain["threads"] is None:
        plain["threads"] = known.environment.get("threads")
    if not is_kept:
        plain["tensorboard"] = {**plain["tensorboard"], "enabled": False}
    for override in overrides:
        _apply(override, plain)
    return RunConfig.from_mapping(plain)


def doubts(known: Recorded) -> list[str]:
    """Why the numbers may differ whatever the machine, each in a sentence."""
    if known.summary.results_version != RESULTS_VERSION:
        return [
            f"this run was made under results version {known.summary.results_version}, and this "
            f"dropexp makes version {RESULTS_VERSION}: its numbers are expected to differ"
        ]
    if known.summary.config_hash != known.config.config_hash:
        return [
            f"config.yaml does not belong to these results: it is that of {known.config.run_id}, "
            f"and summary.json is of a config with the hash {known.summary.config_hash[:8]}"
        ]
    name = known.folder.run_id
    if is_run_id(name) and name != known.config.run_id:
        return [f"the folder {name} holds another run than its name says: {known.config.run_id}"]
    return []


def rerun(known: Recorded, config: RunConfig, view: RunView) -> Rerun:
    """Train the config and compare what comes out with what is known.

    Raises:
        UserError, RunError: as run() does.
    """
    done = run(config, view)
    if done.reused:
        view.note(f"{done.folder} holds this run already; its numbers are compared")
    folder = RunFolder(done.folder.parent, done.folder.name)
    # From the files, as the recorded ones: what JSON does not know has become null in both.
    compared = agreement(known.records, known.summary, folder.read_records(), folder.read_summary())
    machine = environment_differences(known.environment, folder.read_environment())
    return Rerun(compared, machine)


def _apply(override: str, plain: dict[str, Any]) -> None:
    """Set what an override says in a nested config.

    Raises:
        ConfigError: it is not ``key=value``, or is no matter of where and how.
    """
    key, separator, word = override.partition("=")
    if not separator:
        raise ConfigError(f"{override!r} is not an override; write key=value.")
    if key not in _MAY_CHANGE:
        raise ConfigError(
            f"{override} cannot be given: rerun repeats a run as it was, but for where and how. "
            f"{suggest(key, _MAY_CHANGE)}"
        )
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError:
        value = word
    section, _, name = key.rpartition(".")
    if section:
        plain[section] = {**plain[section], name: value}
    else:
        plain[name] = value
