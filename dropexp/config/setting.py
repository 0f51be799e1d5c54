"""What a run is, apart from its seed: its fields, and a name by what differs from other runs.

Pure functions on plain values. A *setting* is everything scientific in a config but the seed.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from dropexp.config.classics import (
    CLASSICS,
    describe_classic,
    list_active_classics,
    list_varied_classics,
)
from dropexp.config.identity import IDENTITY_KEYS

COMBINATION_SEPARATOR = "+"
"""Between the names of a combination of regularisers: ``dropout2d+stochastic_depth``."""

_SWITCH = "regulariser.switch_after"

Fields = Mapping[str, Any]
"""A config's scientific part without the seed, flat: ``{"model.width": 64, …}``."""

_SAYS_WHERE = ("data.root", "data.download")


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as one of dotted keys, each with the prefix."""
    found: dict[str, Any] = {}
    for name, item in node.items():
        if isinstance(item, dict):
            found.update(flatten(item, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = item
    return found


def extract_setting(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config (of config.yaml's shape) that make it a setting.

    Raises:
        KeyError: a section is missing.
    """
    return extract_setting_from_flat(
        flatten({key: config[key] for key in IDENTITY_KEYS if key != "seed"})
    )


def extract_setting_from_flat(config: Fields) -> dict[str, Any]:
    """The same of a config that is flat already."""
    return {key: value for key, value in config.items() if _makes_a_setting(key)}


@cache
def _makes_a_setting(key: str) -> bool:
    return key.partition(".")[0] in IDENTITY_KEYS and key not in (*_SAYS_WHERE, "seed")


def drop_default_data_seeds(runs: Sequence[tuple[int, Fields]]) -> list[Fields]:
    """The fields of runs (seed, fields), without data.seed where it only follows the run's seed.

    Where it was held for some runs of the same other fields, the run whose seed happens to be
    the same belongs to the held ones, and all of them keep it.
    """
    others = [
        {key: value for key, value in fields.items() if key != "data.seed"} for _, fields in runs
    ]
    keys = [setting_key(fields) for fields in others]
    held = {key for key, (seed, fields) in zip(keys, runs, strict=True) if _is_held(seed, fields)}
    return [
        fields if key in held else other
        for key, other, (_, fields) in zip(keys, others, runs, strict=True)
    ]


def setting_key(fields: Fields) -> str:
    """Equal for equal fields, whatever their order; fields may be lists, which sets do not take."""
    return repr(sorted(fields.items()))


def sort_key(value: Any) -> tuple[int, Any]:
    """To sort by: numbers before texts, as they cannot be compared."""
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def name_settings(settings: Sequence[Fields]) -> list[str]:
    """Each setting's name: the regulariser, its p, and every field that the settings differ in.

    An option of a regulariser is told where settings of that regulariser differ in it. A classic
    that some have on and others off is told as a regulariser is, where it is on.
    """
    asked = list_varied_classics(settings)
    around = [_fields_of(fields, own=False) for fields in settings]
    shared = {key for key in _differing(around) if not any(CLASSICS[n].owns(key) for n in asked)}
    same: dict[str, list[Fields]] = {}
    for fields in settings:
        same.setdefault(fields["regulariser.name"], []).append(_fields_of(fields, own=True))
    options = {name: _differing(of_name) for name, of_name in same.items()}
    return [
        _name(fields, shared | options[fields["regulariser.name"]], asked) for fields in settings
    ]


def describe_regulariser(fields: Fields) -> str:
    """The regulariser with its p: of several with the p of each, where they are not the same."""
    name, p = fields["regulariser.name"], fields["regulariser.p"]
    strengths = {
        part: fields.get(f"regulariser.{part}.p", p) for part in name.split(COMBINATION_SEPARATOR)
    }
    if len(set(strengths.values())) < 2:
        return f"{name} p={p:g}"
    return " + ".join(f"{part} p={of_part:g}" for part, of_part in strengths.items())


def is_p_key(key: str) -> bool:
    """Whether a field is a regulariser's p, or that of one of several."""
    return key.startswith("regulariser.") and key.endswith(".p")


def _is_always_named(key: str) -> bool:
    return key == "regulariser.name" or is_p_key(key)


def _fields_of(fields: Fields, *, own: bool) -> dict[str, Any]:
    """The regulariser's own fields, or all others."""
    return {key: fields[key] for key in fields if key.startswith("regulariser.") == own}


def _differing(settings: Sequence[Fields]) -> set[str]:
    """The fields that settings have with several values, or that some lack."""
    values: dict[str, set[str]] = {}
    present: dict[str, int] = {}
    for fields in settings:
        for key, value in fields.items():
            values.setdefault(key, set()).add(repr(value))
            present[key] = present.get(key, 0) + 1
    return {
        key
        for key, found in values.items()
        if not _is_always_named(key) and (len(found) > 1 or present[key] < len(settings))
    }


def _name(fields: Fields, shown: Collection[str], asked: Collection[str]) -> str:
    words = [] if fields["regulariser.name"] == "none" else [describe_regulariser(fields)]
    words += [
        describe_classic(name, fields) for name in list_active_classics(fields) if name in asked
    ]
    words = words or ["none"]
    words += [f"{key}={value}" for key, value in fields.items() if key in shown and key != _SWITCH]
    # Where there is none, the schedule says so.
    words += [f"{_SWITCH}={fields[_SWITCH]}"] if fields.get(_SWITCH) and _SWITCH in shown else []
    return " ".join(words)


def _is_held(seed: int, fields: Fields) -> bool:
    return bool(fields["data.seed"] != seed)
