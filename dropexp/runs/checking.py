"""Checking run folders: what is not whole in them, what is left over, and what to do about it.

Imports no torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dropexp.errors import NewerFormatError, StoreError
from dropexp.runs.files import CONFIG, SUMMARY, WEIGHTS
from dropexp.runs.read import FolderStatus
from dropexp.runs.studies import get_study_path, list_study_names, read_study
from dropexp.runs.write import RunFolder


class Condition(StrEnum):
    """What a check says of a run folder."""

    WHOLE = "whole"
    UNFINISHED = "unfinished"  # there are no checksums yet
    TRAINING = "training"  # a process holds it, and its files change
    LEFTOVERS = "leftovers"  # whole or unfinished, with files that nothing needs
    DAMAGED = "damaged"
    NEWER = "newer"  # a later dropexp has written it


@dataclass(frozen=True)
class Checked:
    """A run folder that was checked.

    Attributes:
        folder: of the run.
        condition: what is to be said of it.
        damage: what is not whole, as phrases; empty if nothing is.
        leftovers: names of files that nothing needs.
        note: what is worth to know though nothing is wrong; empty if nothing is.
    """

    folder: RunFolder
    condition: Condition
    damage: str = ""
    leftovers: tuple[str, ...] = ()
    note: str = ""

    @property
    def run_id(self) -> str:
        """The run's id, which names its folder."""
        return self.folder.run_id

    @property
    def is_wrong(self) -> bool:
        """Whether its results must not be used as they are."""
        return self.condition in (Condition.DAMAGED, Condition.NEWER)


def check_run(folder: RunFolder) -> Checked:
    """Return what is not whole or left over in a run folder; every byte of it is read."""
    if folder.path.is_symlink():
        return Checked(folder, Condition.DAMAGED, "it is a link, and is not read")
    if not folder.is_finished and folder.is_held:
        return Checked(folder, Condition.TRAINING)
    try:
        damage = find_run_damage(folder)
        leftovers = tuple(folder.list_leftovers())
    except NewerFormatError:
        return Checked(folder, Condition.NEWER, f"{SUMMARY} was written by a later dropexp")
    except OSError as error:  # of another user, say
        return Checked(folder, Condition.DAMAGED, f"the folder cannot be read ({error.strerror})")
    if damage:
        return Checked(folder, Condition.DAMAGED, damage, leftovers)
    if leftovers:
        return Checked(folder, Condition.LEFTOVERS, leftovers=leftovers)
    if not folder.is_finished:
        return Checked(folder, Condition.UNFINISHED)
    return Checked(folder, Condition.WHOLE, note=_note_missing_weights(folder))


def check_leftovers(folder: RunFolder) -> Checked:
    """Return what is left over in the folder of a finished run; nothing else is checked."""
    leftovers = tuple(folder.list_leftovers())
    condition = Condition.LEFTOVERS if leftovers else Condition.WHOLE
    return Checked(folder, condition, leftovers=leftovers)


def check_runs(folders: Sequence[RunFolder]) -> Iterator[Checked]:
    """Check run folders one after another; those removed meanwhile are left out."""
    for folder in folders:
        checked = check_run(folder)
        if folder.path.is_symlink() or folder.path.is_dir():
            yield checked


def find_run_damage(folder: RunFolder) -> str:
    """Return what is not whole in a run folder, finished or not, as phrases; "" if all is.

    Raises:
        NewerFormatError: a later dropexp has written it.
    """
    if folder.is_finished:
        return folder.find_damage(whole=True)
    if folder.status is FolderStatus.NEW:
        return ""
    try:
        folder.read_config()
    except StoreError:
        return f"{CONFIG} is damaged"
    return ""


def _note_missing_weights(folder: RunFolder) -> str:
    summary = folder.read_summary()
    if WEIGHTS not in summary.files or (folder.path / WEIGHTS).exists():
        return ""
    return f"{WEIGHTS} was removed; mc_dropout needs force=true"


def check_studies(runs_dir: Path) -> dict[Path, str]:
    """Return the path of each study file that cannot be read → why not, in a sentence."""
    damaged = {}
    for name in list_study_names(runs_dir):
        try:
            read_study(runs_dir, name)
        except StoreError as error:
            damaged[get_study_path(runs_dir, name)] = str(error)
    return damaged
