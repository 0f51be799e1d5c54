"""Every exception that a user can meet.

DropexpError
├── UserError              exit code 2: the request is wrong, nothing was started
│   ├── ConfigError
│   │   └── SitesError
│   ├── DataError
│   ├── DeviceError
│   ├── RunsDirError
│   ├── RunIdError
│   ├── FilterError
│   └── UntrustedError
└── RunError               exit code 1: a run was started and failed
    ├── AuditError
    ├── StoreError
    │   ├── DiskError
    │   └── NewerFormatError
    └── BusyError

A message is one or two plain sentences: the field, its value, what is allowed, what to do next.
A run that diverges raises nothing: divergence is a status in its summary.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = [
    "AuditError",
    "BusyError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DiskError",
    "DropexpError",
    "FilterError",
    "NewerFormatError",
    "RunError",
    "RunIdError",
    "RunsDirError",
    "SitesError",
    "StoreError",
    "UntrustedError",
    "UserError",
    "propose",
    "suggest",
    "suggest_close",
]


class DropexpError(Exception):
    """Base class of the errors that dropexp raises on purpose."""


class UserError(DropexpError):
    """The request is wrong; nothing was started."""


class ConfigError(UserError):
    """A key of the config has a name, type or value that is not allowed."""


class SitesError(ConfigError):
    """The model has no site that the regulariser acts on."""


class DataError(UserError):
    """A data set is missing, damaged or too small for the request."""


class BrokenPictureError(DataError):
    """A file of a picture cannot be decoded."""


class DeviceError(UserError):
    """The machine has no such device."""


class RunsDirError(UserError):
    """runs_dir is not a folder that can hold run folders."""


class RunIdError(UserError):
    """An id matches no run, or several."""


class FilterError(UserError):
    """A filter or a sort key cannot be read, or names a field that no run has."""


class UntrustedError(UserError):
    """A recorded file names code or a folder that the user has not used on this machine."""


class RunError(DropexpError):
    """A run was started and failed."""


class AuditError(RunError):
    """The regulariser does not do what it claims."""


class StoreError(RunError):
    """A run folder cannot be written or read."""


class DiskError(StoreError):
    """The disk of the runs is full, read-only or defective: no fault of the run.

    Attributes:
        reason: what is wrong with the disk: "the disk is full".
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NewerFormatError(StoreError):
    """A file was written by a later dropexp, so that this one must not call it damaged."""


class BusyError(RunError):
    """Another process is training the run."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the close matches of a mistyped name, or with all known names."""
    known = sorted(known)
    return suggest_close(name, known) or f"Known: {', '.join(known)}."


def suggest_close(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return a sentence with the close matches of a mistyped name; empty if there is none.

    Args:
        name: as typed.
        known: the names that are allowed.
        likeness: the least likeness of a match, in (0, 1]; see difflib.
    """
    matches = get_close_matches(name, sorted(known), n=3, cutoff=likeness)
    return propose(matches) if matches else ""


def propose(names: Sequence[str]) -> str:
    """Return ``Did you mean a, b or c?``; of at least one name."""
    *others, last = names
    return f"Did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
