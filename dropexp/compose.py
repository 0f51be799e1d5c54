"""From the words on the command line to a checked RunConfig, by way of Hydra.

Hydra and OmegaConf are known here only. Their errors become sentences that name the key,
the value and what is allowed.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dropexp import data
from dropexp.conf_files import conf_dir, groups
from dropexp.config import RunConfig
from dropexp.errors import ConfigError, suggest


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """Compose conf/ with Hydra overrides and check the result.

    Raises:
        ConfigError: an override is malformed, or names a key, choice or value that is not there.
        DataError: an image folder is not there.
    """
    return _with_fingerprint(RunConfig.from_mapping(_resolved(_composed(overrides))))


def to_yaml(config: RunConfig) -> str:
    """The full config as the YAML of config.yaml."""
    return yaml.safe_dump(config.to_mapping(), sort_keys=False, allow_unicode=True)


def _with_fingerprint(config: RunConfig) -> RunConfig:
    """An image folder's content is part of the run's identity."""
    if config.data.name != "image_folder" or config.data.fingerprint is not None:
        return config
    content = data.fingerprint(Path(config.data.root).expanduser())
    section = config.data.model_copy(update={"fingerprint": content})
    return config.model_copy(update={"data": section})


def _composed(overrides: Sequence[str]) -> DictConfig:
    for override in overrides:
        _refuse_malformed(override)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        try:
            return compose("config", overrides=list(overrides))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(_in_a_sentence(error, overrides)) from None


def _refuse_malformed(override: str) -> None:
    """Answer what Hydra would answer in terms of its grammar, or accept without effect."""
    key, separator, value = override.partition("=")
    if not separator or override.startswith(("-", "~")):
        hint = "--help lists what there is" if override.startswith("-") else "write key=value"
        raise ConfigError(f"{override!r} is not an override; {hint}.")
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        quoted = value.replace("'", "\\'")
        raise ConfigError(
            f"{override} cannot be read; quote the value: \"{key}='{quoted}'\"."
        ) from None
    if parsed.is_sweep_override():
        raise ConfigError(
            f"{override} names several values; dropexp train makes one run of one value each."
        )
    plain_key = key.lstrip("+")
    if plain_key.partition(".")[0].partition("/")[0] == "hydra":
        raise ConfigError(f"{key} is Hydra's own; dropexp decides where and how runs are made.")
    owner, _, name = plain_key.rpartition(".")
    group = owner.replace(".", "/")
    if name == "name" and group in groups():
        raise ConfigError(f"{override} does not choose a configuration; write {group}={value}.")
    if plain_key not in groups() or override == "train/early_stopping=null":
        return
    if value not in groups()[plain_key]:
        raise ConfigError(f"{override} is not known. {suggest(value, groups()[plain_key])}")
    if key != plain_key:
        raise ConfigError(f"{override} adds what is there already; write {plain_key}={value}.")


def _resolved(config: DictConfig) -> dict[str, Any]:
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or "a key"
        raise ConfigError(f"{key} has no default and must be given: {key}=…") from None
    except OmegaConfBaseException as error:
        raise ConfigError(_first_line(error)) from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _in_a_sentence(error: Exception, overrides: Sequence[str]) -> str:
    unknown_key = re.search(r"Could not override '([^']+)'", str(error))
    if isinstance(error, ConfigCompositionException) and unknown_key:
        return _unknown_key(unknown_key[1], overrides)
    return _first_line(error)


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    choices = [o for o in overrides if o.lstrip("+").partition("=")[0] in groups()]
    keys = _leaf_keys(OmegaConf.to_container(_composed(choices)))
    owner, _, name = key.rpartition(".")
    elsewhere = [known for known in keys if known.rpartition(".")[2] == name]
    siblings = [known for known in keys if owner and known.rpartition(".")[0] == owner]
    if elsewhere:
        hint = f"Did you mean {' or '.join(elsewhere)}?"
    elif f"{owner.replace('.', '/')}/{name}" in groups() or owner.replace(".", "/") in groups():
        hint = suggest(key, siblings)
    else:
        matches = get_close_matches(key, [*keys, *groups()], n=3)
        listing = "dropexp train --cfg shows all keys."
        hint = f"Did you mean {' or '.join(matches)}?" if matches else listing
    return f"{key} is not a key of this configuration. {hint}"


def _leaf_keys(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return [prefix]
    return [
        leaf
        for key, value in node.items()
        for leaf in _leaf_keys(value, f"{prefix}.{key}" if prefix else str(key))
    ]


def _first_line(error: Exception) -> str:
    cause = error.__cause__ if error.__cause__ is not None else error
    return str(cause).strip().splitlines()[0]
