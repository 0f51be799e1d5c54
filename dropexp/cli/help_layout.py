"""Commands whose help and errors say what an option takes, without types of Python."""

import re
from difflib import get_close_matches
from typing import Any

from typer import BadParameter
from typer.core import TyperCommand, TyperGroup

from dropexp.errors import UserError, propose

LEFT_OUT = {"--cfg": "run", "-c": "run", "--info": "all"}
"""The value of an option that is given without one."""

_IS_VALUE = re.compile(r"[a-z][\w-]*", re.IGNORECASE)

_CLOSENESS = 0.8
"""The least similarity of a mistyped option: --seed is meant as seed=, not as --most-seeds."""


class PlainHelpCommand(TyperCommand):
    """A command whose help has no ``<bool>`` beside a flag and no ``<list[str]>``."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters of the command, with ``--help``."""
        return _hide_types(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command; an option may stand without its value.

        Raises:
            BadParameter: says what is allowed, without pydantic's prefix of a ValueError.
            UserError: an override is a mistyped option.
        """
        try:
            if any("--cfg" in each.opts for each in self.get_params(ctx)):
                args = _add_left_out_values(args)
            rest = super().parse_args(ctx, args)
        except BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise
        self._refuse_mistyped_options(ctx)
        return rest

    def _refuse_mistyped_options(self, ctx: Any) -> None:
        """Raise UserError where an unknown option, passed on as an override, is close to one."""
        known = {name for each in self.get_params(ctx) for name in each.opts}
        for text in ctx.params.get("overrides") or ():
            name = text.partition("=")[0]
            close = get_close_matches(name, known, n=1, cutoff=_CLOSENESS)
            if name.startswith("--") and close:
                raise UserError(f"{name} is not an option of this command. {propose(close)}")


def _add_left_out_values(args: list[str]) -> list[str]:
    """Return the arguments with the value of an option that stands without one."""
    complete: list[str] = []
    for place, each in enumerate(args):
        following = args[place + 1 : place + 2]
        complete.append(each)
        if each in LEFT_OUT and not (following and _IS_VALUE.fullmatch(following[0])):
            complete.append(LEFT_OUT[each])
    return complete


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


_OTHER_NAMES = {"remove": "rm", "delete": "rm", "del": "rm", "ls": "list", "info": "show"}
"""Commands of runs under the names that other programs give them."""


class ListsByDefault(PlainHelpGroup):
    """Makes ``runs p=0.3`` the same as ``runs list p=0.3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the group; those without a command are those of list.

        Raises:
            UserError: the first one is another program's name of a command.
        """
        if args and args[0] in _OTHER_NAMES:
            raise UserError(
                f"runs has no command {args[0]}. Did you mean dropexp runs {_OTHER_NAMES[args[0]]}?"
            )
        is_completing_first = ctx.resilient_parsing and not args
        if not is_completing_first and (
            not args or args[0] not in {*self.commands, "-h", "--help"}
        ):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return what the first word can become: a command, or an option of ``runs list``."""
        if not incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        command = self.commands["list"]
        with command.make_context("list", [], parent=ctx, resilient_parsing=True) as of_list:
            return command.shell_complete(of_list, incomplete)


def _hide_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            # Typer before 0.29 shows no type, and does not call this.
            parameter.display_type_rich = lambda **_: ""
        elif parameter.is_flag:
            parameter.metavar = ""
    return parameters
