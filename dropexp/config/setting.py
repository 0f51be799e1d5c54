"""Settings: a run's identity without its seed, and the names of settings in tables.

Pure functions on plain values. A setting maps the dotted keys of a run's identity, except the
seed, to their values.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from dropexp.config.classics import (
    CLASSICS,
    describe_classic,
    list_active_classics,
    list_varied_classics,
)
from dropexp.config.identity import (
    IDENTITY_KEYS,
    NOT_IN_IDENTITY,
    SECTIONS_WITH_OPTIONS,
    shorten_paths,
)
from dropexp.config.shared_config import SeededConfig, SharedConfig

COMBINATION_SEPARATOR = "+"
"""Between the names of a combination of regularisers: ``dropout2d+stochastic_depth``."""

P_KEY = "regulariser.p"
"""The field of the drop probability."""

DROPOUT_SITE_KEY = "model.dropout_site"
"""A field of a network that says where its regulariser acts: without one it means nothing."""

_CUSTOM = "custom"

_SWITCH_AFTER = "regulariser.switch_after"

FINGERPRINTS: Mapping[str, str] = {
    "data.fingerprint": "a picture or the file of data.root, or the source of data.target has",
    "model.fingerprint": "the source of model.target has",
    "model.options_fingerprint": "a file that model.options names has",
    "model.weights_fingerprint": "the file of model.weights has",
    "regulariser.fingerprint": "the source of regulariser.target has",
}
"""Fields that are computed from the content of files, and what to say where one changed."""

_HIDDEN_IN_NAMES = FINGERPRINTS.keys() - {"model.weights_fingerprint"}

Fields = Mapping[str, Any]
"""The fields of a setting: ``{"model.width": 64, …}``."""

_OFF: Fields = {
    "model.weights_fingerprint": None,
    "model.options_fingerprint": None,
    "model.new": None,
    "model.freeze": [],
    "model.train": "all",
    DROPOUT_SITE_KEY: "after_norm",
    "optimiser.lr_multipliers": None,
    "regulariser.sites": "all",
}
"""Fields that are left out of a setting where they are off.

