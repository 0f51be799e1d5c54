"""Repairing run folders: rebuilt where a checksum proves it, trained again or set aside otherwise.

Nothing is deleted but leftovers. A folder whose results cannot be restored is moved to
``<runs_dir>/.set-aside/``, which no command reads. Imports no torch.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from itertools import count
from pathlib import Path

from dropexp.config.study_files import FOLDER, REGISTERED_SUFFIX, is_study_name
from dropexp.errors import DropexpError, StoreError
from dropexp.runs import durable
from dropexp.runs.checking import Checked, Condition, check_leftovers, find_run_damage
from dropexp.runs.files import CHECKPOINT, CONFIG, ERROR, LOCKS, SUMMARY
from dropexp.runs.listing import find_seed
from dropexp.runs.write import RunFolder

SET_ASIDE = ".set-aside"
"""The folder, in a folder of runs, of what was set aside."""

_SEEDS = (r"^seed: \d+$", r"^(?:  )?seed: \d+$")
"""The lines of a config that hold its seed: the run's alone, or that of its data as well."""


_LEFT_OVER = (CHECKPOINT, ERROR, f".{SUMMARY}{durable.PART}")
"""What a crash can leave in the folder of a finished run."""

_OF_STUDIES = (REGISTERED_SUFFIX, ".json")
"""What the names of the files in the folder of studies end in."""


class Repair(StrEnum):
    """What was done with a run folder."""

    NOTHING = "nothing was done"
    TIDIED = "leftovers removed"
    REBUILT = "config.yaml rebuilt from a run of another seed; its checksum agrees"
    RETRAIN = "set aside; the run's command trains it again"
    SET_ASIDE = "set aside"
    UNLINKED = "the link was removed; what it led to is as it was"


def repair_run(checked: Checked) -> Repair:
    """Repair a run folder.

    Args:
        checked: what is wrong with it.

    Raises:
        BusyError: another process trains the run.
        RunsDirError, StoreError: the folder cannot be written.
    """
    folder = checked.folder
    if _is_link(folder):
        return _remove_link(folder)
    if checked.condition not in (Condition.DAMAGED, Condition.LEFTOVERS):
        return Repair.NOTHING
    with folder.lock(patience=0):
        if checked.leftovers:
            folder.remove_leftovers(keep_checkpoint=CHECKPOINT not in checked.leftovers)
        if not checked.damage:
            return Repair.TIDIED
        if not folder.is_finished:
            return Repair.NOTHING  # its command writes the config again, and goes on
        if _rebuild_config(folder) and not find_run_damage(folder):
            return Repair.REBUILT
        return _set_aside(folder)


def remove_leftovers(runs_dir: Path, run_ids: Iterable[str]) -> None:
    """Remove what a crash has left in folders of finished runs.

    A folder that cannot be written, or that another process holds, is left as it is.
    """
    for run_id in run_ids:
        place = f"{runs_dir}{os.sep}{run_id}{os.sep}"
        # Almost never: a look at three names takes less than all that a RunFolder does.
        if any(os.path.lexists(place + name) for name in _LEFT_OVER):
            with suppress(DropexpError):
                repair_run(check_leftovers(RunFolder(runs_dir, run_id)))


def remove_half_written_studies(runs_dir: Path) -> None:
    """Remove the study files that a crash has left half written; any other file is left alone.

    Raises:
        StoreError: one cannot be removed.
    """
    folder = runs_dir / FOLDER
    for path in () if folder.is_symlink() else folder.glob(f".*{durable.PART}"):
        if not _is_half_written_study(path):
            continue
        try:
            durable.remove_file(path)
        except OSError as error:
            raise durable.make_store_error(path, error) from None


def _is_half_written_study(path: Path) -> bool:
    """Return whether durable.py made this file on the way to one of a study's files."""
    name = path.name.removeprefix(".").removesuffix(durable.PART)
    stem = next((name.removesuffix(each) for each in _OF_STUDIES if name.endswith(each)), "")
    return is_study_name(stem) and path.is_file() and not path.is_symlink()


def set_study_aside(runs_dir: Path, path: Path) -> None:
    """Move the damaged file of a study to the folder of what was set aside.

    Raises:
        StoreError: it cannot be moved.
    """
    _move(path, _find_free_place(runs_dir, path.name))


def _is_link(folder: RunFolder) -> bool:
    return folder.path.is_symlink()


def _remove_link(folder: RunFolder) -> Repair:
    try:
        durable.remove_file(folder.path)
    except OSError as error:
        raise StoreError(f"{folder.path} cannot be removed: {error.strerror}.") from None
    return Repair.UNLINKED


def _rebuild_config(folder: RunFolder) -> bool:
    """Write config.yaml as its checksum says it was; return whether that could be done."""
    try:
        wanted = folder.read_summary().files.get(CONFIG)
    except StoreError:
        return False
    for text in _propose_configs(folder) if wanted else ():
        if durable.compute_digest(text.encode()) == wanted:
            folder.write(CONFIG, text)
            return True
    return False


def _propose_configs(folder: RunFolder) -> Iterator[str]:
    """Yield the configs of runs of the same regulariser with this run's seed."""
    seed = find_seed(folder.run_id)
    family = folder.run_id[: folder.run_id.rindex("-s")]
    for path in sorted(folder.path.parent.glob(f"{family}-s*")):
        try:
            text = RunFolder(folder.path.parent, path.name).read_bytes(CONFIG).decode()
        except (StoreError, FileNotFoundError, UnicodeDecodeError):
            continue
        for pattern in _SEEDS:
            yield re.sub(
                pattern, lambda line: f"{line[0].rpartition(' ')[0]} {seed}", text, flags=re.M
            )


def _set_aside(folder: RunFolder) -> Repair:
    """Move a folder's files away; where its config is whole, leave a run that trains again.

    The folder and its locks stay, so that a process that waits for the lock gets the one that later
    processes ask for. The summary goes first: after that, the run is not finished any more.
    """
    config = _read_whole_config(folder)
    target = _find_free_place(folder.path.parent, folder.run_id)
    entries = sorted(folder.path.iterdir(), key=lambda entry: entry.name != SUMMARY)
    for entry in entries:
        is_kept = config is not None and entry.name == CHECKPOINT
        if entry.name not in LOCKS and not is_kept:
            _move(entry, target / entry.name)
    if config is None:
        folder.discard_if_new()
        return Repair.SET_ASIDE
    folder.write(CONFIG, config)
    return Repair.RETRAIN


def _move(path: Path, target: Path) -> None:
    try:
        durable.move(path, target)
    except OSError as error:
        raise StoreError(f"{path} cannot be moved: {error.strerror}.") from None


def _read_whole_config(folder: RunFolder) -> bytes | None:
    """Return config.yaml, if it is that of the run; None where that is not known."""
    try:
        config = folder.read_config()
        raw = folder.read_bytes(CONFIG)
    except (StoreError, FileNotFoundError):
        return None
    try:
        wanted = folder.read_summary().files.get(CONFIG, "")
    except StoreError:
        wanted = ""
    if wanted:
        return raw if durable.compute_digest(raw) == wanted else None
    return raw if config.get("seed") == find_seed(folder.run_id) else None


def _find_free_place(runs_dir: Path, name: str) -> Path:
    """Return where to set aside what has a name.

    Raises:
        StoreError: the folder for that is a link.
    """
    folder = runs_dir / SET_ASIDE
    if folder.is_symlink():
        raise StoreError(f"{folder} is a link, and nothing is moved through one. Remove the link.")
    places = (folder / (name if not number else f"{name}.{number}") for number in count())
    return next(place for place in places if not place.exists())
