"""Commands whose help shows what an option takes, where Typer's shows types of Python."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainHelpCommand(TyperCommand):
    """A command whose help has no ``<bool>`` beside a flag and no ``<list[str]>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the command, with ``--help``."""
        return _hide_types(super().get_params(ctx))


class PlainHelpGroup(TyperGroup):
    """A group of commands whose help has no ``<bool>`` beside a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the group, with ``--help``."""
        return _hide_types(super().get_params(ctx))


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            # Typer before 0.29 shows no type, and does not call this.
            parameter.display_type_rich = lambda **_: ""
        elif parameter.is_flag:
            parameter.metavar = ""
    return parameters
