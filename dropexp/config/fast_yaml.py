"""A cached reader of config.yaml, for commands that read thousands of configs.

The configs of a study have many identical sections. Each distinct section is parsed once and then
looked up, which saves half a millisecond a section.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from dropexp.config.parsing import DamagedError, parse_yaml_text
from dropexp.config.setting import flatten

_SECTION = re.compile(r"^(?=[A-Za-z_])", flags=re.MULTILINE)


def parse_yaml(text: str) -> dict[str, Any]:
    """Return the mapping that a YAML text describes; do not modify it, as sections are shared.

    Raises:
        yaml.YAMLError: the text is not YAML.
        DamagedError: the text is not a mapping of plain values; see parse_yaml_text.
    """
    return _parse_by_section(text, _parse_section)


def parse_flat_yaml(text: str) -> dict[str, Any]:
    """Return the mapping with dotted keys: ``{"model.width": 64, …}``; see setting.flatten.

    Raises:
        yaml.YAMLError: the text is not YAML.
        DamagedError: the text is not a mapping of plain values; see parse_yaml_text.
    """
    return _parse_by_section(text, _parse_flat_section)


def _parse_by_section(text: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    try:
        for section in _SECTION.split(text):
            plain.update(parse(section))
    except (yaml.YAMLError, ValueError):
        # The text is YAML that dropexp does not write (with anchors, say), or an error.
        return parse(text)
    return plain


@cache
def _parse_section(text: str) -> dict[str, Any]:
    plain = parse_yaml_text(text)
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise DamagedError("it is not a mapping")
    return plain


@cache
def _parse_flat_section(text: str) -> dict[str, Any]:
    return flatten(_parse_section(text))
