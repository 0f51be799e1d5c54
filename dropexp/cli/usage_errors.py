"""Errors of the command line itself, such as an unknown option, in the words of other errors."""

import re

from typer import BadParameter

UsageError: type[Exception] = next(
    kind for kind in BadParameter.__mro__ if kind.__name__ == "ClickException"
)
"""The base class of the errors that Typer raises; some versions of Typer have one of their own."""

_VALUE = re.compile(r"Invalid value for '?(?P<name>[^':/]+)'?(?: / '[^']+')*: (?P<reason>.*)", re.S)
_CHOICE = re.compile(r"'(?P<given>.*)' is not one of (?P<allowed>.*?)\.?$", re.S)
_MISSING = re.compile(r"Missing (?:argument|option|parameter) '?(?P<name>[^'.]+)'?")


def describe_usage_error(error: Exception) -> str:
    """Return an error of Typer's in a sentence or two, with the command that shows the help.

    Args:
        error: a UsageError.

    Returns:
        Empty for the error that only shows the help.
    """
    message = str(getattr(error, "format_message", error.__str__)()).strip()
    if type(error).__name__ == "NoArgsIsHelpError" or not message:
        return ""
    context = getattr(error, "ctx", None)
    hint = f" {context.command_path} --help shows what it takes." if context else ""
    return f"{_rewrite(message)}{hint}"


def _rewrite(message: str) -> str:
    if value := _VALUE.match(message):
        if choice := _CHOICE.match(value["reason"]):
            allowed = choice["allowed"].replace("'", "")
            return f"{value['name']} {choice['given']} is not known. Allowed: {allowed}."
        return f"{value['name']}: {_end(value['reason'])}"
    if missing := _MISSING.match(message):
        return f"{missing['name']} is missing."
    return _end(message)


def _end(text: str) -> str:
    """Return a text that ends as a sentence."""
    return text if text.endswith((".", "?", "!")) else f"{text}."
