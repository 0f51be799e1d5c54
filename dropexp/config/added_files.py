"""Config files that are added to those of conf/: of a user's folder, a study, or a package.

Imports neither Hydra nor torch.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from dropexp.config.fingerprints import split_target
from dropexp.config.groups import (
    STUDY,
    AddedFile,
    add_files,
    find_added_file,
    list_added_files,
    list_built_in_groups,
    list_groups,
)
from dropexp.config.parsing import DamagedError, parse_yaml_text, read_limited
from dropexp.config.paths import CONFIG_DIR_VARIABLE, parse_path
from dropexp.errors import ConfigError, StoreError

_GROUPS_OF_PACKAGES = {"regulariser": "regularisers", "data": "data", "model": "models"}
"""Config group → the entry points ``dropexp.<...>`` that add choices to it."""

_MOST_BYTES = 64 << 10
_MOST_FILES = 200
_MOST_ENTRIES = 10_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SEARCH_PATH = "hydra.searchpath=[file://{}]"


def use_config_dir(folder: Path) -> None:
    """Add the groups and studies in a folder: ``<group>/<choice>.yaml``, ``study/<name>.yaml``.

    Modules of the user that no other folder has are imported from it, also by the processes that
    this one starts.

    Raises:
        ConfigError: it is no folder, a file in it cannot be read or is no YAML mapping, or has the
            name of one of dropexp's own.
    """
    root = parse_path(folder, f"--config-dir {folder}").absolute()
    if not root.is_dir():
        raise ConfigError(
            f"--config-dir {folder} is not a folder; it must hold files such as "
            f"regulariser/NAME.yaml or study/NAME.yaml."
        )
    add_files(_read_folder(root))
    os.environ[CONFIG_DIR_VARIABLE] = str(root)


def add_recorded_files(files: Mapping[str, str], where: Path) -> None:
    """Add the config files that a study has recorded.

    Args:
        files: path below a config folder → text.
        where: the file that holds them.

    Raises:
        ConfigError: a file is no config file, or another one of its name was added.
    """
    added = []
    for name, text in files.items():
        group, _, file = name.rpartition("/")
        _check(name, text, where)
        added.append(AddedFile(group, file.removesuffix(".yaml"), text, where))
    add_files(added)


def add_package_choice(group: str, choice: object) -> bool:
    """Add a choice that an installed package names in its entry points; return whether one does."""
    found = [point for point in _list_entry_points(group) if point.name == choice]
    if found:
        add_files([_describe_entry_point(group, found[0])])
    return bool(found)


def list_choices(group: str) -> list[str]:
    """Return the choices of a group, also those that files and installed packages add."""
    of_packages = [point.name for point in _list_entry_points(group)]
    return list(dict.fromkeys([*list_groups()[group], *of_packages]))


def _list_entry_points(group: str) -> Sequence[EntryPoint]:
    """Return what installed packages add to a group: ``dropexp.regularisers``, and so on."""
    if group not in _GROUPS_OF_PACKAGES:
        return ()
    return tuple(entry_points(group=f"dropexp.{_GROUPS_OF_PACKAGES[group]}"))


def find_used_files(choices: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the added files that choices need, with those that these include: path → text.

    Files that stand for entry points are left out: the package has them.

    Args:
        choices: (group, choice) of each override.
    """
    used: dict[str, str] = {}
    left = list(choices)
    while left:
        file = find_added_file(*left.pop())
        if file is None or file.name in used or file.origin is None:
            continue
        used[file.name] = file.text
        left += _list_included(file)
    return used


def find_origins(choices: Iterable[tuple[str, object]]) -> list[Path]:
    """Return the files that choices of groups come from, without dropexp's and packages' own."""
    files = (find_added_file(*choice) for choice in choices)
    return [file.origin for file in files if file is not None and file.origin is not None]


