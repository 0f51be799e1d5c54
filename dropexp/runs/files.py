"""The names of the files in a run folder; docs/reference/run-folder.md says what each holds."""

from pathlib import Path

from dropexp.config.logger_choice import TRACKERS
from dropexp.runs.durable import PART

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
AUDIT = "audit.json"
METRICS = "metrics.csv"
SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "model.safetensors"
EXAMPLES = "examples.safetensors"
LOG = "run.log"
ERROR = "error.txt"
LOCK = ".lock"

LOGGER_FILES = {name: f"logger-{name}.json" for name in TRACKERS}
"""Logger → what its tracker has of the run. Each has one writer, a process of its own."""

LOGGER_LOCKS = {name: f".logger-{name}.lock" for name in TRACKERS}
"""Logger → what the process holds that sends the run, so that there is one at a time."""

LOCKS = (LOCK, *LOGGER_LOCKS.values())
"""The files that stay where a folder is emptied: a process may hold one of them."""

CHECKED_FILES = (CONFIG, METRICS, WEIGHTS, AUDIT, EXAMPLES)
"""The files whose checksums stand in the summary, beside that of the summary itself."""

EVENTS_PREFIX = "events.out.tfevents."
"""Begins the names of TensorBoard's files."""

MAY_BE_REMOVED = (WEIGHTS, EXAMPLES)
"""Files that a finished run can do without: a user may have removed them to save space."""

RUN_FILES = frozenset(
    (
        *(CONFIG, ENVIRONMENT, AUDIT, METRICS, SUMMARY, CHECKPOINT, LOG, ERROR),
        *LOCKS,
        *MAY_BE_REMOVED,
        *LOGGER_FILES.values(),
    )
)
"""The files of a run folder but for TensorBoard's."""


def is_half_written(path: Path) -> bool:
    """Return whether durable.py made this file on the way to one of a run's files."""
    if path.name[:1] != "." or path.suffix != PART:
        return False
    name = path.name[1 : -len(PART)]
    is_own = name in RUN_FILES or name.startswith(EVENTS_PREFIX)
    return is_own and path.is_file() and not path.is_symlink()
