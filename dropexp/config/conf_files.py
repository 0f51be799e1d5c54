"""The YAML files of conf/ as plain values. Imports neither Hydra nor torch."""

from functools import cache
from typing import Any

import yaml

from dropexp.config.groups import find_added_file, find_conf_dir
from dropexp.config.parsing import parse_yaml_text


def read_choice(group: str, choice: str) -> dict[str, Any]:
    """Return the values that a file of conf/ sets in its own section."""
    values = read_file(f"{group}/{choice}.yaml")
    section: dict[str, Any] = values.get(group, values)
    return section


def read_default_choices() -> dict[str, str | None]:
    """Return the choice of each group without an override; None where the group is off."""
    defaults: dict[str, str | None] = {}
    for entry in read_file("config.yaml")["defaults"]:
        defaults |= entry if isinstance(entry, dict) else {}
    return defaults


def read_file(name: str) -> dict[str, Any]:
    """Return the content of a file of conf/, or of one that was added to it, by its path."""
    group, _, file = name.rpartition("/")
    added = find_added_file(group, file.removesuffix(".yaml"))
    return _read_own(name) if added is None else parse_yaml_text(added.text)


@cache
def _read_own(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((find_conf_dir() / name).read_text(encoding="utf-8"))
    return values
