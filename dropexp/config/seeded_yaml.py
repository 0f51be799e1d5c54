"""A reader of config.yaml that keeps once what runs of a setting share."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from dropexp.config.fast_yaml import parse_flat_yaml
from dropexp.config.shared_config import SeededConfig, SharedConfig

_SEED = re.compile(r"^seed: (0|[1-9]\d{0,17})$", flags=re.MULTILINE)
_PLACEHOLDER = 8_213_570_946_213_570_946  # below 2^63, above every seed
_MAY_FOLLOW = {"seed", "data.seed"}


def parse_seeded_config(text: str) -> Mapping[str, Any]:
    """Return the flat config of a config.yaml: ``{"model.width": 64, …}``.

    Raises:
        yaml.YAMLError: the text is not YAML.
        ValueError: the text is not a mapping.
    """
    match = _SEED.search(text)
    if match is None or str(_PLACEHOLDER) in text:
        return parse_flat_yaml(text)
    line = f"seed: {match[1]}\n"
    shared = _parse_shared(text.replace(line, f"seed: {_PLACEHOLDER}\n"))
    return parse_flat_yaml(text) if shared is None else SeededConfig(shared, int(match[1]))


@cache
def _parse_shared(text: str) -> SharedConfig | None:
    """Return the config with a placeholder as its seed; None if it is not only where seeds are."""
    try:
        fields = parse_flat_yaml(text)
    except (yaml.YAMLError, ValueError):
        return None  # the message should be about the text as it is
    follows = frozenset(key for key, value in fields.items() if str(_PLACEHOLDER) in str(value))
    is_plain = all(fields[key] == _PLACEHOLDER for key in follows)
    return SharedConfig(fields, follows) if is_plain and follows <= _MAY_FOLLOW else None
