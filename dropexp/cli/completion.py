"""What completes overrides in a shell: groups, their choices, keys, values, folders and studies.

A shell starts the command anew for each completion, so neither Hydra nor torch is imported.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from dropexp.config.added_files import list_choices
from dropexp.config.conf_files import read_choice, read_default_choices, read_file
from dropexp.config.groups import LOGGER, REGULARISER, list_groups, list_launchers, list_studies
from dropexp.config.logger_choice import TRACKERS
from dropexp.config.setting import COMBINATION_SEPARATOR, flatten

_LAUNCHER = "hydra/launcher"
_FOLDERS = ("data.root", "runs_dir")
_NOT_TYPED = ("name", "fingerprint")
_TOP_LEVEL_ONLY = ("defaults", "hydra")


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what the word of a command line that is being typed can become.

    Bash splits words at the equals sign, and wants what follows it only; other shells want the
    whole word.

    Args:
        ctx: holds the words before it, as ``overrides``.
        incomplete: the word so far.
    """
    words = [str(word) for word in ctx.params.get("overrides") or ()]
    if words and words[-1] == "=":
        key, typed = words[-2] if len(words) > 1 else "", incomplete
        return list(_complete_value(key.lstrip("+"), typed, _join(words[:-2])))
    if not incomplete and words and _is_key(words[-1], _join(words[:-1])):
        return list(_complete_value(words[-1].lstrip("+"), "", _join(words[:-1])))
    known = _join(words)
    sign = incomplete[: len(incomplete) - len(incomplete.lstrip("+"))]
    key, separator, typed = incomplete[len(sign) :].partition("=")
    if separator:
        return [f"{sign}{key}={value}" for value in _complete_value(key, typed, known)]
    return [f"{sign}{word}" for word in _complete_key(key, known)]


