"""docs/reference/commands.md: every command with its arguments and options, from the code."""

import inspect
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dropexp.cli.commands import import_command, list_commands

PAGE = "reference/commands.md"
_INTRODUCTION = """# Commands

<!-- Written by scripts/docs reference; edit the help texts in dropexp/cli/ instead. -->

`dropexp COMMAND --help` prints the same in a terminal. Every command ends with one of the
[exit codes](exit-codes.md). A key that an override or a filter may name stands under
[configuration](configuration.md).
"""


def write_page() -> str:
    """Return the text of the page."""
    commands = {name: import_command(name) for name in list_commands()}
    return "\n".join([_INTRODUCTION, *_sections(commands)])


def _sections(commands: Mapping[str, Any], parents: str = "dropexp") -> Iterator[str]:
    for name, command in commands.items():
        full_name = f"{parents} {name}"
        yield from _section(full_name, command)
        yield from _sections(getattr(command, "commands", {}), full_name)


def _section(full_name: str, command: Any) -> Iterator[str]:
    yield f"## {full_name}\n"
    yield f"{_plain(command.help)}\n"
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([full_name, *(_metavar(each) for each in arguments)])
    yield f"```text\n{usage}{' [OPTIONS]' if options else ''}\n```\n"
    explained = [each for each in arguments if each.help]
    if explained:
        yield "| argument | what |\n|---|---|"
        yield "\n".join(f"| `{_metavar(each)}` | {_cell(each.help)} |" for each in explained) + "\n"
    if options:
        yield "| option | value | default | what |\n|---|---|---|---|"
        types = get_type_hints(inspect.unwrap(command.callback))
        yield "\n".join(_option(option, types[option.name]) for option in options) + "\n"


def _option(option: Any, kind: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    default = "" if option.is_flag or option.default is None else f"`{_text(option.default)}`"
    value = "" if option.is_flag else _value(kind)
    return f"| {names} | {value} | {default} | {_cell(option.help or '')} |"


def _value(kind: Any) -> str:
    """Return what an option takes, from the type of the command's parameter."""
    inner = next((each for each in get_args(kind) if each is not type(None)), kind)
    if get_origin(inner) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(inner))
    if isinstance(inner, type) and issubclass(inner, Enum):
        return ", ".join(f"`{choice.value}`" for choice in inner)
    return "a path" if inner is Path else "text"


def _text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _metavar(argument: Any) -> str:
    name = str(argument.metavar or argument.name.upper())
    name = name.removesuffix("...").strip("[]")
    brackets = name if argument.required else f"[{name}]"
    return brackets + ("..." if argument.nargs == -1 else "")


def _cell(text: str) -> str:
    return " ".join(_plain(text).split()).replace("|", "\\|")


def _plain(text: str | None) -> str:
    """Return a help text as Markdown: what Rich shows in bold, commands, becomes code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(text or ""))
    joined = "\n\n".join(map(_join_lines, paragraphs))
    code = re.sub(r"\[bold\](.*?)\[/bold\]", r"`\1`", joined)
    return code.replace(r"\[", "[")  # Rich's own escape, as in dropexp\[tune]


def _join_lines(paragraph: str) -> str:
    """Return a paragraph as one line, or as a list where each line begins with a bold word."""
    lines = [line.strip() for line in paragraph.splitlines()]
    if len(lines) > 1 and all(line.startswith("[bold]") for line in lines):
        return "\n".join(f"- {line}" for line in lines)
    return " ".join(paragraph.split())
