"""From the words on the command line to a checked RunConfig, by way of Hydra.

Hydra and OmegaConf are known here only. Their errors become sentences that name the key,
the value and what is allowed.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dropexp.conf_files import conf_dir, groups
from dropexp.config import RunConfig
from dropexp.errors import ConfigError, suggest


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """Compose conf/ with Hydra overrides and check the result.

    Raises:
        ConfigError: an override is malformed, or names a key, choice or value that is not there.
    """
    return RunConfig.from_mapping(_resolved(_composed(overrides)))


def to_yaml(config: RunConfig) -> str:
    """The full config as the YAML of config.yaml."""
    return yaml.safe_dump(config.to_mapping(), sort_keys=False, allow_unicode=True)


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
    """Hydra's own messages for these speak of its grammar."""
    if "=" not in override and not override.startswith("~"):
        hint = "--help lists what there is" if override.startswith("-") else "write key=value"
        raise ConfigError(f"{override!r} is not an override; {hint}.")


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
    message = str(error)
    if isinstance(error, MissingConfigException) and (choice := _unknown_choice(overrides)):
        return choice
    if several := re.search(r"Ambiguous value for argument '([^']+)'", message):
        return f"{several[1]} names several values; dropexp train makes one run of one value each."
    unknown_key = re.search(r"Could not override '([^']+)'", message)
    if isinstance(error, ConfigCompositionException) and unknown_key:
        return _unknown_key(unknown_key[1], overrides)
    return _first_line(error)


def _unknown_choice(overrides: Sequence[str]) -> str | None:
    known = groups()
    for override in overrides:
        group, _, choice = override.lstrip("+~").partition("=")
        if group in known and choice not in known[group]:
            return f"{group}={choice} is not known. {suggest(choice, known[group])}"
    return None


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    choices = [o for o in overrides if o.lstrip("+~").partition("=")[0] in groups()]
    keys = _leaf_keys(OmegaConf.to_container(_composed(choices)))
    owner, _, name = key.rpartition(".")
    elsewhere = [known for known in keys if known.rpartition(".")[2] == name]
    if elsewhere:
        return f"{key} is not a key of this configuration. Did you mean {' or '.join(elsewhere)}?"
    siblings = [known for known in keys if known.rpartition(".")[0] == owner] or keys
    return f"{key} is not a key of this configuration. {suggest(key, [*siblings, *groups()])}"


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
