"""The classic regularisers: training options that can be turned on and off.

Pure functions on a setting's fields, as in setting.py. Each has the name of its file in
conf/classic: ``weight_decay``, ``label_smoothing``, ``early_stopping``, ``max_norm``,
``augmentation``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Classic:
    """A training option that regularises.

    Attributes:
        key: its field, or the section that is null while it is off.
        off: the value of ``key`` that turns it off.
        off_override: the override that turns it off.
        on_override: the override that must come before those of its fields; empty if none must.
        is_bound: whether its number is an upper bound, of which the smallest is the strongest.
    """

    key: str
    off: Any
    off_override: str
    on_override: str = ""
    is_bound: bool = False

    def owns(self, key: str) -> bool:
        """Return whether a field belongs to this option."""
        return key == self.key or key.startswith(f"{self.key}.")

    def is_on(self, fields: Mapping[str, Any]) -> bool:
        """Return whether it is on; false if it has no field here."""
        if self.key in fields:
            return bool(fields[self.key] != self.off)
        prefix = f"{self.key}."
        return any(key.startswith(prefix) for key in fields)

    def active_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return its fields if it is on; empty if it is off or has no field here."""
        return {key: value for key, value in fields.items() if self.owns(key) and value != self.off}


CLASSICS: Mapping[str, Classic] = {
    "weight_decay": Classic("optimiser.weight_decay", 0.0, "optimiser.weight_decay=0"),
    "label_smoothing": Classic("train.label_smoothing", 0.0, "train.label_smoothing=0"),
    "early_stopping": Classic(
        "train.early_stopping", None, "train/early_stopping=null", "train/early_stopping=patience"
    ),
    "max_norm": Classic("optimiser.max_norm", None, "optimiser.max_norm=null", is_bound=True),
    "augmentation": Classic("data.augment", "none", "data.augment=none"),
}


def list_active_classics(fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the classics that are on."""
    return [name for name, classic in CLASSICS.items() if classic.is_on(fields)]


def list_varied_classics(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the classics that are on in some settings and off in others.

    A classic that is on in all settings is a fixed condition, like the learning rate.
    """
    active = [set(list_active_classics(fields)) for fields in settings]
    return [name for name in CLASSICS if 0 < sum(name in each for each in active) < len(active)]


def turn_off_classics(fields: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the fields with some classics off; the order of the fields may change."""
    off = [CLASSICS[name] for name in names if CLASSICS[name].active_fields(fields)]
    if not off:
        return dict(fields)
    kept = {key: value for key, value in fields.items() if not any(each.owns(key) for each in off)}
    return kept | {classic.key: classic.off for classic in off}


def describe_classic(name: str, fields: Mapping[str, Any]) -> str:
    """Return the name and the values of an active classic: ``early_stopping patience=5``.

    A classic with a single field is written ``weight_decay=0.0005``.
    """
    classic = CLASSICS[name]
    values = classic.active_fields(fields)
    if classic.key in values:
        return f"{name}={values[classic.key]}"
    options = {key.removeprefix(f"{classic.key}."): value for key, value in values.items()}
    return " ".join([name, *(f"{key}={value}" for key, value in options.items() if value != 0)])
