"""docs/reference/configuration.md: every key and group, from dropexp's own description of them."""

import re
from collections.abc import Iterable, Sequence

from dropexp.config.reference import (
    FieldDescription,
    GroupDescription,
    describe_fields,
    describe_groups,
)

PAGE = "reference/configuration.md"
_INTRODUCTION = """# Configuration

<!-- Written by scripts/docs reference; edit dropexp/config/ and conf/ instead. -->

What follows `dropexp train` and `dropexp sweep` are [Hydra](https://hydra.cc) overrides:
`group=choice` picks a file of `conf/`, `key=value` sets a value. `dropexp train --cfg` prints the
composed configuration and trains nothing; `dropexp train --help` lists the groups. A wrong type, a
value out of range and an unknown key are refused before any data is read.

**Identity.** A key marked *yes* is part of what a run is: another value makes another run, with
another id. The other keys say where and how to run; their values make no other run. A value that is
its key's default and means "off" or "as published" is left out of the hash, so that ids do not
change when a key is added. [Bit-exact](../explanation/bit-exact.md#identity) says more.
"""
_HEAD = "| key | what it does | type and range | default | identity |\n|---|---|---|---|---|"


def write_page() -> str:
    """Return the page's text."""
    fields = describe_fields()
    lines = [_INTRODUCTION, "## Keys outside of groups\n", *_table(fields, group="", choices=())]
    for group in describe_groups():
        lines += ["", *_group(group)]
        choices = list(group.choices)
        if any(field.group == group.group for field in fields):
            lines += ["", *_table(fields, group.group, choices)]
    return "\n".join(lines) + "\n"


def find_keys(group: str) -> dict[str, list[str]]:
    """Return the keys of each choice of a group without the group's name, by the choice."""
    found: dict[str, list[str]] = {}
    for field in describe_fields():
        if field.group == group:
            found.setdefault(field.choice, []).append(field.key.rpartition(".")[2])
    return found


def _group(group: GroupDescription) -> Iterable[str]:
    yield f"## {group.group}\n"
    yield f"| `{group.group}=` | what |\n|---|---|"
    for choice, comment in group.choices.items():
        is_default = " (default)" if choice == group.default else ""
        yield f"| `{choice}`{is_default} | {_escape(comment)} |"


def _table(fields: Sequence[FieldDescription], group: str, choices: Sequence[str]) -> Iterable[str]:
    """One row per key; a key that several choices have alike has one row, with its defaults."""
    alike: dict[tuple[str, ...], list[FieldDescription]] = {}
    for field in fields:
        if field.group == group:
            same = (field.key, field.type, field.allowed, field.description)
            alike.setdefault(same, []).append(field)
    yield _HEAD
    for several in alike.values():
        first = several[0]
        of = _list_choices([field.choice for field in several], choices)
        cells = [
            f"`{first.key}`{of}",
            _escape(first.description),
            _describe_type(first),
            _describe_default(several),
            "yes" if first.in_identity else "no",
        ]
        yield f"| {' | '.join(cells)} |"


def _list_choices(those: Sequence[str], choices: Sequence[str]) -> str:
    """Which choices have a key; empty where all have it."""
    others = [choice for choice in choices if choice not in those]
    if not others:
        return ""
    if len(others) < len(those):
        return f" of all but {_code(others)}"
    return f" of {_code(those)}"


def _describe_type(field: FieldDescription) -> str:
    kind = field.type.removesuffix(" or null")
    is_optional = kind != field.type
    if kind == "choice":
        text = _code(field.allowed.split(" | "))
    else:
        text = _escape(f"{kind} {field.allowed}".strip())
    return f"{text} or `null`" if is_optional else text


def _describe_default(fields: Sequence[FieldDescription]) -> str:
    """The default, and beside the most common one those of the choices that have another."""
    by_value: dict[str, list[str]] = {}
    for field in fields:
        by_value.setdefault(_format_default(field.default), []).append(field.choice)
    common = max(by_value, key=lambda value: len(by_value[value]))
    others = [f"{_code(of)}: {value}" for value, of in by_value.items() if value != common]
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
    return re.sub(r"([|<*])", r"\\\1", text)
