"""The commit of dropexp's own source, for records of how numbers were made."""

import subprocess
from pathlib import Path


def find_source_commit() -> str | None:
    """Return the commit of dropexp's own source, with ``-dirty`` if it has local changes.

    None where dropexp is not a checkout, or git is missing.
    """
    source = Path(__file__).parents[1]
    if not (source.parent / ".git").exists():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
