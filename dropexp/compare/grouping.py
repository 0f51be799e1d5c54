"""From runs to settings: groups of runs that differ only in their seed, named by what differs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain, compress
from operator import not_
from typing import Any, Protocol, Self, TypeVar

from dropexp.compare.compared_runs import NO_RUNS, ComparedRuns
from dropexp.compare.found_runs import FoundBatch
from dropexp.compare.settings import Setting
from dropexp.config.classics import (
    CLASSICS,
    list_active_classics,
    list_varied_classics,
    turn_off_classics,
)
from dropexp.config.setting import (
    P_KEY,
    Fields,
    drop_default_data_seeds,
    is_of_regulariser,
    name_regulariser,
    name_settings,
    setting_key,
    sort_key,
)
from dropexp.config.shared_config import SeededConfig
from dropexp.errors import UserError

_TEST_IMAGES = (
    "data.name",
    "data.seed",
    "data.image_size",
    "data.grayscale",
    "data.test_size",
    "data.num_samples",
    "data.generator_seed",
    "data.fingerprint",
    "data.target",
)
"""The fields that decide which test images a run has; data.train_size and others do not."""


def group_runs(found: Sequence[FoundBatch]) -> list[tuple[Setting, list[FoundBatch]]]:
    """Return the settings in the table's order, each with its runs.

    Settings that differ only in the regulariser are neighbours, ``none`` first. Groups of such
    settings that differ only in classics are neighbours too.
    """
    kept = part_by_data_seed([(each, each.compared.seeds, each.fields) for each in found])
    keys = {id(fields): setting_key(fields) for _, fields in kept}
    groups: dict[str, tuple[Fields, list[FoundBatch]]] = {}
    for batch, fields in kept:
        groups.setdefault(keys[id(fields)], (fields, []))[1].append(batch)
    varied = _keep_varied([fields for fields, _ in groups.values()])
    classics = list_varied_classics(varied)
    contexts = [context_key(fields, classics) for fields in varied]
    seeds = _seeds_by_context(contexts, [batches for _, batches in groups.values()])
    options = _find_options(varied)
    settings = [
        (_make_setting(name, fields, batches, seeds[context], options, classics), batches)
        for name, context, (fields, batches) in zip(
            name_settings(varied), contexts, groups.values(), strict=True
        )
    ]
    differing = [key for key in _axes_of(varied) if key != P_KEY]
    return sorted(settings, key=lambda each: _sort_key(each[0], differing))


def _keep_varied(settings: Sequence[Fields]) -> list[dict[str, Any]]:
    """Return the fields of each setting's regulariser, and those that have several values.

    Of a thousand settings that is a tenth of all fields, and what tells settings apart.
    """
    varied = {
        key
        for key in dict.fromkeys(chain.from_iterable(settings))
        if is_of_regulariser(key)
        or len({repr(fields.get(key, _ABSENT)) for fields in settings}) > 1
    }
    return [{key: fields[key] for key in fields if key in varied} for fields in settings]


_ABSENT = object()


class _Runs(Protocol):
    def split(self) -> "list[Self]": ...


Runs = TypeVar("Runs", bound=_Runs)


def part_by_data_seed(
    groups: Sequence[tuple[Runs, Sequence[int], Fields]],
) -> list[tuple[Runs, Fields]]:
    """Return runs with their fields, without data.seed where it follows the run's seed.

    See drop_default_data_seeds. Where data.seed is fixed in otherwise
    equal runs, each run whose data.seed follows its seed is returned alone.

    Args:
        groups: runs that differ in their seed only, their seeds, and the fields of the first one.
    """
    telling = [_choose_telling_seed(seeds, fields) for _, seeds, fields in groups]
    kept = drop_default_data_seeds(telling)
    parted: list[tuple[Runs, Fields]] = []
    for (runs, seeds, _), fields in zip(groups, kept, strict=True):
        if isinstance(fields, SeededConfig) and fields.shared.data_follows:
            of_runs = [SeededConfig(fields.shared, seed) for seed in seeds]
            parted += zip(runs.split(), of_runs, strict=True)
        else:
            parted.append((runs, fields))
    return parted


def _choose_telling_seed(seeds: Sequence[int], fields: Fields) -> tuple[int, Fields]:
    """Return a seed that does not equal data.seed, if that is fixed and there is one."""
    if isinstance(fields, SeededConfig) and fields.shared.data_follows:
        return seeds[0], fields
    return next((seed for seed in seeds if seed != fields["data.seed"]), seeds[0]), fields


def make_settings_without_runs(fields: Mapping[str, Fields]) -> list[Setting]:
    """Return settings that have no runs yet, with the classics by which they differ.

    Args:
        fields: of each setting, by its name.
    """
    varied = list_varied_classics(list(fields.values()))
    return [
        Setting(
            name=name,
            fields=of_setting,
            completed=NO_RUNS,
            classics=tuple(each for each in list_active_classics(of_setting) if each in varied),
        )
        for name, of_setting in fields.items()
    ]


def refuse_mixed_images(settings: Sequence[Setting]) -> None:
    """Raise UserError if settings were tested on different images.

    Raises:
        UserError: names the field that differs, and the filter or option that helps.
    """
    for key in _TEST_IMAGES:
        values = _distinct_values(key, [setting.fields for setting in settings])
        if len(values) > 1:
            shown = [value for value in values if value is not None] or values
            *first, last = map(str, values[:4])
            raise UserError(
                f"the runs were tested on different images: {key} is {', '.join(first)} in some "
                f"and {last} in others. Add a filter, such as {key}={shown[0]}, or compare each "
                f"with its own baseline: dropexp compare --allow-mixed."
            )


def refuse_pairs_on_other_images(
    baselines: Mapping[str, Setting], settings: Sequence[Setting]
) -> None:
    """Raise UserError if a setting and its baseline were tested on different images.

    Args:
        baselines: the name of a setting → its baseline.
        settings: all settings.

    Raises:
        UserError: names the two settings and the field that differs.
    """
    for setting in settings:
        baseline = baselines.get(setting.name, setting)
        for key in _TEST_IMAGES:
            if setting.fields.get(key) != baseline.fields.get(key):
                raise UserError(
                    f"{baseline.name} cannot be the baseline of {setting.name}: they were tested "
                    f"on different images ({key} is {baseline.fields.get(key)} and "
                    f"{setting.fields.get(key)}), so no seed pairs them."
                )


def context_key(fields: Fields, classics: Collection[str] = ()) -> str:
    """Return a key that is equal for settings that differ in the regulariser's fields only.

    Args:
        fields: the fields of a setting.
        classics: the classics that are taken as off.
    """
    kept = turn_off_classics(fields, classics)
    return setting_key({k: v for k, v in kept.items() if not is_of_regulariser(k)})


def find_shared_fields(settings: Sequence[Setting]) -> dict[str, Any]:
    """Return the fields that have one value in all settings."""
    first = settings[0].fields
    return {
        key: value
        for key, value in first.items()
        if all(key in each.fields and each.fields[key] == value for each in settings[1:])
    }


def find_axes(settings: Sequence[Setting]) -> dict[str, tuple[Any, ...]]:
    """Return the fields with several values: ``regulariser.p``, and those of no regulariser."""
    return _axes_of([setting.fields for setting in settings])


def _axes_of(settings: Sequence[Fields]) -> dict[str, tuple[Any, ...]]:
    keys = dict.fromkeys(key for fields in settings for key in fields)
    values = {
        key: tuple(_distinct_values(key, settings))
        for key in keys
        if not is_of_regulariser(key) or key == P_KEY
    }
    return {key: distinct for key, distinct in values.items() if len(distinct) > 1}


def _distinct_values(key: str, settings: Sequence[Fields]) -> list[Any]:
    """Return a field's different values, sorted; None stands for a setting without the field."""
    values: dict[str, Any] = {}
    for fields in settings:
        value = fields.get(key)
        values.setdefault(repr(value), value)
    return sorted(values.values(), key=sort_key)


