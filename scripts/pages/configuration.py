"""docs/reference/configuration.md: every key and group, from dropexp's own description of them."""

import re
from collections.abc import Iterable, Sequence

from dropexp.config.overrides import MOST_VALUES
from dropexp.config.reference import (
    FieldDescription,
    GroupDescription,
    describe_fields,
    describe_groups,
)
from dropexp.config.study_files import MOST_CHARACTERS
from dropexp.sweep.budget import LIMIT_OF_SEEDS
from dropexp.sweep.grammar import MOST_COMBINATIONS
from dropexp.sweep.launchers import MOST_RUNS_AT_A_TIME
from pages.blocks import escape_tags

PAGE = "reference/configuration.md"
_INTRODUCTION = f"""# Configuration

<!-- Written by scripts/docs reference; edit dropexp/config/ and conf/ instead. -->

What follows `dropexp train` and `dropexp sweep` are [Hydra](https://hydra.cc) overrides:
`group=choice` picks a file of `conf/`, `key=value` sets a value. `dropexp train --cfg` prints the
composed configuration and trains nothing; `dropexp train --help` lists the groups. A wrong type, a
value out of range and an unknown key are refused before any data is read.

**Identity.** A key marked *yes* is part of what a run is: another value makes another run, with
another id. The other keys say where and how to run; their values make no other run. A value that is
its key's default and means "off" or "as published" is left out of the hash, so that ids do not
change when a key is added. [Bit-exact](../explanation/bit-exact.md#identity) says more.

**Limits.** Every number has a largest value, which no study needs; a mistyped one is refused at
once, by its name, instead of filling the memory. The tables state those of the keys. Others:

| what | at most |
|---|---|
| values of one override, such as those of `range(…)` | {MOST_VALUES:,} |
| combinations of values in one sweep | {MOST_COMBINATIONS:,} |
| `hydra.launcher.n_jobs` | {MOST_RUNS_AT_A_TIME:,}, or from -1 (all cores) to minus the cores |
| `--seeds` of `extend`, `--most-seeds` | {LIMIT_OF_SEEDS:,} |
| characters of a study's name | {MOST_CHARACTERS} |
| bytes of a name in `runs_dir` or `data.root` | 255 |
"""
_HEAD = "| key | what it does | type and range | default | identity |\n|---|---|---|---|---|"


def write_page() -> str:
    """Return the text of the page."""
    fields = describe_fields()
    lines = [_INTRODUCTION, "## Keys outside of groups\n", *_table(fields, group="", choices=())]
    for group in describe_groups():
        lines += ["", *_group(group)]
        choices = list(group.choices)
        if any(field.group == group.group for field in fields):
            lines += ["", *_table(fields, group.group, choices)]
    return "\n".join(lines) + "\n"


def find_keys(group: str) -> dict[str, list[str]]:
    """Return choice of a group → its keys, without the group's name."""
    keys: dict[str, list[str]] = {}
    for field in describe_fields():
        if field.group == group:
            keys.setdefault(field.choice, []).append(field.key.rpartition(".")[2])
    return keys


def _group(group: GroupDescription) -> Iterable[str]:
    yield f"## {group.group}\n"
    yield f"| `{group.group}=` | what |\n|---|---|"
    for choice, comment in group.choices.items():
        is_default = " (default)" if choice == group.default else ""
        yield f"| `{choice}`{is_default} | {_escape(comment)} |"


def _table(fields: Sequence[FieldDescription], group: str, choices: Sequence[str]) -> Iterable[str]:
    """Yield one row for each key; choices that have the same key share a row."""
    alike: dict[tuple[str, ...], list[FieldDescription]] = {}
    for field in fields:
        if field.group == group:
            same = (field.key, field.type, field.allowed, field.description)
            alike.setdefault(same, []).append(field)
    yield _HEAD
    for same_fields in alike.values():
        first = same_fields[0]
        suffix = _list_choices([field.choice for field in same_fields], choices)
        cells = [
            f"`{first.key}`{suffix}",
            _escape(first.description),
            _describe_type(first),
            _describe_default(same_fields),
            "yes" if first.in_identity else "no",
        ]
        yield f"| {' | '.join(cells)} |"


def _list_choices(with_key: Sequence[str], choices: Sequence[str]) -> str:
    """Return which of the choices have a key; empty where all have it."""
    without_key = [choice for choice in choices if choice not in with_key]
    if not without_key:
        return ""
    if len(without_key) < len(with_key):
        return f" of all but {_code(without_key)}"
    return f" of {_code(with_key)}"


def _describe_type(field: FieldDescription) -> str:
    kind = field.type.removesuffix(" or null")
    is_optional = kind != field.type
    if kind == "choice":
        text = _code(field.allowed.split(" | "))
    else:
        text = _escape(f"{kind} {field.allowed}".strip())
    return f"{text} or `null`" if is_optional else text


def _describe_default(fields: Sequence[FieldDescription]) -> str:
    """Return the most common default, and the choices that have another one."""
    by_value: dict[str, list[str]] = {}
    for field in fields:
        by_value.setdefault(_format_default(field.default), []).append(field.choice)
    common = max(by_value, key=lambda value: len(by_value[value]))
    others = [f"{_code(names)}: {value}" for value, names in by_value.items() if value != common]
    return "; ".join([common, *others])


def _format_default(value: str) -> str:
    if value == "required":
        return value
    if match := re.fullmatch(r"\$\{oc\.env:(\w+),(.*)\}", value):
        return f"`${match[1]}`, else `{match[2]}`"
    if match := re.fullmatch(r"\$\{(.*)\}", value):
        return f"follows `{match[1]}`"
    return f"`{value}`"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _escape(text: str) -> str:
    return escape_tags(re.sub(r"([|*])", r"\\\1", text))
