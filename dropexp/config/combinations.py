"""Several regularisers in one configuration: ``regulariser=dropout2d+stochastic_depth``.

Hydra chooses one file of a group. So a combination is composed once for each of its regularisers,
with the overrides that concern it, and the results are merged: ``regulariser`` has a section for
each regulariser by its name, and the rest has what each of them changes (such as model.shortcut).
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dropexp.config.groups import REGULARISER, split_combination
from dropexp.config.overrides import Override, parse_override
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError

Compose = Callable[[Sequence[Override]], DictConfig]


def find_combination(overrides: Sequence[Override]) -> list[str]:
    """Return the regularisers that overrides of one value choose; empty if it is not several.

    Raises:
        ConfigError: see split_combination.
    """
    choices = [override.value for override in overrides if override.key == REGULARISER]
    names = split_combination(choices[-1]) if choices else []
    return names if len(names) > 1 else []


def compose_combination(
    names: Sequence[str], overrides: Sequence[Override], compose: Compose
) -> DictConfig:
    """Compose one configuration of several regularisers.

    Args:
        names: of the regularisers, as find_combination returns them.
        overrides: of one value each; ``regulariser.NAME.KEY`` is an option of one regulariser.
        compose: composes a configuration of one regulariser.

    Raises:
        ConfigError: an override of regulariser.KEY does not say which regulariser it is for.
    """
    shared, own = _divide_overrides(overrides, names)
    base = _to_dict(compose([*shared, _choose("none")]))
    merged = deepcopy(base)
    sections: dict[str, Any] = {}
    for name in names:
        part = _to_dict(_compose_part(name, shared, own[name], compose))
        sections[name] = part.pop(REGULARISER)
        _merge_changes(merged, base, part)
    merged[REGULARISER] = {"name": COMBINATION_SEPARATOR.join(names), **sections}
    config = OmegaConf.create(merged)
    OmegaConf.set_struct(config, True)
    return config


def _choose(name: str) -> Override:
    return parse_override(f"{REGULARISER}={name}")


def _to_dict(config: DictConfig) -> dict[Any, Any]:
    plain = OmegaConf.to_container(config)
    assert isinstance(plain, dict)
    return plain


def _compose_part(
    name: str, shared: Sequence[Override], own: Sequence[Override], compose: Compose
) -> DictConfig:
    try:
        return compose([*shared, _choose(name), *own])
    except ConfigError as error:
        # The part was composed as the only regulariser; the user's keys have its name in them.
        message = str(error).replace(f"{REGULARISER}.", f"{REGULARISER}.{name}.")
        raise ConfigError(message) from None


def _divide_overrides(
    overrides: Sequence[Override], names: Sequence[str]
) -> tuple[list[Override], dict[str, list[Override]]]:
    """Return what concerns all regularisers, and each one's own as if it were the only one."""
    shared: list[Override] = []
    own: dict[str, list[Override]] = {name: [] for name in names}
    for override in overrides:
        match override.path:
            case (group,) if group == REGULARISER:
                continue
            case (group, name, *option) if group == REGULARISER and name in names and option:
                own[name].append(override.rename(".".join([REGULARISER, *option])))
            case (group, *_) if group == REGULARISER:
                raise ConfigError(_explain_unclear_option(override, names))
            case _:
                shared.append(override)
    return shared, own


def _explain_unclear_option(override: Override, names: Sequence[str]) -> str:
    """Say what is wrong with an option that belongs to none of the regularisers."""
    _, section, *option = override.path
    parts = " and ".join(names)
    if option:
        return f"{override.key} is not allowed: {section} is not one of {parts}."
    if section in names:
        return (
            f"{override.text} is not allowed: {override.key} has keys of its own, such as "
            f"{override.key}.p."
        )
    meant = override.rename(f"{REGULARISER}.{names[0]}.{section}").text
    return f"{override.key} does not say which of {parts} it is for; write {meant}."


def _merge_changes(
    merged: dict[Any, Any], base: Mapping[Any, Any], part: Mapping[Any, Any]
) -> None:
    """Put into ``merged`` what ``part`` has that ``base`` does not have, or has differently."""
    for key, value in part.items():
        before = base.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            _merge_changes(merged[key], before, value)
        elif key not in base or value != before:
            merged[key] = value