Runs of versions without such a field have the same settings, so that they are seeds of one setting.
"""


def flatten(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested mapping as one mapping of dotted keys, each after the prefix."""
    flat: dict[str, Any] = {}
    for name, item in node.items():
        if isinstance(item, dict):
            flat.update(flatten(item, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = item
    return flat


def extract_setting(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a config's setting.

    Args:
        config: nested, as config.yaml is.

    Raises:
        KeyError: a section is missing.
    """
    sections = {key: config[key] for key in IDENTITY_KEYS if key != "seed"}
    return _select_setting(flatten(sections))


def extract_setting_from_flat(config: Fields) -> Fields:
    """Return the fields of a config's setting; do not modify them, as runs share them.

    Args:
        config: flat, as flatten returns it.
    """
    if isinstance(config, SeededConfig):
        return SeededConfig(config.shared.recall(_share_setting), config.seed)
    return _select_setting(config)


def _share_setting(config: SharedConfig) -> SharedConfig:
    return SharedConfig(_select_setting(config.fields), config.follows)


def _select_setting(config: Fields) -> dict[str, Any]:
    fields = {
        key: value
        for key, value in config.items()
        if _is_in_setting(key) and not is_off(key, value)
    }
    for section in SECTIONS_WITH_OPTIONS:
        files, start = config.get(f"{section}.option_files"), f"{section}.options."
        if files and isinstance(files, list | tuple):
            fields |= {
                key: shorten_paths(value, key.removeprefix(start), files)
                for key, value in fields.items()
                if key.startswith(start)
            }
    return fields


def is_off(key: str, value: Any) -> bool:
    """Return whether a field has the value that means that it is off."""
    if key.startswith("regulariser.") and key.endswith(".sites"):  # of a part of a combination, too
        return bool(value == _OFF["regulariser.sites"])
    return key in _OFF and bool(value == _OFF[key])


@cache
def _is_in_setting(key: str) -> bool:
    section, _, field = key.partition(".")
    return (
        section in IDENTITY_KEYS
        and section != "seed"
        and field not in NOT_IN_IDENTITY.get(section, ())
    )


def drop_default_data_seeds(runs: Sequence[tuple[int, Fields]]) -> list[Fields]:
    """Return the fields of each run, without data.seed where it follows the run's seed.

    Runs with otherwise equal fields keep data.seed if it differs from the seed of any of them:
    it is then fixed, also in the run whose seed happens to equal it.

    Args:
        runs: seed and fields of each run.
    """
    others = [
        # As in the function, without a call for each of a hundred thousand runs.
        fields.shared.recall(_share_all_but_data_seed)
        if type(fields) is SeededConfig
        else _without_data_seed(fields)
        for _, fields in runs
    ]
    fixed = {
        id(other): other
        for other, (seed, fields) in zip(others, runs, strict=True)
        if not (type(fields) is SeededConfig and fields.seed == seed and fields.shared.data_follows)
        and not _follows(fields, seed)
    }
    if not fixed:
        return others
    keys = {id(fields): setting_key(fields) for fields in {id(f): f for f in others}.values()}
    fixed_keys = {setting_key(other) for other in fixed.values()}
    return [
        fields if keys[id(other)] in fixed_keys else other
        for other, (_, fields) in zip(others, runs, strict=True)
    ]


def _follows(fields: Fields, seed: int) -> bool:
    """Return whether data.seed is the run's seed."""
    if isinstance(fields, SeededConfig) and fields.seed == seed and fields.shared.data_follows:
        return True
    return bool(fields["data.seed"] == seed)


def _without_data_seed(fields: Fields) -> Fields:
    """Return fields without data.seed: the same object for runs that differ in their seed only."""
    if isinstance(fields, SeededConfig):
        return fields.shared.recall(_share_all_but_data_seed)
    return {key: value for key, value in fields.items() if key != "data.seed"}


def _share_all_but_data_seed(config: SharedConfig) -> Fields:
    return {key: value for key, value in config.fields.items() if key != "data.seed"}


def setting_key(fields: Fields) -> str:
    """Return a key for dicts and sets, equal for equal fields in any order."""
    # Some values are lists, which cannot be hashed.
    return repr(sorted(fields.items()))


def digest_setting(fields: Fields) -> str:
    """Return 12 hex digits that tell settings apart, equal for all seeds of a setting.

    data.seed is left out, as it follows the run's seed by default.
    """
    if isinstance(fields, SeededConfig):
        return fields.shared.recall(_digest_shared)
    return _digest(_without_data_seed(fields))


def _digest_shared(config: SharedConfig) -> str:
    return _digest(config.recall(_share_all_but_data_seed))


def _digest(fields: Fields) -> str:
    return hashlib.sha256(setting_key(fields).encode()).hexdigest()[:12]


def to_number(value: Any) -> float | None:
    """Return the number that a field's value is; None where it is none.

    Equal numbers in a list, such as the units of each hidden layer, count as one number.
    """
    if isinstance(value, list | tuple) and len(set(map(repr, value))) == 1:
        value = value[0]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def sort_key(value: Any) -> tuple[int, Any]:
    """Return a sort key that puts numbers before text."""
    if isinstance(value, int | float):
        return 0, value
    number = to_number(value)
    return (1, str(value)) if number is None else (0, number)


def name_settings(settings: Sequence[Fields]) -> list[str]:
    """Return a name for each setting: the regulariser, its p, and every field that differs.

    An option of a regulariser is part of the name if settings of that regulariser differ in it. A
    classic that is on in some settings only is part of the name where it is on. Left out if the
    names stay unique: fingerprints but for those of weights, and fields that are null here and
    absent in other settings.
    """
    varied = list_varied_classics(settings)
    others = [_select_fields(fields, of_regulariser=False) for fields in settings]
    differing = {
        key
        for key in _find_differing_keys(others)
        if not any(CLASSICS[name].owns(key) for name in varied)
    }
    by_regulariser: dict[str, list[Fields]] = {}
    for fields in settings:
        own = _select_fields(fields, of_regulariser=True)
        by_regulariser.setdefault(name_regulariser(fields), []).append(own)
    options = {name: _find_differing_keys(same) for name, same in by_regulariser.items()}

    def name_all(hidden: Sequence[Collection[str]]) -> list[str]:
        return [
            _name_setting(
                fields, (differing | options[name_regulariser(fields)]) - set(keys), varied
            )
            for fields, keys in zip(settings, hidden, strict=True)
        ]

    in_all = set.intersection(*map(set, others)) if others else set()
    hidden = [
        [
            key
            for key in fields
            if key in _HIDDEN_IN_NAMES or (fields[key] is None and key not in in_all)
        ]
        for fields in others
    ]
    short = name_all(hidden)
    return short if len(set(short)) == len(short) else name_all([()] * len(settings))


def describe_regulariser(fields: Fields) -> str:
    """Return the regulariser with its p; for a combination every p, if they differ."""
    p = fields["regulariser.p"]
    names = _name_parts(fields)
    p_of_parts = {part: fields.get(f"regulariser.{part}.p", p) for part in names}
    if len(set(p_of_parts.values())) < 2:
        return f"{name_regulariser(fields)} p={p:g}"
    return " + ".join(f"{names[part]} p={p_of_part:g}" for part, p_of_part in p_of_parts.items())


def name_regulariser(fields: Fields) -> str:
    """Return the regulariser's name in tables; the user's own with its class: ``custom:Rows``."""
    return COMBINATION_SEPARATOR.join(_name_parts(fields).values())


def _name_parts(fields: Fields) -> dict[str, str]:
    """Return part → its name in tables, of a combination; of others the only part."""
    parts = fields["regulariser.name"].split(COMBINATION_SEPARATOR)
    names = {part: part for part in parts}
    if _CUSTOM in names:
        key = "target" if len(parts) == 1 else f"{_CUSTOM}.target"
        own = str(fields.get(f"regulariser.{key}", "")).rpartition(":")[2]
        names[_CUSTOM] = f"{_CUSTOM}:{own}" if own else _CUSTOM
    return names


def is_p_key(key: str) -> bool:
    """Return whether a field is the p of a regulariser, alone or in a combination."""
    return key.startswith("regulariser.") and key.endswith(".p")


def is_of_regulariser(key: str) -> bool:
    """Return whether a field says what the regulariser is or where it acts."""
    return key.startswith("regulariser.") or key == DROPOUT_SITE_KEY


def _select_fields(fields: Fields, *, of_regulariser: bool) -> dict[str, Any]:
    return {key: fields[key] for key in fields if is_of_regulariser(key) == of_regulariser}


def _find_differing_keys(settings: Sequence[Fields]) -> set[str]:
    """Return the keys, except name and p, that have several values or are missing in some."""
    values: dict[str, set[str]] = {}
    present: dict[str, int] = {}
    for fields in settings:
        for key, value in fields.items():
            values.setdefault(key, set()).add(repr(value))
            present[key] = present.get(key, 0) + 1
    return {
        key
        for key, different in values.items()
        if not (key == "regulariser.name" or is_p_key(key))
        and (len(different) > 1 or present[key] < len(settings))
    }


def _name_setting(fields: Fields, shown: Collection[str], varied: Collection[str]) -> str:
    parts = [] if fields["regulariser.name"] == "none" else [describe_regulariser(fields)]
    active = [name for name in list_active_classics(fields) if name in varied]
    parts += [describe_classic(name, fields) for name in active]
    parts = parts or ["none"]
    parts += [f"{k}={value}" for k, value in fields.items() if k in shown and k != _SWITCH_AFTER]
    # switch_after=null adds nothing to the name: time_schedule, which differs too, implies it.
    if _SWITCH_AFTER in shown and fields.get(_SWITCH_AFTER):
        parts.append(f"{_SWITCH_AFTER}={fields[_SWITCH_AFTER]}")
    return " ".join(parts)
