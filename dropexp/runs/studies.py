"""Studies: named sets of runs, and the words that asked for them.

A run may belong to several studies, so membership is noted beside the run folders, in
``<runs_dir>/.studies/<name>.json``. Imports no torch.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from dropexp.config.setting import Fields, name_settings
from dropexp.errors import ConfigError, RunsDirError, StoreError, suggest

FOLDER = ".studies"


@dataclass(frozen=True, slots=True)
class StudyRun:
    """What is worth knowing of a run that may not have started yet."""

    run_id: str
    setting: str  # its name among the settings of its study
    seed: int
    epochs: int  # asked for


@dataclass(frozen=True, slots=True)
class Member:
    """A run of a study, with its setting's place among the study's settings."""

    run_id: str
    setting: int
    seed: int
    epochs: int


@dataclass(frozen=True, slots=True)
class Study:
    """A named set of runs.

    ``sweeps`` holds, for each sweep under this name, the words that say what its runs are.
    """

    name: str
    sweeps: tuple[tuple[str, ...], ...]
    settings: tuple[Fields, ...]
    members: tuple[Member, ...]

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """The runs, with their settings named by what these differ in."""
        called = name_settings(self.settings)
        return tuple(StudyRun(m.run_id, called[m.setting], m.seed, m.epochs) for m in self.members)

    def joined(self, later: "Study") -> "Study":
        """This study with the sweeps and runs of a later sweep under the same name."""
        settings = list(self.settings)
        settings += [fields for fields in later.settings if fields not in settings]
        place = [settings.index(fields) for fields in later.settings]
        members = {member.run_id: member for member in self.members}
        members |= {m.run_id: replace(m, setting=place[m.setting]) for m in later.members}
        sweeps = dict.fromkeys((*self.sweeps, *later.sweeps))
        return Study(self.name, tuple(sweeps), tuple(settings), tuple(members.values()))


def name_for(settings: Sequence[Fields]) -> str:
    """A name for a sweep that was given none; the same settings on other seeds share it."""
    canonical = sorted(json.dumps(dict(fields), sort_keys=True) for fields in settings)
    digits = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return f"sweep-{digits[:6]}"


def note(runs_dir: Path, study: Study) -> Study:
    """Write a study down, joined with what was noted under its name before.

    Raises:
        RunsDirError: the folder cannot be written.
    """
    path = _path(runs_dir, study.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if path.exists():
                study = read_study(runs_dir, study.name).joined(study)
            temporary = path.with_suffix(".part")
            temporary.write_text(json.dumps(asdict(study)), encoding="utf-8")
            temporary.replace(path)
    except OSError as error:
        raise RunsDirError(f"runs_dir={runs_dir} cannot be written: {error.strerror}.") from None
    return study


def read_study(runs_dir: Path, name: str) -> Study:
    """The study of a name.

    Raises:
        ConfigError: there is none.
        StoreError: its file is damaged.
    """
    path = _path(runs_dir, name)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(Member(**member) for member in plain["members"])
        sweeps = tuple(tuple(words) for words in plain["sweeps"])
        study = Study(plain["name"], sweeps, tuple(plain["settings"]), members)
    except FileNotFoundError:
        known = study_names(runs_dir)
        hint = suggest(name, known) if known else "It holds none; dropexp sweep makes one."
        raise ConfigError(f"{runs_dir} holds no study {name!r}. {hint}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} cannot be read ({error}).") from None
    return study


def study_names(runs_dir: Path) -> list[str]:
    """The studies of a folder of runs, the one last swept first."""
    found = [
        (entry.stat().st_mtime, entry.name.removesuffix(".json"))
        for entry in (os.scandir(runs_dir / FOLDER) if (runs_dir / FOLDER).is_dir() else ())
        if entry.name.endswith(".json")
    ]
    return [name for _, name in sorted(found, reverse=True)]


def _path(runs_dir: Path, name: str) -> Path:
    return runs_dir / FOLDER / f"{name}.json"
