"""The config groups and their choices: those of conf/, and files that were added to them.

Imports neither Hydra nor torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError, suggest

REGULARISER = "regulariser"
"""The group that allows several choices: ``regulariser=dropout2d+stochastic_depth``."""

LOGGER = "logger"
"""The group that says where a run is logged, and nothing of what it computes."""

STUDY = "study"
_LAUNCHER = "hydra/launcher/dropexp"
_GROUPS_OF_SWEEPS = (STUDY, _LAUNCHER)


@dataclass(frozen=True, slots=True)
class AddedFile:
    """A config file beside those of conf/.

    Attributes:
        group: the config group, such as ``regulariser``.
        choice: its name in the group.
        text: its YAML.
        origin: the file that it was read from, or the file of the study that holds it; None where
            it stands for an entry point of an installed package.
    """

    group: str
    choice: str
    text: str
    origin: Path | None

    @property
    def name(self) -> str:
        """Its path below a config folder: ``regulariser/mine.yaml``."""
        return f"{self.group}/{self.choice}.yaml"


_added: dict[str, AddedFile] = {}


def find_conf_dir() -> Path:
    """Return the folder of the YAML files: in an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def list_groups() -> dict[str, list[str]]:
    """Return the groups that make up a run, with their choices: ``{"data": ["cifar10", …]}``."""
    groups = list_built_in_groups()
    if not _added:
        return groups
    merged = {group: [*choices] for group, choices in groups.items()}
    for file in _added.values():
        if file.group not in _GROUPS_OF_SWEEPS:
            merged.setdefault(file.group, []).append(file.choice)
    return merged


def list_built_in_groups() -> dict[str, list[str]]:
    """Return the groups and the choices of conf/ that make up a run."""
    groups = _list_all_groups()
    return {name: choices for name, choices in groups.items() if name not in _GROUPS_OF_SWEEPS}


def list_studies() -> list[str]:
    """Return the names of the ready studies: those of conf/study, and those that were added."""
    added = [file.choice for file in _added.values() if file.group == STUDY]
    return [*_list_all_groups()[STUDY], *added]


def list_launchers() -> list[str]:
    """Return what ``hydra/launcher=`` may be."""
    return _list_all_groups()[_LAUNCHER]


def find_ready_study(name: str) -> Path | None:
    """Return the file of a ready study; None where none has this name."""
    if name in _list_all_groups()[STUDY]:
        return find_conf_dir() / STUDY / f"{name}.yaml"
    added = _added.get(f"{STUDY}/{name}.yaml")
    return None if added is None else added.origin


def add_files(files: Iterable[AddedFile]) -> None:
    """Add files to the groups for this process; the same file may be added again.

    Raises:
        ConfigError: conf/ has a file of this name, or another one was added under it.
    """
    for file in files:
        if file.choice in _list_all_groups().get(file.group, ()):
            raise ConfigError(
                f"{file.origin} has the name of dropexp's own {file.group}={file.choice}; give it "
                f"another name."
            )
        known = _added.get(file.name)
        if known is not None and known.text != file.text:
            raise ConfigError(
                f"{file.group}={file.choice} is in {known.origin} and, with another content, in "
                f"{file.origin}; rename or leave out one of them."
            )
        _added.setdefault(file.name, file)


def find_added_file(group: str, choice: object) -> AddedFile | None:
    """Return the added file of a choice; None where conf/ has it, or nothing."""
    return _added.get(f"{group}/{choice}.yaml")


def list_added_files() -> tuple[AddedFile, ...]:
    """Return the files that were added in this process."""
    return tuple(_added.values())


def forget_added_files() -> None:
    """Forget the files that were added, where a process runs several commands."""
    _added.clear()


def split_combination(choice: str) -> list[str]:
    """Return the sorted names of the regularisers in a choice: ``["a", "b"]`` for ``b+a``.

    Args:
        choice: the value of ``regulariser=``. A single name is not checked.

    Raises:
        ConfigError: one of several names is unknown, is none, or occurs twice.
    """
    names = choice.split(COMBINATION_SEPARATOR)
    known = list_groups()[REGULARISER]
    if len(names) == 1:
        return names
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{REGULARISER}={choice} is not known: {name!r} is not a regulariser. "
                f"{suggest(name, known)}"
            )
    if "none" in names or len(set(names)) < len(names):
        raise ConfigError(
            f"{REGULARISER}={choice} is not allowed: it must name different regularisers, "
            f"without none."
        )
    return sort_regularisers(names)


def sort_regularisers(names: Iterable[str]) -> list[str]:
    """Return the names of regularisers in the order in which a combination has them."""
    return sorted(names, key=list_groups()[REGULARISER].index)


@cache
def _list_all_groups() -> dict[str, list[str]]:
    root = find_conf_dir()
    groups: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*.yaml")):
        if file.parent != root:
            groups.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
    return groups
