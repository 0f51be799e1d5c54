"""Which setting each setting is compared with."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from shlex import split

from dropexp.compare.found_runs import FoundBatch
from dropexp.compare.grouping import context_key, part_by_data_seed
from dropexp.compare.settings import Setting
from dropexp.config.classics import CLASSICS, list_varied_classics
from dropexp.config.setting import (
    P_KEY,
    Fields,
    extract_setting_from_flat,
    is_of_regulariser,
    setting_key,
)
from dropexp.errors import UserError, suggest
from dropexp.runs.listing import find_seed
from dropexp.runs.run_block import RunBlock, list_ids, select_each
from dropexp.runs.selection import is_filter, list_filter_keys, select_blocks

_MOST_VALUES = 6  # in an error


@dataclass(frozen=True)
class Baselines:
    """Which setting each setting is compared with.

    Attributes:
        by_setting: the name of a setting → its baseline; a setting without a baseline is absent.
            Only a setting of classics can have a baseline and be one.
        description: what the baseline is, as part of a sentence.
    """

    by_setting: dict[str, Setting]
    description: str


def find_baselines(
    grouped: Sequence[tuple[Setting, Sequence[FoundBatch]]], request: str | None = None
) -> Baselines:
    """Find the baseline of each setting.

    Args:
        grouped: the settings with their runs.
        request: the value of ``--baseline``. None chooses ``none`` with everything else equal; a
            setting with classics only gets ``none`` without them (see _without_classics). The
            name of a setting makes it the baseline of all others, whatever else differs. Filters
            such as ``regulariser=dropout2d p=0.3`` choose the setting that passes them and is
            equal in every field that they do not name.

    Raises:
        UserError: the request chooses no setting, or two baselines for one setting.
    """
    settings = [setting for setting, _ in grouped]
    if request is None:
        return _find_default(settings)
    by_name = {setting.name: setting for setting in settings}
    if request in by_name:
        return Baselines({name: by_name[request] for name in by_name if name != request}, request)
    return _find_by_filters(grouped, request)


def _find_default(settings: Sequence[Setting]) -> Baselines:
    unregularised = [setting for setting in settings if not setting.has_regulariser]
    baselines = _match(settings, unregularised, context_key)
    description = "none with everything else equal"
    without = _without_classics(unregularised)
    if without:
        on = dict.fromkeys(
            name for each in unregularised if each.name in without for name in each.classics
        )
        description += f"; where only {_join_by_or(list(on))} is on, none without it"
    return Baselines({**baselines, **without}, description)


def _join_by_or(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _without_classics(settings: Iterable[Setting]) -> dict[str, Setting]:
    """Return the name of a setting → the setting without its classics, all else equal.

    A classic that is on in all otherwise equal settings stays on in the baseline.

    Args:
        settings: the settings without a regulariser.
    """
    equal_but_for_classics: dict[str, list[Setting]] = {}
    for setting in settings:
        equal_but_for_classics.setdefault(context_key(setting.fields, CLASSICS), []).append(setting)
    baselines = {}
    for group in equal_but_for_classics.values():
        classics = list_varied_classics([setting.fields for setting in group])
        by_fields = {context_key(setting.fields): setting for setting in group}
        for setting in group:
            baseline = by_fields.get(context_key(setting.fields, classics))
            if baseline is not None and baseline is not setting:
                baselines[setting.name] = baseline
    return baselines


def add_hidden_baselines(
    blocks: Sequence[RunBlock], chosen: Sequence[RunBlock], filters: Sequence[str]
) -> list[RunBlock]:
    """Return the chosen runs with those of their baselines that a filter on p or regulariser hides.

    All other filters hold for the baselines too.

    Args:
        blocks: all runs of the folders.
        chosen: those that pass all filters.
        filters: as for select_runs.

    Raises:
        FilterError: see select_runs.
    """
    others = [text for text in filters if not _is_on_regulariser(text, blocks)]
    if len(others) == len(filters) or not chosen:
        return list(chosen)
    known = [block for block in select_blocks(blocks, others) if "data.seed" in block.config]
    passing = part_by_data_seed(
        [
            (block, [find_seed(run_id) for run_id in block.run_ids], _get_fields(block))
            for block in known
        ]
    )
    ids = set(list_ids(chosen))
    keys = {id(fields): context_key(fields) for _, fields in passing}
    wanted = {
        keys[id(fields)]
        for block, fields in passing
        if fields["regulariser.name"] != "none" and not ids.isdisjoint(block.run_ids)
    }
    plain = [
        block
        for block, fields in passing
        if fields["regulariser.name"] == "none" and keys[id(fields)] in wanted
    ]
    is_hidden = ([run_id not in ids for run_id in block.run_ids] for block in plain)
    return [*chosen, *select_each(plain, is_hidden)]


def _get_fields(block: RunBlock) -> Fields:
    return extract_setting_from_flat(block.config)


def _is_on_regulariser(text: str, blocks: Sequence[RunBlock]) -> bool:
    (key,) = list_filter_keys([text], blocks)
    return key in ("p", "regulariser") or is_of_regulariser(key)


def _describe_values(settings: Sequence[Setting], keys: Collection[str]) -> str:
    """Return the values that settings have of each key, as sentences that follow another."""
    text = ""
    for key in keys:
        field = P_KEY if key == "p" else key
        values = list(dict.fromkeys(str(s.fields[field]) for s in settings if field in s.fields))
        if values:
            more = ", …" if len(values) > _MOST_VALUES else ""
            text += f" Values of {key} in them: {', '.join(values[:_MOST_VALUES])}{more}."
    return text


def _find_by_filters(
    grouped: Sequence[tuple[Setting, Sequence[FoundBatch]]], request: str
) -> Baselines:
    filters = split(request)
    settings = [setting for setting, _ in grouped]
    listed = [batch.listed for _, batches in grouped for batch in batches]
    if not filters or not all(is_filter(text) for text in filters):
        raise UserError(
            f"--baseline {request!r} names no setting of the table. "
            f"{suggest(request, [setting.name for setting in settings])} "
            f"Filters are allowed too: --baseline 'regulariser=dropout2d p=0.3'."
        )
    named = list_filter_keys(filters, listed)
    passing = set(list_ids(select_blocks(listed, filters)))
    baselines = [
        setting
        for setting, batches in grouped
        if not passing.isdisjoint(list_ids(batch.listed for batch in batches))
    ]
    if not baselines:
        raise UserError(
            f"--baseline {request!r}: none of the compared runs passes these filters."
            f"{_describe_values(settings, named)}"
        )

    def key_of_unnamed_fields(fields: Fields) -> str:
        return setting_key({k: v for k, v in fields.items() if not _is_named(k, named)})

    return Baselines(
        _match(settings, baselines, key_of_unnamed_fields), f"{request} with everything else equal"
    )


def _is_named(key: str, named: Iterable[str]) -> bool:
    """Return whether a filter names the field; naming the regulariser names all its fields."""
    if is_of_regulariser(key) and any(n == "p" or n.startswith("regulariser.") for n in named):
        return True
    return key in named


def _match(
    settings: Iterable[Setting], baselines: Iterable[Setting], key: Callable[[Fields], str]
) -> dict[str, Setting]:
    """Return the name of each setting → the baseline with an equal key; baselines have none.

    Raises:
        UserError: two baselines have an equal key.
    """
    by_key: dict[str, Setting] = {}
    names = set()
    for baseline in baselines:
        first = by_key.setdefault(key(baseline.fields), baseline)
        if first is not baseline:
            raise UserError(
                f"--baseline chooses both {first.name} and {baseline.name}. Add a filter, so that "
                f"one is left."
            )
        names.add(baseline.name)
    keys = {each.name: key(each.fields) for each in settings if each.name not in names}
    return {name: by_key[of_row] for name, of_row in keys.items() if of_row in by_key}