def _sort_key(setting: Setting, differing: Sequence[str]) -> tuple[Any, ...]:
    fields = setting.fields
    own = sorted((key, sort_key(value)) for key, value in fields.items() if is_of_regulariser(key))
    on = [list(CLASSICS).index(name) for name in setting.classics]
    strengths = [
        [sort_key(value) for value in CLASSICS[name].active_fields(fields).values()]
        for name in setting.classics
    ]
    others = turn_off_classics(fields, setting.classics)
    context = [sort_key(others.get(key)) for key in differing]
    classics = (len(on), on, strengths)
    return (context, classics, setting.has_regulariser, setting.method, setting.p, own)


def _find_options(settings: Sequence[Fields]) -> dict[str, list[str]]:
    """Return regulariser → those of its own fields, without p, that have several values."""
    by_regulariser: dict[str, list[Fields]] = {}
    for fields in settings:
        by_regulariser.setdefault(name_regulariser(fields), []).append(fields)
    return {
        name: [
            key
            for key in dict.fromkeys(key for fields in group for key in fields)
            if is_of_regulariser(key) and key != P_KEY and len(_distinct_values(key, group)) > 1
        ]
        for name, group in by_regulariser.items()
    }


def _make_setting(
    name: str,
    fields: Fields,
    batches: Sequence[FoundBatch],
    seeds: set[int],
    options: Mapping[str, Sequence[str]],
    classics: Collection[str],
) -> Setting:
    runs = ComparedRuns.join([batch.compared for batch in batches])
    runs = runs.take(sorted(range(len(runs)), key=runs.seeds.__getitem__))
    is_completed, is_proven = runs.is_completed, runs.is_proven
    return Setting(
        name=name,
        fields=fields,
        completed=runs.select(is_completed),
        diverged=runs.select(map(not_, is_completed)),
        missing_seeds=tuple(sorted(seeds.difference(runs.seeds))),
        unproven_seeds=tuple(compress(runs.seeds, map(not_, is_proven))),
        options={key: fields[key] for key in options[name_regulariser(fields)] if key in fields},
        classics=tuple(name for name in list_active_classics(fields) if name in classics),
    )


def _seeds_by_context(
    contexts: Iterable[str], batches_of_settings: Iterable[list[FoundBatch]]
) -> dict[str, set[int]]:
    """Return context key → the seeds that any setting of this context was run with."""
    seeds: dict[str, set[int]] = {}
    for context, batches in zip(contexts, batches_of_settings, strict=True):
        seeds.setdefault(context, set()).update(*(batch.compared.seeds for batch in batches))
    return seeds
