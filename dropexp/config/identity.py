"""The identity of a run: the part of its config that determines its numbers, and its hash.

Two configs with equal identities train the same run, also on other devices or in other folders.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS_VERSION = 2
"""Part of every run id. Raise it when a change of the code changes the numbers of runs.

Version 1 took loss_gap, acc_gap and area between noisy training labels and clean validation labels,
and did not measure clean_label_train_* and noisy_label_val_*.
"""

IDENTITY_KEYS = ("data", "model", "regulariser", "optimiser", "train", "precision", "seed")
"""The top-level keys of a config that determine the numbers of a run."""

KEPT_KEYS = ("track_examples",)
"""The top-level keys that add to what a run keeps, and change none of its numbers."""

NOT_IN_IDENTITY = {
    "data": {"root", "download", "on_broken", "option_files"},
    "model": {"weights", "option_files"},
    "regulariser": {"option_files", "custom.option_files"},
}
"""Fields of these sections that say where files are, or whether they are refused; no number changes
with them. The content of model.weights is in the identity as model.weights_fingerprint."""

SECTIONS_WITH_OPTIONS = ("data", "model", "regulariser", "regulariser.custom")
"""The sections that may have options of the user's own code, and a field option_files."""


LOOP_KEY, OWN_LOOP = "train.loop", "own"
"""The field of a config that says that dropexp has recorded the run and not trained it."""


def hash_identity(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of a config's identity, 64 hex digits."""
    return hashlib.sha256(_format(identity).encode()).hexdigest()


def shorten_paths(value: Any, key: str, files: Collection[str]) -> Any:
    """Return an option's value with the name of a file in place of its path.

    A fingerprint has the content of the file. The folder that it was found in counts no more than
    that of pictures; its name does, as code may tell formats by it, and a word that was not meant
    as a path may happen to be the name of a file.

    Args:
        value: of the option; a list or a mapping has options of its own.
        key: of the option, dotted.
        files: the keys of the options that name a file; see option_files in data_section.py.
    """
    if isinstance(value, str):
        return Path(value).name if key in files else value
    if isinstance(value, Mapping):
        return {name: shorten_paths(item, f"{key}.{name}", files) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [shorten_paths(item, f"{key}.{n}", files) for n, item in enumerate(value)]
    return value


class SplitIdentity:
    """Identities that differ in one whole number, with their canonical JSON split around it.

    Args:
        identity: one of them.
        keys: the dotted keys that have this number, at least one; each is in the identity.
    """

    def __init__(self, identity: Mapping[str, Any], keys: Sequence[str]) -> None:
        mark = "#"
        while mark in _format(identity):
            mark += "#"
        for key in keys:
            identity = _with_value(identity, key.split("."), mark)
        start, *self._rest = _format(identity).encode().split(json.dumps(mark).encode())
        self._hash = hashlib.sha256(start)

    def hash(self, number: int) -> str:
        """Return what hash_identity returns for the identity with a number."""
        digits = str(number).encode()
        whole = self._hash.copy()
        whole.update(digits + digits.join(self._rest))
        return whole.hexdigest()


def _format(identity: Mapping[str, Any]) -> str:
    payload = {"results_version": RESULTS_VERSION, "config": identity}
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))


def _with_value(node: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return a copy with another value of a key that is there."""
    name, *rest = path
    old = node[name]
    return {**node, name: _with_value(old, rest, value) if rest else value}
