"""From the words on the command line to a checked RunConfig, by way of Hydra.

Hydra's and OmegaConf's errors become sentences that name the key,
the value and what is allowed.
"""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from dropexp.config.combinations import (
    GROUP,
    compose_combination,
    is_combination,
    split_combination,
)
from dropexp.config.fingerprints import fingerprint_pictures, fingerprint_source
from dropexp.config.groups import find_conf_dir, list_groups
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError, suggest

_NO_EARLY_STOPPING = "train/early_stopping=null"


def compose_run(overrides: Sequence[str]) -> RunConfig:
    """Compose conf/ with Hydra overrides and check the result.

    Raises:
        ConfigError: an override is malformed, or names a key, choice or value that is not there.
        DataError: an image folder is not there.
    """
    words, study = split_study(overrides)
    for word in words:
        if parse_override(word).is_sweep_override():
            raise ConfigError(
                f"{word} names several values; dropexp train makes one run of one value each, "
                f"dropexp sweep one run of each value."
            )
    return freeze(compose_dict(words), study)


def split_study(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The words without ``study=NAME``, and the name: a label, or a file of conf/study.

    Raises:
        ConfigError: it names several.
    """
    named = [parse_override(word) for word in words if word.startswith("study=")]
    if any(override.is_sweep_override() for override in named):
        raise ConfigError(f"{named[-1].input_line} names several studies; give one name.")
    name = named[-1].value() if named else None
    others = [word for word in words if not word.startswith("study=")]
    return others, None if name is None else str(name)


def freeze(
    composed: DictConfig,
    study: str | None,
    fingerprint: Callable[[Path], str] = fingerprint_pictures,
) -> RunConfig:
    """Resolve, check and freeze.

    Args:
        composed: what Hydra made.
        study: the name that the run is made under.
        fingerprint: of a folder of images, whose content is part of the run's identity.

    Raises:
        ConfigError, DataError: as compose_run; and there is no source of a custom model.
    """
    config = RunConfig.from_mapping({**_resolved(composed), "study": study})
    data, model = config.data, config.model
    if data.name == "image_folder" and data.fingerprint is None:
        content = fingerprint(Path(data.root).expanduser())
        data = data.model_copy(update={"fingerprint": content})
    if model.name == "custom" and model.fingerprint is None:
        code = fingerprint_source(model.target)
        model = model.model_copy(update={"fingerprint": code})
    return config.model_copy(update={"data": data, "model": model})


def to_yaml(config: RunConfig) -> str:
    """The full config as the YAML of config.yaml."""
    return yaml.safe_dump(config.to_mapping(), sort_keys=False, allow_unicode=True)


@cache
def start_hydra() -> ConfigLoader:
    """Start Hydra on conf/, once a process."""
    GlobalHydra.instance().clear()
    initialize_config_dir(str(find_conf_dir().resolve()), job_name="dropexp", version_base="1.3")
    return GlobalHydra.instance().config_loader()


def compose_dict(words: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """What Hydra makes of conf/ and overrides that have been through parse_override().

    Args:
        words: overrides of one value each.
        with_hydra: keep the ``hydra`` node, which says how to sweep and launch.

    Raises:
        ConfigError: a key is not there, or a value cannot be put where it should.
    """
    if is_combination(words):
        return compose_combination(words, compose_dict)
    start_hydra()
    # Hydra knows no such choice; the value says the same.
    off = _NO_EARLY_STOPPING.replace("/", ".")
    words = [off if word == _NO_EARLY_STOPPING else word for word in words]
    try:
        return compose("config", overrides=list(words), return_hydra_config=with_hydra)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_in_a_sentence(error, words)) from None


def parse_override(word: str) -> Override:
    """An override in Hydra's grammar, of one value or several.

    Raises:
        ConfigError: what Hydra would answer in terms of its grammar, as a sentence.
    """
    key, separator, value = word.partition("=")
    if not separator or word.startswith(("-", "~")):
        hint = "--help lists what there is" if word.startswith("-") else "write key=value"
        raise ConfigError(f"{word!r} is not an override; {hint}.")
    try:
        override = OverridesParser.create(start_hydra()).parse_overrides([word])[0]
    except HydraException:
        quoted = value.replace("'", "\\'")
        raise ConfigError(
            f"{word} cannot be read; quote the value: \"{key}='{quoted}'\"."
        ) from None
    _refuse_what_is_not_ours(key.lstrip("+"), value)
    if key.lstrip("+") in list_groups():
        _refuse_unknown_choices(key, override)
    return override


def values_of(override: Override) -> list[str]:
    """The values that an override names, each as the text of an override of its own.

    Raises:
        ConfigError: it names a continuous range.
    """
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{override.input_line} is a continuous range, which has no end of values; "
            f"name them, or write range(start, stop, step)."
        )
    values = list(override.sweep_string_iterator())
    if not values:
        raise ConfigError(f"{override.input_line} names no value.")
    return values


def _refuse_what_is_not_ours(key: str, value: str) -> None:
    if key.partition(".")[0].partition("/")[0] == "hydra":
        raise ConfigError(f"{key} is Hydra's own; dropexp decides where and how runs are made.")
    owner, _, name = key.rpartition(".")
    group = owner.replace(".", "/")
    if name == "name" and group in list_groups():
        raise ConfigError(f"{key}={value} does not choose a configuration; write {group}={value}.")


def _refuse_unknown_choices(key: str, override: Override) -> None:
    group = key.lstrip("+")
    for choice in values_of(override):
        if f"{group}={choice}" == _NO_EARLY_STOPPING:
            continue
        if group == GROUP and len(split_combination(choice)) > 1:
            continue
        if choice not in list_groups()[group]:
            known = list_groups()[group]
            raise ConfigError(f"{group}={choice} is not known. {suggest(choice, known)}")
    if key != group:
        line = override.input_line
        raise ConfigError(f"{line} adds what is there already; write {str(line).lstrip('+')}.")


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
    choices = [o for o in overrides if o.lstrip("+").partition("=")[0] in list_groups()]
    keys = _leaf_keys(OmegaConf.to_container(compose_dict(choices)))
    owner, _, name = key.rpartition(".")
    elsewhere = [known for known in keys if known.rpartition(".")[2] == name]
    siblings = [known for known in keys if owner and known.rpartition(".")[0] == owner]
    if OmegaConf.select(compose_dict(choices), owner) == {}:
        hint = f"What is in {owner} is yours to name; write +{key}=…"
    elif elsewhere:
        hint = f"Did you mean {' or '.join(elsewhere)}?"
    elif (
        f"{owner.replace('.', '/')}/{name}" in list_groups()
        or owner.replace(".", "/") in list_groups()
    ):
        hint = suggest(key, siblings)
    else:
        matches = get_close_matches(key, [*keys, *list_groups()], n=3)
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
