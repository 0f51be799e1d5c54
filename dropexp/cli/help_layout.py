"""Commands whose help and errors say what an option takes, without types of Python."""

from typing import Any

from typer import BadParameter
from typer.core import TyperCommand, TyperGroup


class PlainHelpCommand(TyperCommand):
    """A command whose help has no ``<bool>`` beside a flag and no ``<list[str]>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the command, with ``--help``."""
        return _hide_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command.

        Raises:
            BadParameter: says what is allowed, without pydantic's prefix of a ValueError.
        """
        try:
            return super().parse_args(ctx, args)
        except BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


class PlainHelpGroup(TyperGroup):
    """A group of commands whose help lists commands first, and no ``<bool>`` beside a flag."""

    _hides_options = False

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the group, with ``--help``."""
        return [] if self._hides_options else _hide_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help of the group: its commands, then its options."""
        from typer import rich_utils

        print_options = getattr(rich_utils, "_print_options_panel", None)
        if print_options is None:  # a version of Typer that is built otherwise
            super().format_help(ctx, formatter)
            return
        self._hides_options = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._hides_options = False
        print_options(
            name=rich_utils.OPTIONS_PANEL_TITLE,
            params=[each for each in self.get_params(ctx) if not getattr(each, "hidden", False)],
            ctx=ctx,
            markup_mode=self.rich_markup_mode,
            console=rich_utils._get_rich_console(),
        )


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            # Typer before 0.29 shows no type, and does not call this.
            parameter.display_type_rich = lambda **_: ""
        elif parameter.is_flag:
            parameter.metavar = ""
    return parameters
