"""Several regularisers in one configuration: ``regulariser=dropout2d+stochastic_depth``.

Hydra chooses one file of a group. So the configuration is composed once for each regulariser of a
combination, with the overrides that concern it, and the results are merged: ``regulariser`` gets a
section for each regulariser under its name, and other sections get what any of them changes (such
as model.shortcut).
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dropexp.config.groups import REGULARISER, sort_regularisers, split_combination
from dropexp.config.overrides import Override, parse_override
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import ConfigError

Compose = Callable[[Sequence[Override]], DictConfig]


def find_combination(overrides: Sequence[Override]) -> list[str]:
    """Return the regularisers of the chosen combination; empty without one.

    Args:
        overrides: of one value each; the last choice of a regulariser counts.

    Raises:
        ConfigError: see split_combination.
    """
    choices = [override.value for override in overrides if override.key == REGULARISER]
    names = split_combination(choices[-1]) if choices else []
    return names if len(names) > 1 else []


def compose_combination(
    names: Sequence[str], overrides: Sequence[Override], compose: Compose
) -> DictConfig:
    """Return the configuration of a run with several regularisers, unresolved and unchecked.

    Args:
        names: of the regularisers, as find_combination returns them.
        overrides: of one value each; ``regulariser.NAME.KEY`` is an option of one regulariser.
        compose: composes the configuration of a run with a single regulariser.

    Raises:
        ConfigError: an override regulariser.KEY names none of the regularisers, or Hydra refuses
            one of the overrides.
    """
    shared, own = _divide_overrides(overrides, names)
    base = _to_dict(compose([*shared, _choose("none")]))
    merged = deepcopy(base)
    sections: dict[str, Any] = {}
    for name in names:
        part = _to_dict(_compose_part(name, shared, own[name], compose))
        section = part.pop(REGULARISER)
        kind = section.get("name", name)
        if kind in sections:
            raise ConfigError(
                f"{REGULARISER}={COMBINATION_SEPARATOR.join(names)} is not allowed: it has {kind} "
                f"twice, as {name} is {kind} with other options."
            )
        sections[kind] = section
        _merge_changes(merged, base, part)
    # A choice that a folder or a package adds is one of the regularisers with other options.
    kinds = sort_regularisers(sections)
    merged[REGULARISER] = {"name": COMBINATION_SEPARATOR.join(kinds), **sections}
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
        # Here the regulariser was the only one; the keys that the user typed contain its name.
        message = str(error).replace(f"{REGULARISER}.", f"{REGULARISER}.{name}.")
        raise ConfigError(message) from None


def _divide_overrides(
    overrides: Sequence[Override], names: Sequence[str]
) -> tuple[list[Override], dict[str, list[Override]]]:
    """Return the shared overrides, and those of each regulariser as ``regulariser.KEY``."""
    shared: list[Override] = []
    own: dict[str, list[Override]] = {name: [] for name in names}
    for override in overrides:
        match override.path:
            case (group,) if group == REGULARISER:
                continue
            case (group, name, *option) if group == REGULARISER and name in names and option:
                own[name].append(override.rename(".".join([REGULARISER, *option]), override.sign))
            case (group, *_) if group == REGULARISER:
                raise ConfigError(_explain_unclear_option(override, names))
            case _:
                shared.append(override)
    return shared, own


def _explain_unclear_option(override: Override, names: Sequence[str]) -> str:
    """Explain why an override sets an option of none of the regularisers."""
    _, section, *option = override.path
    known = " and ".join(names)
    if option:
        return f"{override.key} is not allowed: {section} is not one of {known}."
    if section in names:
        return (
            f"{override.text} is not allowed: {override.key} has keys of its own, such as "
            f"{override.key}.p."
        )
    corrected = override.rename(f"{REGULARISER}.{names[0]}.{section}").text
    return f"{override.key} does not say which of {known} it is for; write {corrected}."


def _merge_changes(
    merged: dict[Any, Any], base: Mapping[Any, Any], part: Mapping[Any, Any]
) -> None:
    """Set in ``merged`` every value in which ``part`` differs from ``base``."""
    for key, value in part.items():
        before = base.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            _merge_changes(merged[key], before, value)
        elif key not in base or value != before:
            merged[key] = value
