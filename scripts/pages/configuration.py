"""docs/reference/configuration.md: every key with its type, range and default, from the code.

Types, ranges and descriptions come from the schema (dropexp/config), defaults from conf/.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from dropexp.config.groups import find_conf_dir, list_groups
from dropexp.config.identity import IDENTITY_KEYS, NOT_IN_IDENTITY
from dropexp.config.run_config import RunConfig

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


_NOT_A_USERS = ("name", "fingerprint")  # the choice itself; filled in by dropexp


@dataclass
class Key:
    """A key of the configuration.

    Attributes:
        name: in full, such as ``data.train_size``.
        kind: its type and range, in words.
        what: what it does.
        in_identity: whether it is part of a run's identity.
        defaults: its default by the choice of its group; one entry, "", outside of groups.
    """

    name: str
    kind: str
    what: str
    in_identity: bool
    defaults: dict[str, str] = field(default_factory=dict)


def write_page() -> str:
    """Return the page's text."""
    lines = [_INTRODUCTION, "## Keys outside of groups\n", _HEAD]
    lines += [_row(key, []) for key in _top_level()]
    for group, choices in list_groups().items():
        keys = list(_keys_of_group(group, choices))
        if not keys:
            continue
        lines += [f"\n## {group}\n", f"Choices: {_code(choices)}.\n", _HEAD_OF_GROUP]
        lines += [_row(key, choices) for key in keys]
    return "\n".join(lines) + "\n"


def _row(key: Key, choices: Sequence[str]) -> str:
    cells = [f"`{key.name}`"]
    if choices:
        cells.append(_of(key.defaults, choices))
    identity = "yes" if key.in_identity else "no"
    cells += [key.kind, _default(key.defaults), identity, key.what]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _of(those: Mapping[str, Any], choices: Sequence[str]) -> str:
    others = [choice for choice in choices if choice not in those]
    if not others:
        return "all"
    return f"all but {_code(others)}" if len(others) < len(those) else _code(those)


def _default(defaults: Mapping[str, str]) -> str:
    if len(set(defaults.values())) == 1:
        return next(iter(defaults.values()))
    by_value: dict[str, list[str]] = {}
    for choice, value in defaults.items():
        by_value.setdefault(value, []).append(choice)
    common = max(by_value, key=lambda value: len(by_value[value]))
    others = [f"{_code(of)}: {value}" for value, of in by_value.items() if value != common]
    return "; ".join([common, *others])