def complete_study(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the studies of the folder of runs whose names begin so."""
    from dropexp.runs.studies import list_study_names

    return [name for name in list_study_names(_find_runs_dir(ctx)) if name.startswith(incomplete)]


def complete_run_id(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of the runs of the folder of runs that begin so."""
    from dropexp.runs.listing import is_run_id

    try:
        names = os.listdir(_find_runs_dir(ctx))  # noqa: PTH208 (a third of the time of iterdir)
    except OSError:
        return []
    return sorted(name for name in names if name.startswith(incomplete) and is_run_id(name))


def complete_filter(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the filters ``study=…`` that the word of a command line can become.

    Args:
        ctx: holds the words before it, which bash has split at ``=``.
        incomplete: the word so far.
    """
    words = [str(word) for word in ctx.params.get("arguments") or ctx.params.get("filters") or ()]
    if words[-2:] == ["study", "="] or (words[-1:] == ["study"] and not incomplete):
        return complete_study(ctx, incomplete)
    filters = [f"study={name}" for name in complete_study(ctx, "")]
    return [each for each in filters if each.startswith(incomplete)]


def _find_runs_dir(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("runs_dir") or "runs")


def _join(words: Sequence[str]) -> dict[str, str]:
    """Return key → value of the overrides before the word, which bash has split at ``=``."""
    joined = " ".join(words).replace(" = ", "=").split()
    pairs = (word.partition("=") for word in joined)
    return {key.lstrip("+"): value for key, separator, value in pairs if separator}


def _is_key(word: str, known: Mapping[str, str]) -> bool:
    return "=" not in word and word.lstrip("+") in {*_list_groups(), *_list_keys(known)}


def _complete_key(start: str, known: Mapping[str, str]) -> list[str]:
    keys = [*_list_groups(), *_list_keys(known)]
    matches = [key for key in dict.fromkeys(keys) if key.startswith(start)]
    if len(matches) != 1:
        return [f"{key}=" for key in matches]
    # Two candidates or more keep a shell from setting a space behind the equals sign.
    (key,) = matches
    values = list(_complete_value(key, "", known)) or _list_defaults(key, known)
    return [f"{key}={value}" for value in (values if len(values) > 1 else ["", *values])]


def _complete_value(key: str, typed: str, known: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of a key that begin as typed; of several values, the last one counts."""
    before, comma, last = typed.rpartition(",")
    if key == REGULARISER and COMBINATION_SEPARATOR in last:
        parts, separator, last = last.rpartition(COMBINATION_SEPARATOR)
        before, comma = f"{before}{comma}{parts}{separator}", ""
    if key in _FOLDERS:
        yield from _list_folders(typed)
        return
    for value in _list_values(key, known):
        if value.startswith(last):
            yield f"{before}{comma}{value}"


def _list_groups() -> list[str]:
    return [*list_groups(), _LAUNCHER]


def _list_values(key: str, known: Mapping[str, str]) -> Sequence[str]:
    if key in list_groups():
        return list_choices(key)
    if key == _LAUNCHER:
        return list_launchers()
    if key == "study":
        from dropexp.runs.studies import list_study_names

        runs_dir = Path(known.get("runs_dir", "runs")).expanduser()
        return list(dict.fromkeys([*list_study_names(runs_dir), *list_studies()]))
    return list(_list_allowed(key, known))


def _list_allowed(key: str, known: Mapping[str, str]) -> Iterable[str]:
    """Return the choices of a key that is no group, by its section's class."""
    from dropexp.config.reference import describe_fields  # imports pydantic

    chosen = _choose(known)
    found: dict[str, None] = {}
    for field in describe_fields():
        if field.key != key or (field.group and field.choice not in chosen.get(field.group, ())):
            continue
        if field.type.startswith("true"):
            found |= dict.fromkeys(("true", "false"))
        elif " | " in field.allowed:
            found |= dict.fromkeys(field.allowed.split(" | "))
    return found


def _list_keys(known: Mapping[str, str]) -> list[str]:
    """Return the keys that the choices of the words before have, and those of the top level."""
    return list(_list_key_defaults(known))


def _list_key_defaults(known: Mapping[str, str]) -> dict[str, Any]:
    top = read_file("config.yaml")
    defaults = flatten({key: top[key] for key in top if key not in _TOP_LEVEL_ONLY})
    for group, choices in _choose(known).items():
        if group == "classic":
            continue
        prefix = group.replace("/", ".")
        for choice in choices:
            if group == LOGGER and choice not in TRACKERS:
                continue  # it sets a key of another section
            is_one_of_several = len(choices) > 1 and "," not in known[group]
            owner = f"{prefix}.{choice}" if is_one_of_several or group == LOGGER else prefix
            for name, value in flatten(read_choice(group, choice)).items():
                if name not in _NOT_TYPED:
                    defaults[f"{owner}.{name}"] = value
    return defaults


def _choose(known: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the choices of each group: those of the words before, or the default."""
    chosen: dict[str, list[str]] = {}
    for group, choices in list_groups().items():
        typed = known.get(group, read_default_choices().get(group)) or ""
        named = typed.strip("[]").replace(COMBINATION_SEPARATOR, ",").split(",")
        chosen[group] = [choice for choice in named if choice in choices]
    return chosen


def _list_defaults(key: str, known: Mapping[str, str]) -> list[str]:
    defaults = _list_key_defaults(known)
    value = defaults.get(key)
    if isinstance(value, str) and value.startswith("${"):
        value = defaults.get(value[2:-1])
    if value is None or value == "???" or not isinstance(value, str | int | float):
        return []
    return [str(value).lower() if isinstance(value, bool) else str(value)]


def _list_folders(typed: str) -> Iterator[str]:
    folder, name = os.path.split(typed)
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda one: one.name)
    except (OSError, RuntimeError, ValueError):
        return
    for entry in entries:
        is_hidden = entry.name.startswith(".") and not name
        if entry.name.startswith(name) and not is_hidden and entry.is_dir():
            yield f"{Path(folder, entry.name)}/"
