"""Every exception a user can meet.

DropexpError
├── UserError              exit code 2: the request is wrong, nothing was started
│   ├── ConfigError        a field has a value, type or name that is not allowed
│   │   └── SitesError     the regulariser finds nothing to act on in this model
│   ├── DataError          a data set is missing, damaged or too small for the request
│   ├── DeviceError        the device asked for is not there
│   ├── RunsDirError       runs_dir cannot hold run folders
│   ├── NoSuchRunError     no run, or more than one, is meant by an id
│   └── FilterError        a filter or a sorting key that is not one
└── RunError               exit code 1: a run was started and failed
    ├── AuditError         the regulariser does not do what it claims
    ├── StoreError         a run folder cannot be written or read back
    └── BusyError          another process is training the run

Each message is one or two plain sentences: the field, its value, what is allowed.
A divergence is not an exception but a status in the run's summary.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AuditError",
    "BusyError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DropexpError",
    "FilterError",
    "NoSuchRunError",
    "RunError",
    "RunsDirError",
    "SitesError",
    "StoreError",
    "UserError",
    "suggest",
]


class DropexpError(Exception):
    """Base of all errors dropexp raises on purpose."""


class UserError(DropexpError):
    """The request is wrong; nothing was started."""


class ConfigError(UserError):
    """A field has a value, type or name that is not allowed."""


class SitesError(ConfigError):
    """The regulariser finds nothing to act on in this model."""


class DataError(UserError):
    """A data set is missing, damaged or too small for the request."""


class DeviceError(UserError):
    """The device asked for is not there."""


class RunsDirError(UserError):
    """runs_dir cannot hold run folders."""


class NoSuchRunError(UserError):
    """No run, or more than one, is meant by an id."""


class FilterError(UserError):
    """A filter or a sorting key that is not one."""


class RunError(DropexpError):
    """A run was started and failed."""


class AuditError(RunError):
    """The regulariser does not do what it claims."""


class StoreError(RunError):
    """A run folder cannot be written or read back."""


class BusyError(RunError):
    """Another process is training the run."""


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence that names the close matches of a mistyped name, or all that is known."""
    known = sorted(known)
    matches = get_close_matches(name, known, n=3, cutoff=0.6)
    if matches:
        return f"Did you mean {' or '.join(matches)}?"
    return f"Known: {', '.join(known)}."
