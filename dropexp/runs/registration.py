"""Registered studies: a question and its runs, written down before the runs exist.

``<runs_dir>/.studies/NAME.registered.yaml`` holds everything: it is a study file that can be sent
to someone, and its hash shows whether it was changed. Imports neither Hydra nor torch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import yaml

from dropexp.config.study_files import (
    REGISTERED_SUFFIX,
    StudyFile,
    get_registered_path,
    read_study_file,
)
from dropexp.errors import ConfigError
from dropexp.runs.ledger import Purpose, record_request
from dropexp.runs.studies import list_study_names, read_study
from dropexp.runs.study_folder import list_study_files, lock_study_file, write_whole
from dropexp.runs.study_question import StudyQuestion, parse_question
from dropexp.terminal.numbers import format_count

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_HEADER = """\
# A registered study: its question and its runs were written down before the runs existed.
# dropexp sweep study=THIS_FILE trains it anywhere. Change nothing: the hash would no longer match.
"""


@dataclass(frozen=True)
class Registration:
    """A study as it was registered.

    Attributes:
        name: of the study.
        on: the date, as in 2026-11-26.
        commit: of dropexp's source; None where it was installed without.
        version: of dropexp.
        question: every part of it is stated.
        params: the overrides of the sweep: key → value or values.
        seeds: of the runs.
        run_ids: of the runs, sorted.
        hash: SHA-256 of all of that, 64 hex digits, as the file holds it.
    """

    name: str
    on: str
    commit: str | None
    version: str
    question: StudyQuestion
    params: Mapping[str, str]
    seeds: tuple[int, ...]
    run_ids: tuple[str, ...]
    hash: str = ""

    @property
    def is_intact(self) -> bool:
        """Whether the hash is that of the content."""
        return self.hash == _hash(self)

    @property
    def short_commit(self) -> str:
        """What dates the code: ``commit 1a2b3c4``, or the version of dropexp."""
        if not self.commit:
            return f"dropexp {self.version}"
        number, separator, dirty = self.commit.partition("-")
        return f"commit {number[:7]}{separator}{dirty}"


def seal(registration: Registration) -> Registration:
    """Return the registration with the hash of its content."""
    return replace(registration, hash=_hash(registration))


def format_registration(registration: Registration) -> str:
    """Return the text of the file of a registered study."""
    plain = {
        "registered": {
            "name": registration.name,
            "date": registration.on,
            "commit": registration.commit,
            "version": registration.version,
            "hash": registration.hash,
            "seeds": list(registration.seeds),
            "runs": list(registration.run_ids),
        },
        "question": registration.question.to_mapping(),
        "hydra": {"sweeper": {"params": dict(registration.params)}},
    }
    text: str = yaml.dump(plain, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
    return _HEADER + text


def parse_registration(file: StudyFile) -> Registration | None:
    """Return what a study file registers; None if it is not the file of a registered study.

    Raises:
        ConfigError: its registration is incomplete.
    """
    plain = file.registered
    if plain is None:
        return None
    try:
        return Registration(
            name=str(plain["name"]),
            on=str(plain["date"]),
            commit=plain["commit"],
            version=str(plain["version"]),
            question=parse_question(file.question, str(file.path)),
            params=file.params,
            seeds=tuple(plain["seeds"]),
            run_ids=tuple(plain["runs"]),
            hash=str(plain["hash"]),
        )
    except (KeyError, TypeError) as error:
        raise ConfigError(
            f"{file.path}: registered is incomplete ({error}); dropexp study register writes it."
        ) from None


def read_registration(runs_dir: Path, name: str) -> Registration | None:
    """Return a study as it was registered in a folder of runs; None if it was not.

    Raises:
        ConfigError: its file is damaged.
    """
    path = get_registered_path(runs_dir, name)
    return parse_registration(read_study_file(path)) if path.is_file() else None


def list_registered_names(runs_dir: Path) -> list[str]:
    """Return the names of the registered studies of a folder of runs."""
    files = list_study_files(runs_dir, REGISTERED_SUFFIX)
    return sorted(path.name.removesuffix(REGISTERED_SUFFIX) for path in files)


def save_registration(runs_dir: Path, registration: Registration) -> Path:
    """Write the file of a registered study, never over another one, and ask for its runs.

    Args:
        runs_dir: the folder of run folders; must exist.
        registration: sealed.

    Returns:
        The path of the file.

    Raises:
        ConfigError: a study of this name is registered already.
        RunsDirError: the folder cannot be written.
        StoreError: the ledger cannot be written.
    """
    path = get_registered_path(runs_dir, registration.name)
    with lock_study_file(runs_dir, path):
        if path.exists():
            raise ConfigError(_explain_registered(runs_dir, registration.name))
        write_whole(path, format_registration(registration))
    record_request(runs_dir, registration.name, registration.run_ids, Purpose.REGISTERED)
    return path


def refuse_used_name(runs_dir: Path, name: str) -> None:
    """Refuse to register a study under a name that is registered or has runs.

    Raises:
        ConfigError: says which, and what to do.
    """
    if get_registered_path(runs_dir, name).exists():
        raise ConfigError(_explain_registered(runs_dir, name))
    if name in list_study_names(runs_dir):
        count = format_count(len(read_study(runs_dir, name).members), "run")
        raise ConfigError(
            f"the study {name} has {count} in {runs_dir} already, and a study can only be "
            f"registered before its first run; choose another name."
        )


def read_question(runs_dir: Path, study: str) -> StudyQuestion:
    """Return the question of a study: as registered, or as the file of its last sweep states it.

    Args:
        runs_dir: the folder of run folders.
        study: its name; one without a question or without runs has an empty question.

    Raises:
        ConfigError: the file of a registered study is damaged.
        StoreError: the file of the study is damaged.
    """
    registration = read_registration(runs_dir, study)
    if registration is not None:
        return registration.question
    if study in list_study_names(runs_dir):
        return read_study(runs_dir, study).question
    return StudyQuestion()


def find_damage(registration: Registration) -> str:
    """Return what is wrong with the file of a registered study; empty if nothing is."""
    if registration.is_intact:
        return ""
    return (
        f"the file of {registration.name} was changed after it was registered: its content no "
        f"longer has the hash {registration.hash[:12]}"
    )


def _explain_registered(runs_dir: Path, name: str) -> str:
    return (
        f"the study {name} is registered in {runs_dir} already; dropexp study show {name} shows it "
        f"and dropexp sweep study={name} trains it. Register another question under another name."
    )


def _hash(registration: Registration) -> str:
    content = {
        **asdict(replace(registration, hash="")),
        "question": registration.question.to_mapping(),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
