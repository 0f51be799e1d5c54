"""From overrides to a checked RunConfig, by way of Hydra.

Errors of Hydra and OmegaConf become sentences that name the key, the value and what is allowed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dropexp.config.added_files import (
    add_recorded_files,
    explain_new_group,
    search_added_files,
)
from dropexp.config.combinations import compose_combination, find_combination
from dropexp.config.composed_choices import compose_from_choices
from dropexp.config.groups import LOGGER, find_conf_dir, list_groups
from dropexp.config.hydra_session import use_hydra
from dropexp.config.logger_choice import explain_absent_logger
from dropexp.config.named_files import NamedFiles, fill_fingerprints
from dropexp.config.override_hints import hint_at_owners
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.paths import parse_path
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import flatten
from dropexp.config.study_files import StudyFile, is_study_path
from dropexp.errors import ConfigError, propose, suggest, suggest_close


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """Return the checked config of one run from overrides as typed; see compose_parsed."""
    return compose_parsed(parse_overrides(overrides))


Check = Callable[[RunConfig], None]
"""Refuses a config before any file that it names is looked for."""


def compose_parsed(overrides: Sequence[Override], check: Check = lambda _: None) -> RunConfig:
    """Return the checked config of one run from parsed overrides.

    Args:
        overrides: as typed.
        check: called before any file that the config names is looked for.

    Raises:
        ConfigError: an override has several values, an unknown key or a value that is not
            allowed, or it concerns the launcher of a sweep.
        DataError: the image folder of data.root does not exist.
    """
    overrides, study = split_study(overrides)
    if study is not None and is_study_path(study):
        raise ConfigError(
            f"study={study} is a file with the runs of a sweep; train them with dropexp sweep "
            f"study={study}, or give this run a name without .yaml."
        )
    for override in overrides:
        if override.is_about_the_launcher:
            raise ConfigError(
                f"{override.text} is not allowed: it sets how dropexp sweep launches its runs, and "
                f"this command makes one run; leave it out."
            )
        if override.is_sweep:
            raise ConfigError(
                f"{override.text} has several values; give one, or train a run for each with "
                f"dropexp sweep."
            )
    return freeze(compose_dict(overrides), study, check=check)


def split_study(overrides: Sequence[Override]) -> tuple[list[Override], str | None]:
    """Return the overrides without ``study=NAME``, and the name (None without one).

    Raises:
        ConfigError: an override names several studies.
    """
    others = [override for override in overrides if override.key != "study"]
    name = None
    for override in overrides:
        if override.key != "study":
            continue
        if override.is_sweep:
            raise ConfigError(f"{override.text} names several studies; give one name.")
        name = override.value
    return others, None if name is None else str(name)


def parse_study_params(file: StudyFile) -> list[Override]:
    """Return the overrides of the sweep of a study file.

    Raises:
        ConfigError: one is not an override, or says where or how runs are trained; or a config file
            in it is not allowed.
    """
    add_recorded_files(file.files, file.path)
    try:
        overrides = parse_overrides([f"{key}={value}" for key, value in file.params.items()])
    except ConfigError as error:
        raise ConfigError(f"{file.path}: {error}") from None
    for override in overrides:
        if not override.is_recorded:
            raise ConfigError(
                f"{file.path}: {override.key} does not say what a run computes; leave it out, and "
                f"give it to dropexp sweep: {override.text}."
            )
    return overrides


def list_choices(overrides: Sequence[Override]) -> list[tuple[str, Any]]:
    """Return (group, choice) for every choice of a group."""
    chosen = [override for override in overrides if override.is_group_choice]
    return [(override.key, choice) for override in chosen for choice in override.values]


def find_runs_dir(overrides: Sequence[Override]) -> Path:
    """Return the folder of run folders that overrides name, or the default one."""
    # Several values are refused later, with what is allowed.
    named = [override.values[-1] for override in overrides if override.key == "runs_dir"]
    runs_dir = str(named[-1]) if named else "runs"
    return parse_path(runs_dir, f"runs_dir={runs_dir}")


def find_default_root(data: str) -> str:
    """Return the folder that a published data set is read from where none is given."""
    file = find_conf_dir() / "data" / f"{data}.yaml"
    return str(OmegaConf.select(OmegaConf.load(file), "root"))


def freeze(
    composed: DictConfig | Mapping[str, Any],
    study: str | None,
    files: NamedFiles | None = None,
    check: Callable[[RunConfig], None] = lambda _: None,
) -> RunConfig:
    """Return the checked RunConfig of a composed config, with the fingerprints of files.

    Args:
        composed: the result of compose_dict, or a plain mapping in which all is resolved.
        study: the name to find the run by, or None.
        files: computes the fingerprints; None: they are computed for this config only.
        check: called before any file that the config names is looked for.

    Raises:
        ConfigError: a value is missing or not allowed, a custom model has no source file, or there
            are no such weights.
        DataError: the image folder of data.root does not exist.
    """
    plain: Mapping[str, Any] = composed
    if isinstance(composed, DictConfig):
        plain = _resolve(composed)
    for key in plain:
        if hint := explain_new_group(key):
            raise ConfigError(f"{key} is not a key of a run. {hint}")
    config = RunConfig.from_mapping({**plain, "study": study})
    check(config)
    return fill_fingerprints(config, files)


def to_yaml(config: RunConfig) -> str:
    """Return the full config as the YAML text of config.yaml."""
    return yaml.safe_dump(config.to_mapping(), sort_keys=False, allow_unicode=True)


def compose_dict(overrides: Sequence[Override], *, with_hydra: bool = False) -> DictConfig:
    """Return conf/ composed with overrides of one value each, unresolved and unchecked.

    Args:
        overrides: of one value each, without ``study=NAME``.
        with_hydra: whether to keep the ``hydra`` node, the settings of sweeps and launchers.

    Raises:
        ConfigError: Hydra knows no such key, or the key cannot have this value.
    """
    combination = find_combination(overrides)
    if combination:
        return compose_combination(combination, overrides, compose_dict)
    try:
        if not with_hydra and (config := compose_from_choices(overrides)) is not None:
            return config
        texts = [override.hydra_text for override in overrides]
        with use_hydra(), search_added_files() as search_path:
            texts += search_path
            return compose("config", overrides=texts, return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain_hydra_error(error, overrides)) from None


def _describe_key(config: DictConfig, key: str) -> str:
    """Return what a key of a section means, in brackets; empty where that is not known."""
    # The reference knows every section; only an error needs it.
    from dropexp.config.reference import find_section_class

    group, _, name = key.rpartition(".")
    section = find_section_class(group, str(OmegaConf.select(config, f"{group}.name")))
    field = section.model_fields.get(name) if section else None
    if field is None or not field.description:
        return ""
    return f" ({field.description[0].lower()}{field.description[1:].rstrip('.')})"


def _resolve(config: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or "a key"
        what = _describe_key(config, key)
        raise ConfigError(f"{key} has no default and must be given: {key}=…{what}") from None
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if getattr(error, "full_key", None) else ""
        raise ConfigError(f"{key}{_first_line(error)}") from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _explain_hydra_error(error: Exception, overrides: Sequence[Override]) -> str:
    unknown_key = re.search(r"Could not override '([^']+)'", str(error))
    if isinstance(error, ConfigCompositionException) and unknown_key:
        return _explain_unknown_key(unknown_key[1], overrides)
    if known_key := re.search(r"An item is already at '([^']+)'", str(error)):
        return _explain_known_key(known_key[1], overrides)
    return _first_line(error)


def _find_typed(key: str, overrides: Sequence[Override], sign: str = "") -> str:
    """Return the override of a key as typed."""
    return next((o.text for o in overrides if o.sign == sign and o.key == key), f"{sign}{key}=…")


def _explain_known_key(key: str, overrides: Sequence[Override]) -> str:
    typed = _find_typed(key, overrides, "+")
    return (
        f"{typed} is not allowed: the + of Hydra adds a key, and {key} is there already; write "
        f"{typed.removeprefix('+')}."
    )


def _explain_unknown_key(key: str, overrides: Sequence[Override]) -> str:
    choices = [override for override in overrides if override.is_group_choice]
    config = compose_dict(choices)
    keys = list(flatten(cast(dict[str, Any], OmegaConf.to_container(config))))
    owner, _, name = key.rpartition(".")
    elsewhere = [known for known in keys if known.rpartition(".")[2] == name]
    siblings = [known for known in keys if owner and known.rpartition(".")[0] == owner]
    if OmegaConf.select(config, owner) == {}:
        hint = f"{owner} takes any key; write +{key}=…"
    elif new_group := explain_new_group(key.partition(".")[0]):
        hint = new_group
    elif not siblings and (absent := explain_absent_logger(key, list_groups()[LOGGER])):
        hint = absent
    elif owned := hint_at_owners(key, _find_typed(key, overrides)):
        hint = owned
    elif elsewhere:
        hint = propose(elsewhere)
    elif {key.replace(".", "/"), owner.replace(".", "/")} & list_groups().keys():
        hint = suggest(key, siblings)
    else:
        hint = suggest_close(key, [*keys, *list_groups()])
        hint = hint or "dropexp train --cfg shows all keys."
    return f"{key} is not a key of this configuration. {hint}"


def _first_line(error: Exception) -> str:
    cause = error.__cause__ if error.__cause__ is not None else error
    return str(cause).strip().splitlines()[0]
