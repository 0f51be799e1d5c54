"""docs/reference/configuration.md: every group, choice and key, as described by dropexp/config."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from dropexp.config.reference import FieldDescription, describe_fields, describe_groups

PAGE = "reference/configuration.md"
_INTRODUCTION = """# Configuration

<!-- Written by scripts/docs reference; edit dropexp/config/ and conf/ instead. -->

What follows `dropexp train` and `dropexp sweep` are [Hydra](https://hydra.cc) overrides:
`group=choice` picks a file of `conf/`, `key=value` sets a value. `dropexp train --cfg` prints the
composed configuration and trains nothing. A wrong type, a value out of range and an unknown key
are refused before any data is read.

**Identity.** A key marked *yes* is part of what a run is: another value makes another run, with
another id. The other keys say where and how to run, and the same run is found again whatever they
are. A value that is its key's default below, and means "off" or "as published", is left out of the
hash, so that ids do not change when a key is added.
"""
_HEAD = "| key | type and range | default | identity | what it does |\n|---|---|---|---|---|"
_HEAD_OF_GROUP = (
    "| key | of | type and range | default | identity | what it does |\n|---|---|---|---|---|---|"
)
_FILLED_IN = "fingerprint"


def write_page() -> str:
    """Return the page's text."""
    by_group: dict[str, list[FieldDescription]] = {}
    for field in describe_fields():
        if not field.key.endswith(_FILLED_IN):
            by_group.setdefault(field.group, []).append(field)
    lines = [_INTRODUCTION, "## Keys outside of groups\n", _HEAD]
    lines += [_write_row([field], []) for field in by_group[""]]
    for group in describe_groups():
        lines += [f"\n## {group.group}\n", f"Default: `{group.default}`.\n"]
        lines += ["| choice | what it is |\n|---|---|"]
        lines += [_join([f"`{name}`", _escape(text)]) for name, text in group.choices.items()]
        if group.group in by_group:
            lines += ["", _HEAD_OF_GROUP]
            rows = _merge_alike(by_group[group.group])
            lines += [_write_row(row, list(group.choices)) for row in rows]
    return "\n".join(lines) + "\n"


def find_keys(group: str) -> dict[str, list[str]]:
    """Return the keys of each choice of a group, by the choice's name."""
    fields = [field for field in describe_fields() if field.group == group]
    return {
        choice: [field.key.rpartition(".")[2] for field in of_choice]
        for choice, of_choice in groupby(fields, key=lambda field: field.choice)
    }


def _merge_alike(fields: Sequence[FieldDescription]) -> list[list[FieldDescription]]:
    """Return the fields that are the same but for choice and default, together."""
    rows: dict[tuple[str, ...], list[FieldDescription]] = {}
    for field in fields:
        alike = (field.key, field.type, field.allowed, field.description)
        rows.setdefault(alike, []).append(field)
    return list(rows.values())


def _write_row(alike: Sequence[FieldDescription], choices: Sequence[str]) -> str:
    field = alike[0]
    cells = [f"`{field.key}`"]
    if choices:
        cells.append(_write_owners([each.choice for each in alike], choices))
    defaults = {each.choice: _write_default(each.default) for each in alike}
    identity = "yes" if field.in_identity else "no"
    cells += [_write_type(field), _merge_defaults(defaults), identity, _escape(field.description)]
    return _join(cells)


def _join(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escape(text: str) -> str:
    """Keep Markdown from reading <class> as a tag and * as emphasis."""
    return text.replace("<", "&lt;").replace("*", "\\*")


def _write_owners(owners: Sequence[str], choices: Sequence[str]) -> str:
    others = [choice for choice in choices if choice not in owners]
    if not others:
        return "all"
    return f"all but {_code(others)}" if len(others) < len(owners) else _code(owners)


def _write_type(field: FieldDescription) -> str:
    if field.type.startswith("choice"):
        return _code(field.allowed.split(" | "))
    return f"{field.type}, {field.allowed}" if field.allowed else field.type


def _write_default(default: str) -> str:
    """Return a default as a user writes it, or where it comes from."""
    if default == "required":
        return default
    if not default.startswith("${"):
        return f"`{default}`"
    source = default.removeprefix("${").removesuffix("}")
    if not source.startswith("oc.env:"):
        return f"follows `{source}`"
    variable, _, otherwise = source.removeprefix("oc.env:").partition(",")
    return f"`${variable}`, else `{otherwise}`"


def _merge_defaults(defaults: Mapping[str, str]) -> str:
    if len(set(defaults.values())) == 1:
        return next(iter(defaults.values()))
    by_value: dict[str, list[str]] = {}
    for choice, value in defaults.items():
        by_value.setdefault(value, []).append(choice)
    common = max(by_value, key=lambda value: len(by_value[value]))
    others = [f"{_code(of)}: {value}" for value, of in by_value.items() if value != common]
    return "; ".join([common, *others])


def _code(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
