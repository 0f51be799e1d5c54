"""The regularisers that are training options: on or off, and what a setting is without them.

Pure functions on flat fields, as settings.py has them. One name each, that of its file in
conf/classic: ``weight_decay``, ``label_smoothing``, ``early_stopping``, ``augmentation``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Classic:
    """A training option that regularises.

    Attributes:
        key: its field, or the section that is null where it is off.
        off: the value that leaves it out.
        without: the word of a command that leaves it out.
        choice: the word that its fields need beside them.
    """

    key: str
    off: Any
    off_override: str
    on_override: str = ""

    def owns(self, key: str) -> bool:
        """Whether a field is this option's."""
        return key == self.key or key.startswith(f"{self.key}.")

    def active_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Its fields where it is on; empty where it is off, or is not in the fields at all."""
        return {key: value for key, value in fields.items() if self.owns(key) and value != self.off}


CLASSICS: Mapping[str, Classic] = {
    "weight_decay": Classic("optimiser.weight_decay", 0.0, "optimiser.weight_decay=0"),
    "label_smoothing": Classic("train.label_smoothing", 0.0, "train.label_smoothing=0"),
    "early_stopping": Classic(
        "train.early_stopping", None, "train/early_stopping=null", "train/early_stopping=patience"
    ),
    "augmentation": Classic("data.augment", "none", "data.augment=none"),
}


def list_active_classics(fields: Mapping[str, Any]) -> list[str]:
    """The names of those that are on."""
    return [name for name, classic in CLASSICS.items() if classic.active_fields(fields)]


def list_varied_classics(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of those that some of the settings have on and others off.

    One that all have on is part of what all were trained with, such as the learning rate.
    """
    on = [set(list_active_classics(fields)) for fields in settings]
    return [name for name in CLASSICS if 0 < sum(name in each for each in on) < len(on)]


def turn_off_classics(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The fields with some of them off; the order of the fields may be another."""
    off = [CLASSICS[name] for name in names if CLASSICS[name].active_fields(fields)]
    kept = {key: value for key, value in fields.items() if not any(each.owns(key) for each in off)}
    return kept | {classic.key: classic.off for classic in off}


def describe_classic(name: str, fields: Mapping[str, Any]) -> str:
    """One that is on, with its strength: ``weight_decay=0.0005``, ``early_stopping patience=5``."""
    classic = CLASSICS[name]
    values = classic.active_fields(fields)
    if classic.key in values:
        return f"{name}={values[classic.key]}"
    options = {key.removeprefix(f"{classic.key}."): value for key, value in values.items()}
    return " ".join([name, *(f"{key}={value}" for key, value in options.items() if value != 0)])
