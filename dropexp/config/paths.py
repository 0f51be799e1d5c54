"""Paths that a user types: ``~`` is expanded, and what no file system can hold is refused."""

import os
from pathlib import Path

from dropexp.errors import ConfigError

CONFIG_DIR_VARIABLE = "DROPEXP_CONFIG_DIR"
"""The environment variable that names the folder of ``--config-dir``, also to workers."""

_MOST_BYTES = 255
"""Of the name of a file or folder, on the file systems in use."""


def parse_path(path: str | Path, label: str) -> Path:
    """Return a path with ``~`` or ``~user`` at its start replaced by the home folder.

    Args:
        path: as typed.
        label: what the user typed, such as ``runs_dir=~/runs``; begins the message of an error.

    Raises:
        ConfigError: the home folder is not known, or a name in the path is too long for a file.
    """
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise ConfigError(
            f"{label} is not allowed: the home folder {user} is not known; write the whole path, "
            f"or ./{user} for a folder of that name here."
        ) from None
    longest = max((len(os.fsencode(part)) for part in expanded.parts), default=0)
    if longest > _MOST_BYTES:
        shown = label if len(label) <= 60 else f"{label[:57]}…"
        raise ConfigError(
            f"{shown} is not allowed: a name in it has {longest} bytes; files and folders have at "
            f"most {_MOST_BYTES}."
        )
    return expanded
