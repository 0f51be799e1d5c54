"""The options that print the config and how it is composed: --cfg, --resolve, --info."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from dropexp.cli.options import list_choices, make_choice_parser
from dropexp.errors import ConfigError


class ConfigPart(StrEnum):
    """What ``--cfg`` prints; all but ``run`` are Hydra's."""

    RUN = "run"
    JOB = "job"
    HYDRA = "hydra"
    ALL = "all"


class HydraInfo(StrEnum):
    """What ``--info`` prints; Hydra's names."""

    ALL = "all"
    CONFIG = "config"
    DEFAULTS = "defaults"
    DEFAULTS_TREE = "defaults-tree"
    PLUGINS = "plugins"
    SEARCHPATH = "searchpath"


_PANEL = "Print the config, train nothing"

CfgOption = Annotated[
    ConfigPart | None,
    typer.Option(
        "--cfg",
        "-c",
        metavar="[PART]",
        parser=make_choice_parser("--cfg", ConfigPart),
        autocompletion=list_choices(ConfigPart),
        help="Print the checked config; or job, hydra or all, as Hydra composes it.",
        rich_help_panel=_PANEL,
    ),
]
ResolveOption = Annotated[
    bool,
    typer.Option(
        "--resolve",
        help="With --cfg: replace interpolations by their values.",
        rich_help_panel=_PANEL,
    ),
]
InfoOption = Annotated[
    HydraInfo | None,
    typer.Option(
        "--info",
        metavar="[WHAT]",
        parser=make_choice_parser("--info", HydraInfo),
        autocompletion=list_choices(HydraInfo),
        help="Print how Hydra composes it: all, config, defaults, defaults-tree, plugins or "
        "searchpath.",
        rich_help_panel=_PANEL,
    ),
]


def print_config(
    overrides: Sequence[str],
    cfg: ConfigPart | None,
    info: HydraInfo | None,
    *,
    resolve: bool,
    show_runs: Callable[[], str],
) -> bool:
    """Print what the options ask for; return whether they ask for anything.

    Args:
        overrides: as typed.
        cfg: of --cfg.
        info: of --info.
        resolve: whether --resolve is given.
        show_runs: returns the text of ``--cfg run``.

    Raises:
        ConfigError: an override is not allowed, or --resolve stands without --cfg.
    """
    if cfg is None and info is None:
        if resolve:
            raise ConfigError("--resolve changes what --cfg prints; write --cfg job --resolve.")
        return False
    from dropexp.cli.console import print_text
    from dropexp.config.overrides import parse_overrides
    from dropexp.config.showing import show_composed, show_info

    if cfg is ConfigPart.RUN:
        print_text(show_runs())
    elif cfg is not None:
        print_text(show_composed(parse_overrides(overrides), cfg.value, resolve=resolve))
    if info is not None:
        print_text(show_info(parse_overrides(overrides), info.value))
    return True
