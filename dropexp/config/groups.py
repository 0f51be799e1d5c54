"""Where the YAML files are, and which choices each config group has. Imports nothing heavy."""

from functools import cache
from pathlib import Path


def find_conf_dir() -> Path:
    """The folder of the YAML files: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def list_groups() -> dict[str, list[str]]:
    """The groups that make up a run and their choices, e.g. ``{"data": ["cifar10", …], …}``."""
    return {name: choices for name, choices in _all_groups().items() if name not in _OF_A_SWEEP}


def list_studies() -> list[str]:
    """The ready sweeps."""
    return _all_groups()["study"]


_OF_A_SWEEP = ("study", "hydra/launcher")


@cache
def _all_groups() -> dict[str, list[str]]:
    root = find_conf_dir()
    found: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*.yaml")):
        if file.parent != root:
            found.setdefault(file.parent.relative_to(root).as_posix(), []).append(file.stem)
    return found
