"""The overrides that lead to a run, and the fields in which it is not the default run.

Imports no torch.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from shlex import quote
from typing import Any

from dropexp.config.compose import compose_run
from dropexp.config.conf_files import read_choice
from dropexp.config.groups import LOGGER, list_groups
from dropexp.config.identity import SECTIONS_WITH_OPTIONS
from dropexp.config.logger_choice import TRACKERS
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import Fields, flatten, is_off
from dropexp.errors import ConfigError, DataError, StoreError, UserError
from dropexp.runs.trust import is_known_folder, is_known_weights
from dropexp.runs.write import RunFolder

_OPTION_FILES = tuple(f"{section}.option_files" for section in SECTIONS_WITH_OPTIONS)

_DERIVED = (
    *("force", "p", "regulariser.p", "data.fingerprint"),
    *("model.weights_fingerprint", "model.options_fingerprint", "regulariser.fingerprint"),
    *_OPTION_FILES,
)
"""Fields that a command does not name: they follow from others, or would train again."""

_NOT_TYPED = (
    *("model.fingerprint", "model.options_fingerprint", "regulariser.fingerprint"),
    "results_version",
)
"""Fields of settings that dropexp computes."""

_NEEDED = (
    *("model.target", "data.target", "regulariser.target", "regulariser.custom.target"),
    "model.weights",
)
"""Fields that have no default, or that others depend on."""

_WITH_FINGERPRINT = ("image_folder", "arrays")
"""Data that is read where its root says, and has a fingerprint."""

_OF_OPTIONS = re.compile(rf"({'|'.join(SECTIONS_WITH_OPTIONS)})\.options\.")

_NEEDS_NO_QUOTES = re.compile(
    r"(?!(null|true|false|inf|nan)$)[A-Za-z_/.~][\w/.~:-]*", re.IGNORECASE
)


@dataclass(frozen=True)
class ChangedField:
    """A field of a config whose value is not the default.

    Attributes:
        key: dotted, such as ``data.train_size``.
        value: of this config.
        default: of ``dropexp train`` without overrides; None where it has no such field.
    """

    key: str
    value: Any
    default: Any


def find_changed_fields(config: Mapping[str, Any]) -> list[ChangedField]:
    """Return the fields that are not as in ``dropexp train`` without overrides.

    The default of a regulariser's option is that of the regulariser.

    Args:
        config: flat, as ``ListedRun.config``.
    """
    defaults = _compose_defaults()
    name = str(config.get("regulariser.name"))
    if name == "custom":  # composing it needs its class
        values = read_choice("regulariser", name)
        defaults = {**{f"regulariser.{key}": each for key, each in values.items()}, **defaults}
    elif set(name.split("+")) <= {*list_groups()["regulariser"]} - {"custom"}:
        own = flatten(compose_run([f"regulariser={name}"]).to_mapping())
        options = {key: value for key, value in own.items() if key.startswith("regulariser.")}
        defaults = {**options, **defaults}
    return [
        ChangedField(key, value, defaults.get(key))
        for key, value in config.items()
        if defaults.get(key) != value
        and not is_off(key, value)
        and not (key == "regulariser.p" and value == config.get("p"))
        and not (key == "data.seed" and value == config.get("seed"))
    ]


def find_training_command(folder: RunFolder) -> str | None:
    """Return the ``dropexp train`` command that trains the run of this folder.

    None where no command is known to train this very run: its config is damaged, of another
    version, or names images that are not on this machine.
    """
    try:
        config = RunConfig.from_mapping(folder.read_config())
        overrides = find_overrides(config)
        composed = _compose_recorded(overrides, flatten(config.to_mapping()))
        if composed.config_hash != config.config_hash:
            return None
    except (UserError, StoreError):
        return None
    return " ".join(["dropexp train", *map(quote, overrides)])


def find_overrides(config: RunConfig) -> list[str]:
    """Return the overrides that make this config: choices of groups first, then other fields.

    Raises:
        UserError: they cannot be composed, as where the config's images are not on this machine.
    """
    return _find_overrides(flatten(config.to_mapping()))


def find_setting_overrides(fields: Fields) -> list[str]:
    """Return the overrides that make a setting, whatever the seed: choices of groups first.

    Args:
        fields: those of the setting, flat; data.seed only where it does not follow the seed.

    Raises:
        UserError: they cannot be composed on this machine, or pictures or weights are used, whose
            place is no field of a setting.
    """
    if fields["data.name"] in _WITH_FINGERPRINT:
        raise DataError("data.root is not a field of a setting.")
    if fields.get("model.weights_fingerprint"):
        raise ConfigError("model.weights is not a field of a setting.")
    if any(isinstance(fields[key], str) and _OF_OPTIONS.match(key) for key in fields):
        raise ConfigError("the folder of a file that options name is not a field of a setting.")
    wanted = {key: value for key, value in fields.items() if key not in _NOT_TYPED}
    overrides = _find_overrides({"seed": 0, "p": fields["regulariser.p"], **wanted})
    fixed = f"data.seed={fields.get('data.seed')}"
    return [*overrides, fixed] if "data.seed" in fields and fixed not in overrides else overrides


def _find_overrides(wanted: Mapping[str, Any]) -> list[str]:
    overrides = [*_find_group_choices(wanted), *_list_interpolated_fields(wanted)]
    composed = flatten(_compose_recorded(overrides, wanted).to_mapping())
    return overrides + [
        _make_override(key, value, is_new=key not in composed)
        for key, value in wanted.items()
        if (key not in composed or composed[key] != value) and key not in _DERIVED
    ]


def _compose_recorded(overrides: Iterable[str], wanted: Mapping[str, Any]) -> RunConfig:
    """Compose a recorded config without reading what it names and the user has not used.

    A run folder may come from anywhere, and name any folder of pictures and any file of weights.
    """
    unread = []
    is_read = wanted["data.name"] in _WITH_FINGERPRINT
    if is_read and not is_known_folder(wanted["data.root"]):
        unread.append("data.fingerprint")
    weights = wanted.get("model.weights")
    if weights is not None and not is_known_weights(weights):
        unread.append("model.weights_fingerprint")
    if wanted.get("model.options_fingerprint") is not None:
        unread.append("model.options_fingerprint")
    unread += [
        f"{section}.fingerprint"
        for section in ("data", "regulariser", "regulariser.custom")
        if wanted.get(f"{section}.fingerprint") is not None and _has_options(wanted, section)
    ]
    recorded = [f"++{key}={_quote_for_hydra(str(wanted.get(key)))}" for key in unread]
    recorded += [
        f"++{key}={_quote_for_hydra(wanted[key])}" for key in _OPTION_FILES if wanted.get(key)
    ]
    return compose_run([*overrides, *recorded])


def _has_options(wanted: Mapping[str, Any], section: str) -> bool:
    return any(key.startswith(f"{section}.options.") for key in wanted)


@cache
def _compose_defaults() -> dict[str, Any]:
    return flatten(compose_run([]).to_mapping())


def _find_group_choices(wanted: Mapping[str, Any]) -> list[str]:
    defaults = _compose_defaults()
    overrides = []
    for group, names in list_groups().items():
        key = f"{group.replace('/', '.')}.name"
        if wanted.get(key) in names and wanted[key] != defaults.get(key):
            overrides.append(f"{group}={wanted[key]}")
    if "train.early_stopping.patience" in wanted:
        overrides.append("train/early_stopping=patience")
    loggers = [
        name for name in TRACKERS if any(key.startswith(f"{LOGGER}.{name}.") for key in wanted)
    ]
    if loggers:
        chosen = loggers[0] if len(loggers) == 1 else f"[{','.join(loggers)}]"
        overrides.append(f"{LOGGER}={chosen}")
    return overrides


def _list_interpolated_fields(wanted: Mapping[str, Any]) -> Iterable[str]:
    """Yield the fields that others are computed from, and those without a default."""
    if wanted["regulariser.name"] != "none":
        yield f"p={wanted['p']!r}"
    if wanted["seed"] != 0:
        yield f"seed={wanted['seed']}"
    if wanted["data.name"] in _WITH_FINGERPRINT:
        yield _make_override("data.root", wanted["data.root"], is_new=False)
    for key in _NEEDED:
        if wanted.get(key) is not None:
            yield _make_override(key, wanted[key], is_new=False)


def _make_override(key: str, value: Any, *, is_new: bool) -> str:
    return f"{'+' if is_new else ''}{key}={_quote_for_hydra(value)}"


def _quote_for_hydra(value: Any) -> str:
    """Return a value in Hydra's grammar, with every digit."""
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return value if _NEEDS_NO_QUOTES.fullmatch(value) else f"'{escaped}'"
