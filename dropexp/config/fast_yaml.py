"""config.yaml's text as plain values: quick where thousands are read.

The runs of a study share most sections of their configs to the letter, and a section that has been
seen before costs a look-up instead of half a millisecond.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from dropexp.config.setting import flatten

_SECTION = re.compile(r"^(?=[A-Za-z_])", flags=re.MULTILINE)
# The loader in C is six times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> dict[str, Any]:
    """The values of a YAML text; sections are shared with equal texts: do not change them.

    Raises:
        yaml.YAMLError, ValueError: it is not YAML, or no mapping.
    """
    try:
        return _joined(text, _section)
    except (yaml.YAMLError, ValueError):
        # Not of the shape that dropexp writes (anchors, say); or not YAML, as is then said.
        return _section(text)


def parse_flat_yaml(text: str) -> dict[str, Any]:
    """The same, flat: ``{"model.width": 64, …}``; see settings.flat.

    Raises:
        yaml.YAMLError, ValueError: it is not YAML, or no mapping.
    """
    try:
        return _joined(text, _flat_section)
    except (yaml.YAMLError, ValueError):
        return _flat_section(text)


def _joined(text: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for section in _SECTION.split(text):
        plain.update(read(section))
    return plain


@cache
def _section(text: str) -> dict[str, Any]:
    plain = yaml.load(text, Loader=_LOADER)
    if plain is None:
        return {}
    if not isinstance(plain, dict):
        raise ValueError("it is not a mapping")
    return plain


@cache
def _flat_section(text: str) -> dict[str, Any]:
    return flatten(_section(text))
