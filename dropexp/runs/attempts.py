"""Attempts: each training of a run has a token, so that no clock says which of two is newer.

``environment.json`` holds the token of the attempt and that of the sweep that launched it. It is
written before training starts. Imports no torch.
"""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from dropexp.errors import StoreError
from dropexp.runs.durable import compute_digest
from dropexp.runs.files import ENVIRONMENT, ERROR, SUMMARY
from dropexp.runs.read import FolderStatus, StoredRun
from dropexp.runs.write import RunFolder

ATTEMPT = "attempt"
SWEEP = "sweep"

_END_FILES = {FolderStatus.FINISHED: SUMMARY, FolderStatus.FAILED: ERROR}


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last attempt at a run that its folder holds.

    Attributes:
        token: of the attempt; empty where none was recorded.
        sweep: the token of the sweep that launched it; empty outside sweeps.
        end: a digest of how it ended; empty while it has not ended.
    """

    token: str
    sweep: str
    end: str

    def without_end(self) -> "Attempt":
        """Return the attempt as one of which no end counts, not even a later one."""
        return replace(self, end="")


def make_attempt(sweep: str) -> dict[str, Any]:
    """Return the entries of environment.json that name a new attempt.

    Args:
        sweep: the token of the sweep that launches it; empty outside sweeps.
    """
    return {ATTEMPT: uuid.uuid4().hex, SWEEP: sweep or None}


def read_attempt(folder: StoredRun) -> Attempt:
    """Return the last attempt at a run; its tokens are empty where none was recorded."""
    environment = folder.read_environment()
    token, sweep = environment.get(ATTEMPT), environment.get(SWEEP)
    return Attempt(str(token or ""), str(sweep or ""), _digest_end(folder))


def record_attempt(folder: RunFolder, attempt: dict[str, Any]) -> None:
    """Write an attempt that ends before its environment was described into environment.json.

    Args:
        folder: of the run, locked by this process.
        attempt: by make_attempt.

    Raises:
        StoreError: the folder cannot be written.
    """
    environment = folder.read_environment()
    if environment.get(ATTEMPT) != attempt[ATTEMPT]:
        folder.write_json(ENVIRONMENT, environment | attempt)


def has_ended_since(folder: StoredRun, stale: Attempt | None) -> bool:
    """Return whether a run has ended in another way than in a stale attempt.

    Args:
        folder: of the run.
        stale: the attempt whose end does not count, because the run is to be trained or measured
            again; None: every end counts.
    """
    if folder.status not in _END_FILES:
        return False
    if stale is None:
        return True
    now = read_attempt(folder)
    if not stale.end:
        return now.token != stale.token
    return bool(now.end) and (now.token, now.end) != (stale.token, stale.end)


def _digest_end(folder: StoredRun) -> str:
    name = _END_FILES.get(folder.status)
    if name is None:
        return ""
    try:
        return compute_digest(folder.read_bytes(name))[:32]
    except (FileNotFoundError, StoreError):
        return ""  # removed meanwhile, as a run that is trained again removes it, or no file
