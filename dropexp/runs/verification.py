"""What can be checked of a study without training: its file's hash, and whose runs are there."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError, DropexpError, StoreError
from dropexp.runs.read import FolderStatus, StoredRun
from dropexp.runs.registration import (
    Registration,
    explain_unknown_study,
    find_damage,
    read_registration,
)
from dropexp.runs.studies import list_study_names, read_study
from dropexp.terminal.numbers import format_count, list_few


@dataclass(frozen=True)
class StudyCheck:
    """What is known of a study without training any of its runs again.

    Attributes:
        notes: sentences on what was checked and is right.
        problems: sentences on what is wrong.
        finished: the ids of its finished runs of this version of dropexp, sorted; of a registered
            study those that were registered.
    """

    notes: tuple[str, ...]
    problems: tuple[str, ...]
    finished: tuple[str, ...]


def check_stored_study(runs_dir: Path, name: str) -> StudyCheck:
    """Check the files of a study.

    Args:
        runs_dir: the folder of run folders.
        name: of a study that was swept or registered there.

    Raises:
        ConfigError: there is no such study, or the file of the registered study is damaged.
        StoreError: the file of the study is damaged.
    """
    registration = read_registration(runs_dir, name)
    is_swept = name in list_study_names(runs_dir)
    if registration is None and not is_swept:
        raise ConfigError(explain_unknown_study(runs_dir, name))
    members = {each.run_id for each in read_study(runs_dir, name).members} if is_swept else set()
    notes, problems = _check_registration(registration, members)
    runs = sorted(members | set(registration.run_ids if registration else ()))
    finished, left = [], 0
    for run in (StoredRun(runs_dir, run_id) for run_id in runs):
        if run.status is not FolderStatus.FINISHED:
            left += 1
            continue
        problem, is_current = _check_run(run)
        problems += [problem] if problem else []
        is_registered = registration is None or run.run_id in registration.run_ids
        finished += [run.run_id] if is_current and is_registered else []
    if left:
        notes.append(f"{format_count(left, 'run')} not finished yet")
    return StudyCheck(tuple(notes), tuple(problems), tuple(finished))


def choose_sample(run_ids: Sequence[str], size: int, seed: int) -> list[str]:
    """Return some of the runs, chosen by a seed; all of them if they are not more than asked for.

    Args:
        run_ids: sorted, so that the same runs and the same seed give the same choice.
        size: how many, at least 0.
        seed: of the choice.
    """
    chosen = random.Random(seed).sample(list(run_ids), min(size, len(run_ids)))
    return sorted(chosen)


def _check_registration(
    registration: Registration | None, members: Iterable[str]
) -> tuple[list[str], list[str]]:
    if registration is None:
        return ["not registered: only its runs are checked"], []
    problems = [damage] if (damage := find_damage(registration)) else []
    added = sorted(set(members) - set(registration.run_ids))
    if added:
        problems.append(f"{_name_runs(added)} swept in this study, but not registered")
    notes = []
    if not problems:
        notes.append(
            f"as registered on {registration.on} ({registration.short_commit}): the hash is right, "
            f"and no run was added to its {len(registration.run_ids)}"
        )
    return notes, problems


def _check_run(run: StoredRun) -> tuple[str, bool]:
    """Return what is wrong with a finished run, and whether this version trains the same."""
    try:
        summary, config = run.read_summary(), RunConfig.from_mapping(run.read_config())
    except (DropexpError, StoreError) as error:
        return f"{run.run_id} cannot be read: {error}", False
    if summary.results_version != RESULTS_VERSION:
        return (
            f"{run.run_id} was trained by a dropexp with other numbers (results version "
            f"{summary.results_version}, now {RESULTS_VERSION})"
        ), False
    if config.run_id != run.run_id or summary.config_hash != config.config_hash:
        return (
            f"the folder {run.run_id} does not hold the run of its name: its config is that of "
            f"{config.run_id}"
        ), False
    return "", True


def _name_runs(run_ids: Sequence[str]) -> str:
    return f"{format_count(len(run_ids), 'run')} ({list_few(run_ids)})"
