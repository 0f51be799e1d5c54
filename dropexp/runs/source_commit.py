"""The commit of dropexp's own source, for records of how numbers were made."""

import subprocess
from functools import cache
from pathlib import Path


@cache
def find_source_commit() -> str | None:
    """Return the commit of dropexp's own source, with ``-dirty`` if it has local changes.

    None where dropexp is not a checkout, or git is missing. It is asked for once in a process, near
    the import of the source; the runs of a sweep have it from their fork server.
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
