"""The names of the files in a run folder; docs/reference/run-folder.md says what each holds."""

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
AUDIT = "audit.json"
METRICS = "metrics.csv"
SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "model.safetensors"
LOG = "run.log"
ERROR = "error.txt"
LOCK = ".lock"

CHECKED_FILES = (CONFIG, METRICS, WEIGHTS, AUDIT)
"""The files whose checksums stand in the summary, beside that of the summary itself."""

EVENTS_PREFIX = "events.out.tfevents."
"""Begins the names of TensorBoard's files."""

RUN_FILES = frozenset(
    (CONFIG, ENVIRONMENT, AUDIT, METRICS, SUMMARY, CHECKPOINT, WEIGHTS, LOG, ERROR, LOCK)
)
"""The files of a run folder but for TensorBoard's."""
