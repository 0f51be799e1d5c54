"""Study files: the overrides of a sweep and the question that it answers, in YAML.

conf/study holds the ready ones. ``study=path/to/file.yaml`` names another one, and a registered
study has its file in the folder of its runs. Imports neither Hydra nor torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dropexp.config.groups import find_ready_study
from dropexp.config.parsing import (
    MOST_BYTES_OF_STUDY,
    DamagedError,
    parse_yaml_text,
    read_limited,
)
from dropexp.config.paths import parse_path
from dropexp.errors import ConfigError, StoreError, suggest

FOLDER = ".studies"
"""The folder in a folder of runs that holds what is known of its studies."""

REGISTERED_SUFFIX = ".registered.yaml"

MOST_CHARACTERS = 150
"""Of a study's name: file systems allow 255 bytes, and suffixes are added to it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_SUFFIXES = (".yaml", ".yml")
_KEYS = ("hydra", "question", "registered", "files")


@dataclass(frozen=True)
class StudyFile:
    """The content of a study file; what its question and its registration say is not checked.

    Attributes:
        path: of the file.
        name: of the study: that of its registration, or the file's name without its suffix.
        params: key → value or values, as an override has them behind ``=``.
        question: the content of ``question``, empty without one.
        registered: the content of ``registered``, None where the study is not registered.
        files: config files that its params choose: path below a config folder → text.
    """

    path: Path
    name: str
    params: Mapping[str, str]
    question: Mapping[str, Any] = field(default_factory=dict)
    registered: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def is_study_path(study: str) -> bool:
    """Return whether the value of ``study=`` is the path of a file, and not a name."""
    return study.endswith(_SUFFIXES)


def is_study_name(name: str) -> bool:
    """Return whether a study may have this name; it names files."""
    return len(name) <= MOST_CHARACTERS and _NAME.fullmatch(name) is not None


def check_study_name(name: str) -> str:
    """Return the name of a study, which names its files.

    Raises:
        ValueError: it cannot name a file; the message is the reason.
    """
    if len(name) > MOST_CHARACTERS:
        raise ValueError(
            f"it names files, so it must have at most {MOST_CHARACTERS} characters; this one has "
            f"{len(name)}"
        )
    if not is_study_name(name):
        raise ValueError(
            "it names a file, so it must be letters, digits, '_', '-' and '.', and start with a "
            "letter or digit"
        )
    return name


def refuse_study_name(name: str) -> None:
    """Refuse a name that cannot be the name of a study's file.

    Raises:
        ConfigError: says what is allowed.
    """
    try:
        check_study_name(name)
    except ValueError as error:
        shown = name if len(name) <= 60 else f"{name[:57]}…"
        raise ConfigError(f"study={shown} is not allowed: {error}.") from None


def find_study_folder(runs_dir: Path) -> Path:
    """Return the folder of what is known of studies; it need not exist.

    Raises:
        ConfigError: it is a link, and what that leads to may be anybody's.
    """
    folder = runs_dir / FOLDER
    if folder.is_symlink():
        raise ConfigError(f"{folder} is a link, which is not followed. Remove the link.")
    return folder


def get_registered_path(runs_dir: Path, name: str) -> Path:
    """Return where the file of a registered study is, or would be.

    Raises:
        ConfigError: the name cannot be that of a file, or its folder is a link.
    """
    refuse_study_name(name)
    return find_study_folder(runs_dir) / f"{name}{REGISTERED_SUFFIX}"


def find_study_file(study: str | None, runs_dir: Path) -> StudyFile | None:
    """Return the file that ``study=`` means; None where it is only a label.

    It is the file of a path; of a name the study registered in the folder of runs, or else a ready
    one.

    Args:
        study: the value of ``study=``.
        runs_dir: the folder of run folders.

    Raises:
        ConfigError: it is neither a name nor the path of a study file.
    """
    if study is None:
        return None
    if is_study_path(study):
        return read_study_file(parse_path(study, f"study={study}"))
    refuse_study_name(study)
    registered = get_registered_path(runs_dir, study)
    if registered.is_symlink() or registered.is_file():
        return read_study_file(registered, follow_link=False)
    ready = find_ready_study(study)
    return None if ready is None else read_study_file(ready)


