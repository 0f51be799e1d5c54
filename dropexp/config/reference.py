"""A description of every config key and group, from which the reference in docs/ is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dropexp.config.conf_files import read_choice, read_default_choices, read_file
from dropexp.config.data_section import DataConfig
from dropexp.config.groups import LOGGER, find_conf_dir, list_built_in_groups
from dropexp.config.identity import IDENTITY_KEYS, NOT_IN_IDENTITY
from dropexp.config.logger_choice import TRACKERS
from dropexp.config.logger_section import LoggerConfig
from dropexp.config.model_section import ModelConfig
from dropexp.config.regulariser_section import NoneConfig, SingleRegulariser
from dropexp.config.run_config import RunConfig, TensorBoardConfig, TopLevelP
from dropexp.config.section_base import SEED_LIMIT
from dropexp.config.training_sections import (
    EarlyStoppingConfig,
    OptimiserConfig,
    ScheduleConfig,
    TrainConfig,
)

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "mapping",
    "array": "pair",
}


@dataclass(frozen=True)
class FieldDescription:
    """One key of the configuration.

    Attributes:
        group: the config group that it belongs to; empty at the top level.
        choice: the file of the group that has it; empty at the top level.
        key: as typed on the command line, such as ``data.train_size``.
        type: such as "whole number".
        allowed: its range or choices, such as "[0, 1)" or "relu | selu"; empty if unlimited.
        default: as conf/ has it; "required" where it must be given.
        description: what it does, with its unit.
        in_identity: whether it is part of a run's identity.
    """

    group: str
    choice: str
    key: str
    type: str
    allowed: str
    default: str
    description: str
    in_identity: bool


@dataclass(frozen=True)
class GroupDescription:
    """One config group.

    Attributes:
        group: as typed on the command line, such as ``optimiser/schedule``.
        default: the choice without an override; "null" for none.
        choices: name → what the comment at the top of its file says.
    """

    group: str
    default: str
    choices: Mapping[str, str]


def describe_fields() -> list[FieldDescription]:
    """Describe every key that can be overridden: the top level first, then group by group."""
    top = read_file("config.yaml")
    described = [
        *_describe_section(TopLevelP, top),
        *_describe_section(RunConfig, top),
        *_describe_section(TensorBoardConfig, top["tensorboard"], section="tensorboard"),
    ]
    for group, choices in list_built_in_groups().items():
        for choice in choices:
            schema = find_section_class(group, choice)
            if schema is not None:
                values = read_choice(group, choice)
                # The keys of a logger name it, because a run may have several.
                section = f"{group}.{choice}" if group == LOGGER else ""
                described += _describe_section(
                    schema, values, group=group, choice=choice, section=section
                )
    return described


def describe_groups() -> list[GroupDescription]:
    """Describe every config group that makes up a run."""
    defaults = read_default_choices()
    return [
        GroupDescription(
            group=group,
            default=_format_value(defaults[group]),
            choices={choice: _read_comment(group, choice) for choice in choices},
        )
        for group, choices in list_built_in_groups().items()
    ]


def find_section_class(group: str, choice: str) -> type[BaseModel] | None:
    """Return the class of a choice's section; None for one without a section of its own."""
    if group == "train":
        return TrainConfig
    if group == "train/early_stopping":
        return EarlyStoppingConfig
    if group == LOGGER and choice in TRACKERS:
        section: type[BaseModel] = get_args(LoggerConfig.model_fields[choice].annotation)[0]
        return section
    unions = {
        "data": DataConfig,
        "model": ModelConfig,
        "optimiser": OptimiserConfig,
        "optimiser/schedule": ScheduleConfig,
        "regulariser": SingleRegulariser,
    }
    if group not in unions:
        return None
    classes: tuple[type[BaseModel], ...] = (NoneConfig, *get_args(get_args(unions[group])[0]))
    return next((each for each in classes if choice in _list_names(each)), None)


def _list_names(section: type[BaseModel]) -> tuple[str, ...]:
    return get_args(section.model_fields["name"].annotation)


