"""The choice of loggers, several of which are written as a list: ``logger=[mlflow,wandb]``."""

import re
from collections.abc import Sequence
from typing import Any

from dropexp.config.groups import LOGGER
from dropexp.errors import ConfigError, suggest

TRACKERS = ("mlflow", "wandb", "trackio")
"""The loggers that send a run out of its folder. Each has a section of the config."""


def check_loggers(text: str, values: Sequence[Any], known: Sequence[str]) -> None:
    """Check an override of the loggers.

    Args:
        text: the override as typed.
        values: what it is set to; more than one as in a sweep.
        known: the loggers that there are.

    Raises:
        ConfigError: a logger does not exist, or several are not written as a list.
    """
    typed = text.partition("=")[2]
    if len(values) > 1 or "+" in typed:
        listed = ",".join(re.split(r"[,+ ]+", typed))
        raise ConfigError(
            f"{text} is not allowed: a run is logged to all of its loggers; write "
            f'"{LOGGER}=[{listed}]".'
        )
    names = list_loggers(values[0])
    for name in names:
        if name not in known:
            raise ConfigError(f"{LOGGER}={name} is not known. {suggest(name, known)}")
    if "none" in names and len(names) > 1:
        raise ConfigError(f"{text} is not allowed: none excludes other loggers.")


def list_loggers(value: Any) -> list[str]:
    """Return the loggers that a value of the override names."""
    names = value if isinstance(value, list) else [value]
    return ["null" if name is None else str(name) for name in names]


def explain_absent_logger(key: str, known: Sequence[str]) -> str:
    """Return what to type for a key of a logger that is not chosen; empty for other keys."""
    group, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    if group != LOGGER or name not in known:
        return ""
    return f"Choose the logger too: {LOGGER}={name}."
