"""pydantic's errors in plain words, for a schema of frozen sections and tagged unions."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from dropexp.config.regularisers import ONE, SEVERAL
from dropexp.errors import suggest


def describe_validation_error(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first thing that is wrong: the field as it is typed, its value, what is allowed."""
    details = error.errors()[0]
    kind, value = details["type"], details["input"]
    context = details.get("ctx", {})
    location = _without_tags_of_combinations(details["loc"])
    field = _dotted(location)
    if kind == "extra_forbidden":
        return _unknown_key(field, location, schema)
    if kind == "missing":
        return f"{field} is missing."
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        allowed = [tag.strip(" '") for tag in context.get("expected_tags", "").split(",")]
        name = value.get("name") if isinstance(value, dict) else value
        return f"{field}.name={name} is not known. {suggest(str(name), filter(None, allowed))}"
    if kind == "literal_error":
        return f"{field}={_shown(value)} is not allowed; allowed: {context['expected']}."
    message = (
        str(context["error"]) if "error" in context else _bounds(kind, context, details["msg"])
    )
    return f"{field}={_shown(value)} is not allowed: {message}."


def _bounds(kind: str, context: Mapping[str, Any], message: str) -> str:
    words = {
        "greater_than": "it must be above {gt}",
        "greater_than_equal": "it must be at least {ge}",
        "less_than": "it must be below {lt}",
        "less_than_equal": "it must be at most {le}",
        "float_parsing": "it must be a number",
        "float_type": "it must be a number",
        "int_parsing": "it must be a whole number",
        "int_type": "it must be a whole number",
        "int_from_float": "it must be a whole number",
        "bool_parsing": "it must be true or false",
        "bool_type": "it must be true or false",
        "finite_number": "it must be a finite number",
        "string_type": "it must be text",
        "tuple_type": "it must be a list, such as [800, 800]",
        "model_type": "it has keys of its own; set those, or choose a file of its group",
        "model_attributes_type": "it has keys of its own; set those, or choose a file of its group",
    }
    if kind in words:
        return words[kind].format(**context)
    return message[:1].lower() + message[1:]


def _without_tags_of_combinations(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """A location as it would be if a regulariser could not be a combination."""
    has_tag = location[:1] == ("regulariser",) and location[1:2] in ((ONE,), (SEVERAL,))
    return (*location[:1], *location[2:]) if has_tag else location


def _dotted(location: tuple[int | str, ...]) -> str:
    """The key as it is typed on the command line: without what pydantic adds for unions."""
    keys = [str(key) for key in location]
    union_fields = {"data", "model", "regulariser", "optimiser", "schedule"}
    typed = [key for i, key in enumerate(keys) if i == 0 or keys[i - 1] not in union_fields]
    return typed[0] if typed[0] == "device" else ".".join(typed)


def _unknown_key(field: str, location: tuple[int | str, ...], schema: type[BaseModel]) -> str:
    *parents, key = (str(part) for part in location)
    section: Any = schema
    for parent in parents:
        section = _descend(section, parent)
    owner = f" of {field.rpartition('.')[0]}={parents[-1]}" if parents else ""
    return f"{field} is not an option{owner}. {suggest(key, section.model_fields)}"


def _descend(section: Any, key: str) -> Any:
    """One step of a pydantic location: into a field, or from a union to the member named key."""
    for candidate in _section_classes(section):
        if key in candidate.model_fields:
            annotation = candidate.model_fields[key].annotation
            members = _section_classes(annotation)
            return members[0] if len(members) == 1 else annotation
        if key in getattr(candidate.model_fields["name"].annotation, "__args__", ()):
            return candidate
    raise KeyError(key)


def _section_classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    members = getattr(annotation, "__args__", ())
    return [section for member in members for section in _section_classes(member)]


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
