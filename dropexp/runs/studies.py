"""Studies: named sets of runs, and the overrides of the sweeps that made them.

A run may belong to several studies, so its folder does not say to which: that is stored beside
the run folders, in ``<runs_dir>/.studies/<name>.json``. Imports no torch.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from dropexp.config.parsing import MOST_BYTES_OF_STUDY, parse_json, read_limited
from dropexp.config.setting import Fields, name_settings
from dropexp.config.study_files import find_study_folder, refuse_study_name
from dropexp.errors import ConfigError, StoreError, suggest
from dropexp.runs.ledger import list_asked_studies
from dropexp.runs.study_folder import list_study_files, lock_study_file, write_whole
from dropexp.runs.study_parsing import check_study
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion, parse_question

TUNE_SUFFIX = ".tune.json"
"""Ends the names of the files of searches, which are in the same folder; see searches.py."""


class StudyMember(NamedTuple):
    """A run of a study as its file holds it.

    Attributes:
        run_id: names the run's folder.
        setting: the index of its setting in the study's settings.
        seed: of the run.
        epochs: requested, of which early stopping may leave some out.
    """

    run_id: str
    setting: int
    seed: int
    epochs: int


@dataclass(frozen=True, slots=True)
class StudyRun:
    """A run of a study with the name of its setting; it may not have started yet."""

    run_id: str
    setting: str
    seed: int
    epochs: int  # requested


@dataclass(frozen=True, slots=True)
class Study:
    """A named set of runs.

    Attributes:
        name: what ``study=`` says.
        sweeps: for each sweep of this name, the overrides that say what its runs are.
        settings: the configs of the runs without their seeds.
        members: the runs.
        question: what its file says that it is compared by.
        files: the config files that its overrides choose, beside those of dropexp: path below a
            config folder → text.
    """

    name: str
    sweeps: tuple[tuple[str, ...], ...]
    settings: tuple[Fields, ...]
    members: tuple[StudyMember, ...]
    question: StudyQuestion = NO_QUESTION
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[StudyRun, ...]:
        """The runs; settings are named by the fields in which they differ."""
        names = name_settings(self.settings)
        return tuple(
            StudyRun(member.run_id, names[member.setting], member.seed, member.epochs)
            for member in self.members
        )

    def merge(self, later: "Study") -> "Study":
        """Return this study with the sweeps and runs of a later sweep of the same name.

        The later question counts, unless it states nothing, as that of added seeds.
        """
        known: dict[Any, int] = {}
        for number, fields in enumerate(self.settings):
            known.setdefault(_freeze(fields), number)
        settings = list(self.settings)
        places = []
        for fields in later.settings:
            place = known.setdefault(_freeze(fields), len(settings))
            if place == len(settings):
                settings.append(fields)
            places.append(place)
        members = {member.run_id: member for member in self.members}
        members |= {
            member.run_id: member
            if places[member.setting] == member.setting
            else member._replace(setting=places[member.setting])
            for member in later.members
        }
        sweeps = dict.fromkeys((*self.sweeps, *later.sweeps))
        question = self.question if later.question == NO_QUESTION else later.question
        return Study(
            self.name,
            tuple(sweeps),
            tuple(settings),
            tuple(members.values()),
            question,
            {**self.files, **later.files},
        )


def make_study_name(settings: Sequence[Fields]) -> str:
    """Return a name for a sweep without one; the same settings get the same on other seeds."""
    canonical = sorted(json.dumps(dict(fields), sort_keys=True) for fields in settings)
    digest = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    return f"sweep-{digest[:6]}"


def save_study(runs_dir: Path, study: Study) -> Study:
    """Write a study to its file, merged with what the file holds; return the merged one.

    Raises:
        RunsDirError: the folder cannot be written.
    """
    path = get_study_path(runs_dir, study.name)
    with lock_study_file(runs_dir, path):
        if path.exists():
            kept = read_study(runs_dir, study.name)
            study = kept.merge(study)
            if study == kept:
                return study
        write_whole(path, json.dumps(_to_mapping(study)))
    return study


def read_study(runs_dir: Path, name: str) -> Study:
    """Return the study of a name.

    Raises:
        ConfigError: there is none.
        StoreError: its file is damaged.
    """
    path = get_study_path(runs_dir, name)
    try:
        return _parse_study(read_limited(path, MOST_BYTES_OF_STUDY), name, str(path))
    except FileNotFoundError:
        known = list_study_names(runs_dir)
        hint = suggest(name, known) if known else "There is none; dropexp sweep makes one."
        raise ConfigError(f"No study in {runs_dir} has the name {name!r}. {hint}") from None
    except StoreError:
        raise
    except (ValueError, TypeError, ConfigError) as error:
        raise StoreError(
            f"{path} cannot be read ({error}). dropexp runs check --repair sets it aside; the "
            f"study's sweeps, given again, make it anew."
        ) from None


_get_values = itemgetter(*StudyMember._fields)


@lru_cache(maxsize=1)  # a sweep reads it several times
def _parse_study(raw: bytes, name: str, path: str) -> Study:
    plain = check_study(parse_json(raw), name)
    members = tuple(map(StudyMember._make, map(_get_values, plain["members"])))
    sweeps = tuple(tuple(overrides) for overrides in plain["sweeps"])
    # The files of older versions have no question.
    question = parse_question(plain.get("question", {}), path)
    settings = tuple(plain["settings"])
    return Study(name, sweeps, settings, members, question, plain.get("files", {}))


def _freeze(value: Any) -> Any:
    """Return a value that can be hashed, equal for equal fields of settings."""
    if isinstance(value, Mapping):
        return frozenset((key, _freeze(item)) for key, item in value.items())
    return tuple(map(_freeze, value)) if isinstance(value, list | tuple) else value


def _to_mapping(study: Study) -> dict[str, Any]:
    plain = {
        **asdict(replace(study, members=())),
        "members": [member._asdict() for member in study.members],
        "question": study.question.to_mapping(),
    }
    if not study.files:
        del plain["files"]
    return plain


def list_study_names(runs_dir: Path) -> list[str]:
    """Return the names of the studies of a folder of runs, sorted."""
    names = [path.name for path in list_study_files(runs_dir, ".json")]
    return sorted(name.removesuffix(".json") for name in names if not name.endswith(TUNE_SUFFIX))


def list_studies_as_asked(runs_dir: Path) -> list[str]:
    """Return the names of the studies, by the ledger the one last asked for last.

    Those that the ledger does not know, as an older dropexp made them, come first, by name.
    """
    asked = list_asked_studies(runs_dir)
    places = {name: -place for place, name in enumerate(asked)}
    return sorted(list_study_names(runs_dir), key=lambda name: places.get(name, -len(asked)))


def find_last_study(runs_dir: Path) -> str | None:
    """Return the study that was last asked for; None where there is no study."""
    return next(reversed(list_studies_as_asked(runs_dir)), None)


def get_study_path(runs_dir: Path, name: str) -> Path:
    """Return where the file of a study is, or would be.

    Raises:
        ConfigError: the name cannot be that of a file, or its folder is a link.
    """
    refuse_study_name(name)  # it may come from a file, or from a filter
    return find_study_folder(runs_dir) / f"{name}.json"
