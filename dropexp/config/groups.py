"""The config groups of conf/ and their choices. Imports neither Hydra nor torch."""

from functools import cache
from pathlib import Path

from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError, suggest

REGULARISER = "regulariser"
"""The group that allows several choices: ``regulariser=dropout2d+stochastic_depth``."""

_LAUNCHER = "hydra/launcher/dropexp"
_GROUPS_OF_SWEEPS = ("study", _LAUNCHER)


def find_conf_dir() -> Path:
    """Return the folder of the YAML files: in an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def list_groups() -> dict[str, list[str]]:
    """Return the groups that make up a run, with their choices: ``{"data": ["cifar10", …]}``."""
    groups = _list_all_groups()
    return {name: choices for name, choices in groups.items() if name not in _GROUPS_OF_SWEEPS}


def list_studies() -> list[str]:
    """Return the names of the ready studies in conf/study."""
    return _list_all_groups()["study"]


def list_launchers() -> list[str]:
    """Return what ``hydra/launcher=`` may be."""
    return _list_all_groups()[_LAUNCHER]


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
    return sorted(names, key=known.index)


@cache
def _list_all_groups() -> dict[str, list[str]]:
    root = find_conf_dir()
    groups: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*.yaml")):
        if file.parent != root:
            groups.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
    return groups
