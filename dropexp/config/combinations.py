"""Several regularisers in one configuration: ``regulariser=dropout2d+stochastic_depth``.

Hydra chooses one file of a group. A combination is composed once with each of its regularisers,
by the words that concern it; what comes out is put together: under ``regulariser`` a section for
each by its name, and elsewhere what each of them changes (such as model.shortcut).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dropexp.config.groups import list_groups
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError, suggest

GROUP = "regulariser"
_CHOICE = f"{GROUP}="
_NONE = "none"

Compose = Callable[[Sequence[str]], DictConfig]


def split_combination(choice: str) -> list[str]:
    """The regularisers that a choice names, in the order of the group's list.

    So ``b+a`` is ``a+b``. One name is a list of one, whether or not there is such a choice.

    Raises:
        ConfigError: of several, one is not known, none, or named twice.
    """
    names = choice.split(COMBINATION_SEPARATOR)
    if len(names) == 1:
        return names
    for name in names:
        if name not in list_groups()[GROUP]:
            raise ConfigError(
                f"{_CHOICE}{choice} is not known: {name!r} is not a regulariser. "
                f"{suggest(name, list_groups()[GROUP])}"
            )
    if _NONE in names or len(set(names)) < len(names):
        raise ConfigError(
            f"{_CHOICE}{choice} is not allowed: it must name different regularisers, without none."
        )
    return sorted(names, key=list_groups()[GROUP].index)


def is_combination(words: Sequence[str]) -> bool:
    """Whether a configuration's words choose several regularisers."""
    return COMBINATION_SEPARATOR in _choice(words)


def compose_combination(words: Sequence[str], compose: Compose) -> DictConfig:
    """One configuration of several regularisers.

    Args:
        words: overrides of one value each; ``regulariser.NAME.KEY`` is an option of one part.
        compose: makes a configuration of one regulariser.

    Raises:
        ConfigError: as parts_of; or an option does not say whose it is.
    """
    names = split_combination(_choice(words))
    around, own = _divided(words, names)
    base = OmegaConf.to_container(compose([*around, f"{_CHOICE}{_NONE}"]))
    assert isinstance(base, dict)
    whole: dict[Any, Any] = deepcopy(base)
    sections: dict[str, Any] = {}
    for name in names:
        part = OmegaConf.to_container(_composed_part(name, around, own[name], compose))
        assert isinstance(part, dict)
        sections[name] = part.pop(GROUP)
        _apply_changes(whole, base, part)
    whole[GROUP] = {"name": COMBINATION_SEPARATOR.join(names), **sections}
    config = OmegaConf.create(whole)
    OmegaConf.set_struct(config, True)
    return config


def _composed_part(
    name: str, around: Sequence[str], own: Sequence[str], compose: Compose
) -> DictConfig:
    try:
        return compose([*around, f"{_CHOICE}{name}", *own])
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{GROUP}.", f"{GROUP}.{name}.")) from None


def _choice(words: Sequence[str]) -> str:
    chosen = [word.removeprefix(_CHOICE) for word in words if word.startswith(_CHOICE)]
    return chosen[-1].strip("'\"") if chosen else _NONE


def _divided(words: Sequence[str], names: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words around the regularisers, and each one's own as if it were alone."""
    around: list[str] = []
    own: dict[str, list[str]] = {name: [] for name in names}
    for word in words:
        if word.startswith(_CHOICE):
            continue
        key, _, value = word.lstrip("+").partition("=")
        section, _, option = key.removeprefix(f"{GROUP}.").partition(".")
        if not key.startswith(f"{GROUP}."):
            around.append(word)
        elif section in names and option:
            own[section].append(f"{GROUP}.{option}={value}")
        else:
            raise ConfigError(_whose(key, section, option, value, names))
    return around, own


def _whose(key: str, section: str, option: str, value: str, names: Sequence[str]) -> str:
    """An option that is of no part, or of none in particular."""
    parts = " and ".join(names)
    if option:
        return f"{key} is not allowed: {section} is not one of {parts}."
    if section in names:
        return f"{key}={value} is not allowed: it has keys of its own, such as {key}.p."
    return (
        f"{key} does not say which of {parts} it is of; write {GROUP}.{names[0]}.{section}={value}."
    )


def _apply_changes(whole: dict[Any, Any], base: dict[Any, Any], part: dict[Any, Any]) -> None:
    """Put into ``whole`` what ``part`` has otherwise than ``base``."""
    for key, value in part.items():
        before = base.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            _apply_changes(whole[key], before, value)
        elif key not in base or value != before:
            whole[key] = value
