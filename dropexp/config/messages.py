"""Sentences for pydantic's validation errors: the field, its value, what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from dropexp.config.combined_section import COMBINED_TAG, SINGLE_TAG
from dropexp.errors import suggest

_NUMBER_TYPES = ("int", "float")
_IS_A_SECTION = "it has keys of its own; set those, or choose a file of its group"


def describe_validation_error(error: ValidationError, schema: type[BaseModel]) -> str:
    """Describe the first error: the field as typed, its value, what is allowed.

    Args:
        error: raised by ``schema.model_validate``.
        schema: the validated class; its fields are values, sections and tagged unions of sections.
    """
    details = error.errors()[0]
    kind, value = details["type"], details["input"]
    context = details.get("ctx", {})
    location = _drop_combination_tag(details["loc"])
    field = _to_key(location)
    if kind == "extra_forbidden":
        return _describe_unknown_key(field, location, schema)
    if kind == "missing":
        return f"{field} is missing; set it with {field}=…."
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        allowed = [tag.strip(" '") for tag in context.get("expected_tags", "").split(",")]
        name = value.get("name") if isinstance(value, dict) else value
        return f"{field}.name={name} is not known. {suggest(str(name), filter(None, allowed))}"
    if kind == "literal_error":
        return f"{field}={_shorten(value)} is not allowed; allowed: {context['expected']}."
    if "error" in context:
        message = str(context["error"])
    elif kind == "int_parsing" and location[-1] in _NUMBER_TYPES:  # of a size, or a fraction
        message = "it must be a number"
    else:
        message = _describe_bound(kind, context, details["msg"])
    return f"{field}={_shorten(value)} is not allowed: {message}."


def _describe_bound(kind: str, context: Mapping[str, Any], message: str) -> str:
    templates = {
        "greater_than": "it must be above {gt}",
        "greater_than_equal": "it must be at least {ge}",
        "less_than": "it must be below {lt}",
        "less_than_equal": "it must be at most {le}",
        "multiple_of": "it must be a multiple of {multiple_of}",
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
        "model_type": _IS_A_SECTION,
        "model_attributes_type": _IS_A_SECTION,
    }
    if kind in templates:
        limits = {name: _format_limit(limit) for name, limit in context.items()}
        return templates[kind].format(**limits)
    return message[:1].lower() + message[1:]


def _format_limit(limit: Any) -> str:
    """Return a number of a message; a large one with commas between thousands."""
    return f"{limit:,}" if isinstance(limit, int) else f"{limit}"


def _drop_combination_tag(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a location without the tag that tells single regularisers from combinations."""
    has_tag = location[:1] == ("regulariser",) and location[1:2] in (
        (SINGLE_TAG,),
        (COMBINED_TAG,),
    )
    return (*location[:1], *location[2:]) if has_tag else location


def _to_key(location: tuple[int | str, ...]) -> str:
    """Return the key as typed on the command line, without the tags of pydantic's unions."""
    keys = [str(key) for key in location]
    union_fields = {"data", "model", "regulariser", "optimiser", "schedule"}
    typed = [key for i, key in enumerate(keys) if i == 0 or keys[i - 1] not in union_fields]
    if len(typed) > 1 and typed[-1] in _NUMBER_TYPES:  # a union of numbers names the type, too
        typed.pop()
    return ".".join(typed)


def _describe_unknown_key(
    field: str, location: tuple[int | str, ...], schema: type[BaseModel]
) -> str:
    *parents, key = (str(part) for part in location)
    section: Any = schema
    for parent in parents:
        section = _descend(section, parent)
    owner = f" of {field.rpartition('.')[0]}={parents[-1]}" if parents else ""
    return f"{field} is not an option{owner}. {suggest(key, section.model_fields)}"


def _descend(section: Any, key: str) -> Any:
    """Follow one step of a location: into a field, or into the union's member of that name."""
    for candidate in _list_section_classes(section):
        if key in candidate.model_fields:
            annotation = candidate.model_fields[key].annotation
            members = _list_section_classes(annotation)
            return members[0] if len(members) == 1 else annotation
        if key in getattr(candidate.model_fields["name"].annotation, "__args__", ()):
            return candidate
    raise KeyError(key)


def _list_section_classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    members = getattr(annotation, "__args__", ())
    return [section for member in members for section in _list_section_classes(member)]


def _shorten(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "…"
