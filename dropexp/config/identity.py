"""The identity of a run: the part of its config that determines its numbers, and its hash.

Two configs with equal identities train the same run, also on other devices or in other folders.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

RESULTS_VERSION = 2
"""Part of every run id. Raise it when a change of the code changes the numbers of runs.

Version 1 took loss_gap, acc_gap and area between noisy training labels and clean validation labels,
and did not measure clean_label_train_* and noisy_label_val_*.
"""

IDENTITY_KEYS = ("data", "model", "regulariser", "optimiser", "train", "precision", "seed")
"""The top-level keys of a config that determine the numbers of a run."""

NOT_IN_IDENTITY = {"data": {"root", "download"}}
"""Fields of these sections that say where the data is and change no number."""


def hash_identity(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of a config's identity, 64 hex digits."""
    payload = {"results_version": RESULTS_VERSION, "config": identity}
    canonical = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
