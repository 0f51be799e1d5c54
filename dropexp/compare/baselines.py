"""Which setting each is compared with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from shlex import split

from dropexp.compare.grouping import surroundings
from dropexp.compare.reading import Found
from dropexp.compare.results import Setting
from dropexp.config.classics import CLASSICS, list_varied_classics
from dropexp.config.setting import Fields, setting_key
from dropexp.errors import UserError, suggest
from dropexp.runs.selection import is_filter, list_filter_keys, select_runs


@dataclass(frozen=True)
class Baselines:
    """Who is compared with whom.

    Attributes:
        of: setting's name → its baseline; a setting that has none is not in it. Only a classic's
            can be compared with a baseline and be one too.
        words: what the baseline is, in a sentence.
    """

    of: dict[str, Setting]
    words: str


def find_baselines(
    grouped: Sequence[tuple[Setting, list[Found]]], asked: str | None = None
) -> Baselines:
    """The baseline of each setting.

    Args:
        grouped: the settings with their runs.
        asked: None for ``none`` with everything else equal, and for classics without a regulariser
            ``none`` without them (see _without_classics); a setting's name, for that one,
            whatever else differs; or filters such as ``regulariser=dropout2d p=0.3``, for the
            setting that they choose with everything equal that they do not name.

    Raises:
        UserError: no setting is meant.
    """
    settings = [setting for setting, _ in grouped]
    if asked is None:
        return _by_default(settings)
    by_name = {setting.name: setting for setting in settings}
    if asked in by_name:
        others = {name: by_name[asked] for name in by_name if name != asked}
        return Baselines(others, asked)
    return Baselines(*_by_filters(grouped, asked))


def _by_default(settings: Sequence[Setting]) -> Baselines:
    unregularised = [each for each in settings if not each.has_regulariser]
    of = _by_key(settings, unregularised, surroundings)
    words = "none with everything else equal"
    if plain := _without_classics(unregularised):
        on = dict.fromkeys(n for each in unregularised if each.name in plain for n in each.classics)
        words += f"; where only {_either(list(on))} is on, none without"
    return Baselines({**of, **plain}, words)


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _without_classics(settings: Iterable[Setting]) -> dict[str, Setting]:
    """Setting's name → the one with its classics off and everything else equal.

    Off as far as one of those that are equal otherwise has them off: a classic that all of them
    have on is part of what they were trained with.

    Args:
        settings: without a regulariser.
    """
    alike: dict[str, list[Setting]] = {}
    for each in settings:
        alike.setdefault(surroundings(each.fields, CLASSICS), []).append(each)
    found = {}
    for same in alike.values():
        asked = list_varied_classics([each.fields for each in same])
        by_fields = {surroundings(each.fields): each for each in same}
        for each in same:
            plain = by_fields.get(surroundings(each.fields, asked))
            if plain is not None and plain is not each:
                found[each.name] = plain
    return found


def _by_filters(
    grouped: Sequence[tuple[Setting, list[Found]]], asked: str
) -> tuple[dict[str, Setting], str]:
    words = split(asked)
    settings = [setting for setting, _ in grouped]
    runs = [run.listed for _, members in grouped for run in members]
    if not words or not all(is_filter(word) for word in words):
        raise UserError(
            f"--baseline {asked!r} is no setting of the table. "
            f"{suggest(asked, [setting.name for setting in settings])} "
            f"Filters are allowed too: --baseline 'regulariser=dropout2d p=0.3'."
        )
    named = list_filter_keys(words, runs)
    chosen = {run.run_id for run in select_runs(runs, words)}
    meant = [
        setting for setting, members in grouped if any(m.listed.run_id in chosen for m in members)
    ]
    if not meant:
        raise UserError(f"--baseline {asked!r} chooses none of the runs that are compared.")

    def everything_else(fields: Fields) -> str:
        return setting_key({k: v for k, v in fields.items() if not _is_named(k, named)})

    return _by_key(settings, meant, everything_else), f"{asked} with everything else equal"


def _is_named(key: str, named: Iterable[str]) -> bool:
    """Whether a filter names the field; another regulariser brings all its fields along."""
    if key.startswith("regulariser."):
        return any(name == "p" or name.startswith("regulariser.") for name in named)
    return key in named


def _by_key(
    settings: Iterable[Setting], baselines: Iterable[Setting], key: Callable[[Fields], str]
) -> dict[str, Setting]:
    """Each setting's baseline: the one of an equal key; a baseline has none.

    Raises:
        UserError: two baselines have an equal key.
    """
    found: dict[str, Setting] = {}
    names = set()
    for each in baselines:
        first = found.setdefault(key(each.fields), each)
        if first is not each:
            raise UserError(
                f"--baseline chooses both {first.name} and {each.name}; say more, so that one "
                f"is left."
            )
        names.add(each.name)
    return {
        setting.name: found[key(setting.fields)]
        for setting in settings
        if setting.name not in names and key(setting.fields) in found
    }