@contextmanager
def search_added_files() -> Iterator[list[str]]:
    """Yield the override that lets Hydra find the added files inside; nothing without any."""
    files = [file for file in list_added_files() if file.group != STUDY]
    if not files:
        yield []
        return
    with TemporaryDirectory(prefix="dropexp-conf-") as folder:
        for file in files:
            path = Path(folder, file.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
        yield [_SEARCH_PATH.format(folder)]


def _read_folder(root: Path) -> Iterator[AddedFile]:
    paths = sorted(_find_yaml_files(root))
    if len(paths) > _MOST_FILES:
        raise ConfigError(
            f"--config-dir {root} holds {len(paths)} YAML files; at most {_MOST_FILES} are read. "
            f"Name a folder that holds groups only."
        )
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            text = read_limited(path, _MOST_BYTES, follow_link=True).decode()
        except (StoreError, UnicodeDecodeError, OSError) as error:
            raise ConfigError(f"{path} cannot be read: {error}.") from None
        _check(name, text, root)
        yield AddedFile(path.parent.relative_to(root).as_posix(), path.stem, text, path)


def _find_yaml_files(root: Path) -> Iterator[Path]:
    """Yield the YAML files in the groups of a folder; hidden ones are left out.

    Raises:
        ConfigError: the folder holds more files than groups do, as a home folder does.
    """
    seen = 0
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
        seen += len(subfolders) + len(names)
        if seen > _MOST_ENTRIES:
            raise ConfigError(
                f"--config-dir {root} holds more than {_MOST_ENTRIES:,} files and folders. Name a "
                f"folder that holds groups only."
            )
        if folder != str(root):
            yield from (
                Path(folder, name)
                for name in names
                if name.endswith(".yaml") and not _is_hidden(name)
            )


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _check(name: str, text: str, where: Path) -> None:
    """Refuse a file that is no config file.

    Raises:
        ConfigError: says why.
    """
    *group, file = name.split("/")
    parts = [*group, file.removesuffix(".yaml")]
    if not group or not file.endswith(".yaml") or not all(map(_NAME.fullmatch, parts)):
        raise ConfigError(
            f"{where}: {name} is not the name of a config file; write GROUP/NAME.yaml, with "
            f"letters, digits, '_', '-' and '.'."
        )
    if group[0] == "hydra":
        raise ConfigError(f"{where}: {name} is Hydra's own; add groups of a run and studies only.")
    try:
        plain = parse_yaml_text(text)
    except DamagedError as error:
        raise ConfigError(f"{where}: {name} is not allowed: {error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {name} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(plain, dict):
        raise ConfigError(f"{where}: {name} must be a mapping of keys to values.")


def _list_included(file: AddedFile) -> list[tuple[str, object]]:
    """Return the choices that the defaults list of a file names."""
    plain: Any = parse_yaml_text(file.text)
    included: list[tuple[str, object]] = []
    for entry in plain.get("defaults") or ():
        if isinstance(entry, str):
            included.append((file.group, entry))
        elif isinstance(entry, dict):
            for key, choice in entry.items():
                group = str(key).removeprefix("override ").partition("@")[0]
                is_absolute = group.startswith("/")
                included.append((group[1:] if is_absolute else f"{file.group}/{group}", choice))
    return included


def _describe_entry_point(group: str, point: EntryPoint) -> AddedFile:
    """Return the file of a choice that stands for ``custom`` with the entry point's target."""
    try:
        split_target(point.value)
    except ValueError:
        raise ConfigError(
            f"{group}={point.name} is not allowed: its package names {point.value}; {point.group} "
            f"needs module:Class."
        ) from None
    text = f"defaults: [custom, _self_]\ntarget: {point.value}\n"
    return AddedFile(group, point.name, text, None)


def explain_new_group(key: str) -> str:
    """Return a hint for a key that is the name of an added group without a place in a run."""
    is_added = any(file.group == key for file in list_added_files())
    if not is_added or key in (STUDY, *list_built_in_groups()):
        return ""
    return (
        f"Begin the files of the group {key} with '# @package _global_', so that they set keys of "
        f"a run."
    )
