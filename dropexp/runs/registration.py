"""Registered studies: a question and its runs, written down before the runs exist.

``<runs_dir>/.studies/NAME.registered.yaml`` holds everything: it is a study file that can be sent
to someone, and its hash shows whether it was changed. Imports neither Hydra nor torch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from dropexp.config.parsing import DamagedError, check_types, get_items
from dropexp.config.study_files import (
    REGISTERED_SUFFIX,
    StudyFile,
    get_registered_path,
    read_study_file,
)
from dropexp.errors import ConfigError, suggest
from dropexp.runs.durable import move
from dropexp.runs.ledger import Purpose, read_ledger, record_request, record_withdrawal
from dropexp.runs.read import FolderStatus, StoredRun
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
        files: the config files that params choose, beside those of dropexp; see StudyFile.
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
    files: Mapping[str, str] = field(default_factory=dict)
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
    plain: dict[str, Any] = {
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
    if registration.files:
        plain["files"] = dict(registration.files)
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
        _check_types(plain)
        return Registration(
            name=str(plain["name"]),
            on=str(plain["date"]),
            commit=plain["commit"],
            version=str(plain["version"]),
            question=parse_question(file.question, str(file.path)),
            params=file.params,
            seeds=tuple(plain["seeds"]),
            run_ids=tuple(plain["runs"]),
            files=file.files,
            hash=str(plain["hash"]),
        )
    except (KeyError, TypeError, DamagedError) as error:
        raise ConfigError(
            f"{file.path}: registered is incomplete or damaged ({error}); dropexp study register "
            f"writes it."
        ) from None


def read_registration(runs_dir: Path, name: str) -> Registration | None:
    """Return a study as it was registered in a folder of runs; None if it was not.

    Raises:
        ConfigError: its file is damaged.
    """
    path = get_registered_path(runs_dir, name)
    if path.is_symlink() or not path.is_file():
        return None
    return parse_registration(read_study_file(path))


def _check_types(plain: Mapping[str, Any]) -> None:
    check_types(plain, {"commit": (str, type(None)), "hash": (str,)})
    get_items(plain, "seeds", int)
    if any("/" in run_id for run_id in get_items(plain, "runs", str)):
        raise DamagedError("runs has what is no id")


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
    """Refuse to register a study under a name that has runs.

    A registered study of that name may be replaced as long as nobody has begun to train it.

    Raises:
        ConfigError: says what it has, and what to do.
    """
    registration = read_registration(runs_dir, name)
    if registration is not None and (use := _find_use(runs_dir, registration)):
        raise ConfigError(_explain_registered(runs_dir, name, use))
    if registration is None and name in list_study_names(runs_dir):
        count = format_count(len(read_study(runs_dir, name).members), "run")
        raise ConfigError(
            f"the study {name} has {count} in {runs_dir} already, and a study can only be "
            f"registered before its first run; choose another name."
        )


def explain_unknown_study(runs_dir: Path, name: str) -> str:
    """Return the sentence on a name that no study of a folder of runs has."""
    known = {*list_study_names(runs_dir), *list_registered_names(runs_dir)}
    none = "There is none; dropexp sweep or dropexp study register makes one."
    hint = suggest(name, known) if known else none
    return f"No study in {runs_dir} has the name {name!r}. {hint}"


def explain_unregistered(runs_dir: Path, name: str) -> str:
    """Return the sentence on a study that was asked for as a registered one, and is none."""
    if name not in list_study_names(runs_dir):
        return explain_unknown_study(runs_dir, name)
    return (
        f"the study {name} in {runs_dir} was trained without being registered, which cannot be "
        f"done afterwards. dropexp runs study={name} lists its runs; dropexp study verify {name} "
        f"checks them."
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


def withdraw_registration(runs_dir: Path, name: str) -> Path | None:
    """Give up a registered study that nobody has begun to train; its file is kept under a number.

    Args:
        runs_dir: the folder of run folders; must exist.
        name: of the study.

    Returns:
        The path of the kept file; None where no study of this name is registered.

    Raises:
        ConfigError: one of its runs has started, or was asked for.
        RunsDirError: the folder cannot be written.
        StoreError: the ledger cannot be written.
    """
    path = get_registered_path(runs_dir, name)
    with lock_study_file(runs_dir, path):
        registration = read_registration(runs_dir, name)
        if registration is None:
            return None
        if use := _find_use(runs_dir, registration):
            raise ConfigError(_explain_registered(runs_dir, name, use))
        kept = next(
            free
            for number in count(1)
            if not (free := path.with_name(f"{name}.registered.{number}.yaml")).exists()
        )
        move(path, kept)
    record_withdrawal(runs_dir, name)
    return kept


def _find_use(runs_dir: Path, registration: Registration) -> str:
    """Return what was done with the runs of a registered study; empty if nothing was."""
    ledger, name = read_ledger(runs_dir), registration.name
    requests = ((run_id, ledger.asked(run_id)) for run_id in ledger.runs_of(name))
    own = {run_id for run_id, asked in requests if asked and asked.purpose is Purpose.REGISTERED}
    runs = own | set(registration.run_ids)
    started = [
        run_id
        for run_id in runs
        if ledger.ended(run_id) is not None
        or StoredRun(runs_dir, run_id).status is not FolderStatus.NEW
    ]
    if started:
        return f"{format_count(len(started), 'run')} of it {_have(len(started))} started"
    for other in list_study_names(runs_dir):
        members = read_study(runs_dir, other).members
        if other == name or any(member.run_id in runs for member in members):
            return f"the sweep study={other} has asked for its runs"
    for other in list_registered_names(runs_dir):
        found = None if other == name else read_registration(runs_dir, other)
        if found is not None and runs & set(found.run_ids):
            return f"the registered study {other} shares runs with it"
    return ""


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _explain_registered(runs_dir: Path, name: str, use: str = "") -> str:
    reason = f" and cannot be replaced, as {use}" if use else ""
    return (
        f"the study {name} is registered in {runs_dir} already{reason}; dropexp study show {name} "
        f"shows it and dropexp sweep study={name} trains it. Register another question under "
        f"another name."
    )


def _hash(registration: Registration) -> str:
    content = {
        **asdict(replace(registration, hash="")),
        "question": registration.question.to_mapping(),
    }
    if not registration.files:
        del content["files"]  # as in older versions, which had none
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