def _code(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- keys -----------------------------------------------------------------------------------------


@cache
def _schema() -> Mapping[str, Any]:
    return RunConfig.model_json_schema()


def _top_level() -> Iterator[Key]:
    values = _yaml("config")
    shorthand = {
        **_one_of("regulariser")["mixup"]["properties"]["p"],
        "description": "drop probability that `regulariser.p` follows; below 1 but for inputs",
    }
    for name, entry in {"p": shorthand, **_schema()["properties"]}.items():
        if name in list_groups():
            continue
        nested = _resolved(entry).get("properties")
        if nested is None:
            yield _key(name, entry, values, "")
        else:
            for key, part in nested.items():
                yield _key(f"{name}.{key}", part, values.get(name, {}), "")


def _keys_of_group(group: str, choices: Sequence[str]) -> Iterator[Key]:
    """The keys of a group's choices; one that several have alike comes once."""
    keys: dict[tuple[str, str, str], Key] = {}
    for choice in choices:
        section = _one_of(group).get(choice, {"properties": {}})
        values = _yaml(group, choice)
        for name, entry in section["properties"].items():
            if name not in _NOT_A_USERS and not _is_section(entry):
                key = _key(f"{group.replace('/', '.')}.{name}", entry, values, choice)
                alike = keys.setdefault((key.name, key.kind, key.what), key)
                alike.defaults.update(key.defaults)
    yield from keys.values()


def find_keys(group: str) -> dict[str, list[str]]:
    """Return the keys of each choice of a group, by the choice's name."""
    found: dict[str, list[str]] = {}
    for key in _keys_of_group(group, list_groups()[group]):
        for choice in key.defaults:
            found.setdefault(choice, []).append(key.name.rpartition(".")[2])
    return found


def _key(full: str, entry: Mapping[str, Any], values: Mapping[str, Any], choice: str) -> Key:
    top, _, rest = full.partition(".")
    name = full.rpartition(".")[2]
    where_only = rest in NOT_IN_IDENTITY.get(top, set())
    default = _written(values[name] if name in values else entry.get("default"))
    return Key(
        full,
        _kind(entry),
        _sentence(entry),
        in_identity=full == "p" or (top in IDENTITY_KEYS and not where_only),
        defaults={choice: default},
    )


def _sentence(entry: Mapping[str, Any]) -> str:
    return " ".join(str(entry.get("description", "")).split())


def _written(value: Any) -> str:
    """A default as a user writes it, or where it comes from."""
    if value == "???":
        return "required"
    if isinstance(value, str) and value.startswith("${"):
        source = value.removeprefix("${").removesuffix("}")
        if not source.startswith("oc.env:"):
            return f"follows `{source}`"
        variable, _, otherwise = source.removeprefix("oc.env:").partition(",")
        return f"`${variable}`, else `{otherwise}`"
    if isinstance(value, str) and re.fullmatch(r"[\d.]+e[\d+-]+", value):
        value = float(value)  # YAML 1.1 takes 1.0e4 for text
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _is_section(entry: Mapping[str, Any]) -> bool:
    """Whether a key is a group, or a section, of its own."""
    entry = _resolved(entry)
    inner = [_resolved(each) for each in entry.get("anyOf", entry.get("oneOf", [entry]))]
    return any("properties" in each for each in inner)


def _resolved(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in entry:
        return entry
    return {**_schema()["$defs"][entry["$ref"].rpartition("/")[2]], **entry}


def _one_of(group: str) -> dict[str, Mapping[str, Any]]:
    """The sections of a group's choices by their names; empty where the group has none."""
    entry: Mapping[str, Any] = _schema()
    for part in group.split("/"):
        # What is nested in a group is the same in each of its sections.
        _, section = next(_sections(entry))
        if part not in section["properties"]:
            return {}
        entry = section["properties"][part]
    found = dict(_sections(entry))
    return dict.fromkeys(list_groups()[group], found[""]) if "" in found else found


def _sections(entry: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entry = _resolved(entry)
    for inner in [*entry.get("oneOf", []), *entry.get("anyOf", [])]:
        yield from _sections(inner)
    if "properties" in entry:
        name = entry["properties"].get("name", {})
        for choice in name.get("enum", [name.get("const", "")]):
            yield choice, entry


def _yaml(*path: str) -> Mapping[str, Any]:
    text = find_conf_dir().joinpath(*path).with_suffix(".yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text) or {}
    for part in path[0].split("/") if "@package _global_" in text else []:
        values = values.get(part, {})
    return values


# --- types in words -------------------------------------------------------------------------------


def _kind(entry: Mapping[str, Any]) -> str:
    entry = _resolved(entry)
    if [each.get("type") for each in entry.get("anyOf", [])][:2] == ["integer", "number"]:
        kind = "a number ≥ 1, or a fraction < 1"
        return kind if len(entry["anyOf"]) == 2 else f"{kind}, or `null`"
    if "anyOf" in entry or "oneOf" in entry:
        kinds = [_kind(each) for each in entry.get("anyOf", entry.get("oneOf"))]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in entry:
        return _code([str(value) for value in entry["enum"]])
    if "const" in entry:
        return f"`{str(entry['const']).lower()}`"
    match entry.get("type"):
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "`null`"
        case "integer":
            return f"whole number{_range(entry)}"
        case "number":
            return f"number{_range(entry)}"
        case "array":
            items = entry.get("prefixItems", [entry.get("items", {})])
            return f"list of {_kind(items[0])}"
        case "object":
            return "mapping"
    return f"text like `{entry['pattern']}`" if "pattern" in entry else "text"


_BOUNDS = {
    "≥": ("minimum", "ge"),
    ">": ("exclusiveMinimum", "gt"),
    "≤": ("maximum", "le"),
    "<": ("exclusiveMaximum", "lt"),
}
_NO_BOUND = 2**60  # a seed's, which is the largest that fits


def _range(entry: Mapping[str, Any]) -> str:
    told = [
        f"{sign} {entry[key]:g}"
        for sign, keys in _BOUNDS.items()
        for key in keys
        if key in entry and entry[key] < _NO_BOUND
    ]
    return f" {', '.join(told)}" if told else ""