def read_study_file(path: Path, *, follow_link: bool = True) -> StudyFile:
    """Return the content of a study file.

    Args:
        path: of the file.
        follow_link: whether it may be a link, as where the user has named it.

    Raises:
        ConfigError: the file does not exist, is not YAML, or is not a study file.
    """
    plain = _read_mapping(path, follow_link=follow_link)
    if _KEYS[0] not in plain:  # no word of it is shown: it may be any file
        raise ConfigError(f"{path} is not a study: {_EXPECTED}")
    for key in plain:
        if key not in _KEYS:
            raise ConfigError(f"{path}: {key} is not a key of a study. {suggest(str(key), _KEYS)}")
    params = _find_params(plain, path)
    question = plain.get("question") or {}
    registered = plain.get("registered")
    if not isinstance(question, dict):
        raise ConfigError(f"{path}: question must be a mapping, such as metric: test_acc.")
    if registered is not None and not isinstance(registered, dict):
        raise ConfigError(
            f"{path}: registered must be a mapping; dropexp study register writes it."
        )
    files = plain.get("files") or {}
    if not isinstance(files, dict) or not all(isinstance(text, str) for text in files.values()):
        raise ConfigError(f"{path}: files must hold texts by names such as regulariser/mine.yaml.")
    name = registered.get("name") if registered else path.stem
    refuse_study_name(str(name))
    return StudyFile(
        path=path,
        name=str(name),
        params={key: _to_text(key, value, path) for key, value in params.items()},
        question=question,
        registered=registered,
        files={str(name): text for name, text in files.items()},
    )


def _read_mapping(path: Path, *, follow_link: bool) -> Mapping[Any, Any]:
    try:
        raw = read_limited(path, MOST_BYTES_OF_STUDY, follow_link=follow_link)
        plain = parse_yaml_text(raw.decode())
    except FileNotFoundError as error:
        raise ConfigError(
            f"study={path} cannot be read: {error.strerror}. A name without .yaml is a ready or a "
            f"registered study, or a label."
        ) from None
    except StoreError as error:
        raise ConfigError(f"study={path}: {error}") from None
    except DamagedError as error:
        raise ConfigError(f"{path} is not a study: {error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is not YAML: {reason}.") from None
    if not isinstance(plain, dict):
        raise ConfigError(f"{path} is not a study: {_EXPECTED}")
    return plain


_EXPECTED = "it must hold hydra: sweeper: params: with a line for each override."


def _find_params(plain: Mapping[Any, Any], path: Path) -> Mapping[str, Any]:
    """Return ``hydra.sweeper.params``; beside it, nothing of Hydra's may be set."""
    node: Any = plain
    for key in ("hydra", "sweeper", "params"):
        if not isinstance(node, dict) or key not in node:
            raise ConfigError(f"{path} is not a study: {_EXPECTED}")
        others = [other for other in node if other != key] if node is not plain else []
        if others:
            raise ConfigError(
                f"{path}: {others[0]} is Hydra's own; a study sets hydra.sweeper.params only."
            )
        node = node[key]
    if not isinstance(node, dict) or not node:
        raise ConfigError(f"{path} is not a study: {_EXPECTED}")
    return {str(key): value for key, value in node.items()}


def _to_text(key: str, value: Any, path: Path) -> str:
    """Return a value as it stands behind ``=`` on a command line."""
    if isinstance(value, list | dict):
        raise ConfigError(
            f"{path}: {key} must be text, as behind {key}= on the command line: 0.1,0.3 for "
            f"several values, '[512,512]' in quotes for a list."
        )
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