def _describe_section(
    schema: type[BaseModel],
    values: Mapping[str, Any],
    *,
    group: str = "",
    choice: str = "",
    section: str = "",
) -> list[FieldDescription]:
    prefix = section or group.replace("/", ".")
    properties = schema.model_json_schema()["properties"]
    described = []
    for name, field in schema.model_fields.items():
        key = f"{prefix}.{name}" if prefix else name
        # A name is chosen by its group, and a section is described key by key.
        if name == "name" or "$ref" in str(properties[name]):
            continue
        type_name, allowed = _describe_type(properties[name])
        described.append(
            FieldDescription(
                group=group,
                choice=choice,
                key=key,
                type=type_name,
                allowed=allowed or _describe_range(field, is_whole="whole" in type_name),
                default=_format_value(values.get(name, field.default)),
                description=field.description or "",
                in_identity=_is_in_identity(key),
            )
        )
    return described


def _describe_type(schema: Mapping[str, Any]) -> tuple[str, str]:
    """Return the type of a JSON schema's property, and its choices; empty if it has none."""
    alternatives = schema.get("anyOf", [schema])
    options = [option for option in alternatives if option.get("type") != "null"]
    option, allowed = options[-1], ""
    if [each["type"] for each in options] == ["integer", "number"]:
        type_name, allowed = "number", "whole ≥ 1, or a fraction in (0, 1)"
    elif words := [str(word) for each in options[:-1] for word in _list_choices(each)]:
        type_name, allowed = "list of texts", f"or {' | '.join(words)}"
    elif "enum" in option or "const" in option:
        choices = _list_choices(option)
        type_name, allowed = "choice", " | ".join(_format_value(value) for value in choices)
    elif option["type"] == "array":
        item = option["items"] if "items" in option else option["prefixItems"][0]
        type_name = f"list of {_TYPES[item['type']]}s"
    else:
        type_name = _TYPES[option["type"]]
    if len(options) < len(alternatives):
        is_flag = type_name == "true or false"
        type_name = "true, false or null" if is_flag else f"{type_name} or null"
    return type_name, allowed


def _list_choices(schema: Mapping[str, Any]) -> list[Any]:
    choices: list[Any] = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return choices


def _describe_range(field: FieldInfo, *, is_whole: bool) -> str:
    """Return the range of a number, or of the numbers in a list: "≥ 0", "from 1 to 9", "(0, 1]"."""
    start = minimum = end = least = most = ""
    for constraint in _list_constraints(field):
        match constraint:
            case Ge(ge=low):
                start, minimum, least = f"[{low}", f"≥ {low}", f"{low}"
            case Gt(gt=low):
                start, minimum, least = f"({low}", f"> {low}", f"{low}" if low else "1"
            case Le(le=high):
                end, most = f"{high}]", f"{high:,}"
            case Lt(lt=high) if high != SEED_LIMIT:
                end = f"{high})"
    if is_whole and most:
        return f"from {least} to {most}"
    return f"{start}, {end}" if end else minimum


def _list_constraints(field: FieldInfo) -> list[Any]:
    """Return the constraints on a field's values, also those inside ``X | None`` or a tuple."""
    constraints = list(field.metadata)
    for part in get_args(field.annotation):
        if get_origin(part) is Annotated:
            for each in part.__metadata__:
                constraints += each.metadata if isinstance(each, FieldInfo) else [each]
    return constraints


def _is_in_identity(key: str) -> bool:
    section, _, name = key.partition(".")
    # The top-level p counts because regulariser.p follows it.
    says_where = name in NOT_IN_IDENTITY.get(section, ())
    return key == "p" or (section in IDENTITY_KEYS and not says_where)


def _format_value(value: Any) -> str:
    """Return a value as YAML writes it."""
    if value == "???":
        return "required"
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=200)
    return text.removesuffix("\n").removesuffix("\n...").strip("'")


def _read_comment(group: str, choice: str) -> str:
    """Return the comment at the top of a file of conf/, on one line."""
    text = (find_conf_dir() / group / f"{choice}.yaml").read_text(encoding="utf-8")
    comment: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            comment.append(line.removeprefix("#").strip())
    return " ".join(comment)
