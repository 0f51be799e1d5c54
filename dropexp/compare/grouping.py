"""Runs -> settings: all that differ in their seed only, named by what differs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from dropexp.compare.reading import Found
from dropexp.compare.results import Setting
from dropexp.config.classics import (
    CLASSICS,
    list_active_classics,
    list_varied_classics,
    turn_off_classics,
)
from dropexp.config.setting import (
    Fields,
    drop_default_data_seeds,
    name_settings,
    setting_key,
    sort_key,
)
from dropexp.errors import UserError
from dropexp.runs.records import AuditOutcome

_SAY_WHAT_IS_TESTED_ON = (
    "data.name",
    "data.seed",
    "data.image_size",
    "data.grayscale",
    "data.test_size",
    "data.fingerprint",
)
"""What else the data section says (train_size, noise …) leaves the test images as they are."""


def group(found: Sequence[Found]) -> list[tuple[Setting, list[Found]]]:
    """The settings in the table's order, each with its runs.

    Settings that share everything but the regulariser stand together, ``none`` first, and such
    groups that differ in classics only follow one another.
    """
    kept = drop_default_data_seeds([(run.member.seed, run.fields) for run in found])
    grouped: dict[str, tuple[Fields, list[Found]]] = {}
    for run, fields in zip(found, kept, strict=True):
        grouped.setdefault(setting_key(fields), (fields, []))[1].append(run)
    all_fields = [fields for fields, _ in grouped.values()]
    asked = list_varied_classics(all_fields)
    seeds = _seeds_of_surroundings(grouped.values(), asked)
    options = _options(all_fields)
    settings = [
        (_setting(name, fields, runs, seeds[surroundings(fields, asked)], options, asked), runs)
        for name, (fields, runs) in zip(name_settings(all_fields), grouped.values(), strict=True)
    ]
    differing = [key for key in _axes(all_fields) if key != "regulariser.p"]
    return sorted(settings, key=lambda each: _order(each[0], differing))


def refuse_other_data(settings: Sequence[Setting]) -> None:
    """Refuse settings that were tested on different images.

    Raises:
        UserError: says what differs, and what to do.
    """
    for key in _SAY_WHAT_IS_TESTED_ON:
        values = _values(key, [setting.fields for setting in settings])
        if len(values) > 1:
            shown = [value for value in values if value is not None] or values
            raise UserError(
                f"the runs were tested on different images: {key} is "
                f"{' in some and '.join(str(value) for value in values[:4])} in others. Choose "
                f"with a filter, such as {key}={shown[0]}, or compare each with its own baseline: "
                f"--allow-mixed."
            )


def refuse_pairs_on_other_data(
    baselines: Mapping[str, Setting], settings: Sequence[Setting]
) -> None:
    """Refuse to pair a setting with a baseline that was tested on different images.

    Args:
        baselines: setting's name → its baseline.
        settings: all of them.

    Raises:
        UserError: names the two.
    """
    for setting in settings:
        baseline = baselines.get(setting.name, setting)
        for key in _SAY_WHAT_IS_TESTED_ON:
            if setting.fields.get(key) != baseline.fields.get(key):
                raise UserError(
                    f"{baseline.name} cannot be the baseline of {setting.name}: they were tested "
                    f"on different images, {key} being {baseline.fields.get(key)} and "
                    f"{setting.fields.get(key)}. Seed by seed nothing pairs them."
                )


def surroundings(fields: Fields, classics: Collection[str] = ()) -> str:
    """All fields but the regulariser's: what settings must share to be compared by default.

    Args:
        fields: of a setting.
        classics: that are to be taken as off.
    """
    kept = turn_off_classics(fields, classics)
    return setting_key({k: v for k, v in kept.items() if not k.startswith("regulariser.")})


def shared_fields(settings: Sequence[Setting]) -> dict[str, Any]:
    """The fields that all settings have with one value."""
    first = settings[0].fields
    return {
        key: value
        for key, value in first.items()
        if all(key in each.fields and each.fields[key] == value for each in settings[1:])
    }


def axes(settings: Sequence[Setting]) -> dict[str, tuple[Any, ...]]:
    """The fields that take several values, not the regulariser's own but for its p."""
    return _axes([setting.fields for setting in settings])


def _axes(settings: Sequence[Fields]) -> dict[str, tuple[Any, ...]]:
    keys = dict.fromkeys(key for fields in settings for key in fields)
    found = {
        key: tuple(_values(key, settings))
        for key in keys
        if not key.startswith("regulariser.") or key == "regulariser.p"
    }
    return {key: values for key, values in found.items() if len(values) > 1}


def _values(key: str, settings: Sequence[Fields]) -> list[Any]:
    """A field's different values in order; None for a setting without it."""
    found: dict[str, Any] = {}
    for fields in settings:
        value = fields.get(key)
        found.setdefault(repr(value), value)
    return sorted(found.values(), key=sort_key)


def _order(setting: Setting, differing: Sequence[str]) -> tuple[Any, ...]:
    fields, regulariser = setting.fields, setting.regulariser
    own = sorted(
        (key, sort_key(value)) for key, value in fields.items() if key.startswith("regulariser.")
    )
    on = [list(CLASSICS).index(name) for name in setting.classics]
    strengths = [
        [sort_key(value) for value in CLASSICS[name].active_fields(fields).values()]
        for name in setting.classics
    ]
    others = turn_off_classics(fields, setting.classics)
    around = [sort_key(others.get(key)) for key in differing]
    classics = (len(on), on, strengths)
    return (around, classics, setting.has_regulariser, regulariser, setting.p, own)


def _options(settings: Sequence[Fields]) -> dict[str, list[str]]:
    """Regulariser → its own fields, without p, that it has with several values."""
    same: dict[str, list[Fields]] = {}
    for fields in settings:
        same.setdefault(fields["regulariser.name"], []).append(fields)
    return {
        name: [
            key
            for key in dict.fromkeys(key for fields in settings for key in fields)
            if key.startswith("regulariser.")
            and key != "regulariser.p"
            and len(_values(key, settings)) > 1
        ]
        for name, settings in same.items()
    }


def _setting(
    name: str,
    fields: Fields,
    runs: Sequence[Found],
    seeds: set[int],
    options: Mapping[str, Sequence[str]],
    asked: Collection[str],
) -> Setting:
    members = sorted((run.member for run in runs), key=lambda member: member.seed)
    own = {member.seed for member in members}
    return Setting(
        name=name,
        fields=fields,
        members=tuple(member for member in members if member.is_completed),
        diverged=tuple(member for member in members if not member.is_completed),
        missing_seeds=tuple(sorted(seeds - own)),
        unproven=tuple(
            member.seed for member in members if member.summary.audit is not AuditOutcome.PASSED
        ),
        options={key: fields[key] for key in options[fields["regulariser.name"]] if key in fields},
        classics=tuple(classic for classic in list_active_classics(fields) if classic in asked),
    )


def _seeds_of_surroundings(
    grouped: Iterable[tuple[Mapping[str, Any], list[Found]]], classics: Collection[str]
) -> dict[str, set[int]]:
    """All seeds run with the same data, model and training, whatever regulariser or classics."""
    seeds: dict[str, set[int]] = {}
    for fields, runs in grouped:
        same = seeds.setdefault(surroundings(fields, classics), set())
        same.update(run.member.seed for run in runs)
    return seeds
