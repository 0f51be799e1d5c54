"""A reader of config.yaml that is fast where thousands of configs are read.

The runs of a study share most sections of their configs to the letter. Each section is parsed once
and then looked up, which saves half a millisecond a section.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from dropexp.config.setting import flatten

_SECTION = re.compile(r"^(?=[A-Za-z_])", flags=re.MULTILINE)
# The loader written in C is six times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> dict[str, Any]:
    """Parse a mapping; do not change what it holds, as equal sections are one object.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it is not a mapping.
    """
    try:
        return _parse_by_section(text, _parse_section)
    except (yaml.YAMLError, ValueError):
        # Another shape than dropexp writes (with anchors, say), or no YAML, which raises again.
        return _parse_section(text)


def parse_flat_yaml(text: str) -> dict[str, Any]:
    """Parse a mapping and flatten it: ``{"model.width": 64, …}``; see setting.flatten.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it is not a mapping.
    """
    try:
        return _parse_by_section(text, _parse_flat_section)
    except (yaml.YAMLError, ValueError):
        return _parse_flat_section(text)


def _parse_by_section(text: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for section in _SECTION.split(text):
        plain.update(parse(section))
    return plain


@cache
def _parse_section(text: str) -> dict[str, Any]:
    plain = yaml.load(text, Loader=_LOADER)
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise ValueError("it is not a mapping")
    return plain


@cache
def _parse_flat_section(text: str) -> dict[str, Any]:
    return flatten(_parse_section(text))
