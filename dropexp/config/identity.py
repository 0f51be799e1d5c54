"""What makes a run the same run: the scientific part of its config, and the hash of it.

Two configs that differ in nothing else (device, threads, folders, names) train the same run.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RESULTS_VERSION = 1
"""Raise it when a change of the code changes the numbers of runs: it is part of every run id."""

IDENTITY_KEYS = ("data", "model", "regulariser", "optimiser", "train", "precision", "seed")
"""The top-level keys of a config that determine the numbers of a run."""

NOT_IN_IDENTITY = {"data": {"root", "download"}}
"""Fields of scientific sections that only say where the data is."""


def hash_identity(scientific: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of a config's scientific part, 64 hex digits."""
    payload = {"results_version": RESULTS_VERSION, "config": scientific}
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
