"""The configuration of a run that somebody's own loop trains: the keys of a config, and its id."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import yaml

from dropexp.config.identity import (
    IDENTITY_KEYS,
    LOOP_KEY,
    NOT_IN_IDENTITY,
    OWN_LOOP,
    hash_identity,
)
from dropexp.config.parsing import DamagedError, check_plain
from dropexp.config.run_config import make_run_id
from dropexp.config.section_base import MOST_EPOCHS, SEED_LIMIT
from dropexp.config.study_files import refuse_study_name
from dropexp.errors import ConfigError

_REGULARISER = re.compile(r"[a-z][a-z0-9_+]{0,79}")
_KEY = re.compile(r"[A-Za-z_][\w-]*")
_SECTIONS = tuple(key for key in IDENTITY_KEYS if key not in ("seed", "precision"))
_FIXED = ("data.name", "model.name", "regulariser.name", "regulariser.p", "train.epochs", LOOP_KEY)


@dataclass(frozen=True)
class OwnLoopConfig:
    """What makes a run of somebody's own loop another one, and the study that asks for it.

    Attributes:
        identity: the sections of the config, as in config.yaml.
        study: the name of the study; None outside studies.
    """

    identity: Mapping[str, Any]
    study: str | None

    @classmethod
    def make(
        cls,
        *,
        data: str,
        model: str,
        seed: int,
        epochs: int,
        regulariser: str,
        p: float,
        options: Mapping[str, Any],
        study: str | None,
    ) -> Self:
        """Return the checked config; see dropexp.runs.recording.record.

        Raises:
            ConfigError: names the argument, its value and what is allowed.
        """
        for name, text in (("data", data), ("model", model)):
            if not isinstance(text, str) or not 0 < len(text) <= 200:
                raise ConfigError(f"{name}={text!r:.80} is not allowed; give a name.")
        if not isinstance(regulariser, str) or not _REGULARISER.fullmatch(regulariser):
            raise ConfigError(
                f"regulariser={regulariser!r:.80} is not allowed; write a name in lower case, with "
                f"digits and _, such as dropout2d, or none."
            )
        seed, epochs, p = _unwrap(seed), _unwrap(epochs), _unwrap(p)
        _check_whole("seed", seed, 0, SEED_LIMIT - 1)
        _check_whole("epochs", epochs, 1, MOST_EPOCHS)
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p < 1:
            raise ConfigError(f"p={p!r:.80} is not allowed; it is at least 0 and below 1.")
        if study is not None:
            refuse_study_name(study)
        identity: dict[str, Any] = {
            "seed": int(seed),
            "data": {"name": data, "seed": int(seed)},
            "model": {"name": model},
            "regulariser": {
                "name": regulariser,
                "p": float(p) if regulariser != "none" else 0.0,
            },
            "optimiser": {"name": "unknown"},
            "train": {"epochs": int(epochs), "loop": OWN_LOOP},
            "precision": "unknown",
        }
        for key, value in options.items():
            _add_option(identity, key, value)
        return cls(identity, study)

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.identity["seed"])

    @property
    def epochs(self) -> int:
        """The most epochs."""
        return int(self.identity["train"]["epochs"])

    @property
    def regulariser(self) -> str:
        """The name of the regulariser, or none."""
        return str(self.identity["regulariser"]["name"])

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.identity["regulariser"]["p"])

    @cached_property
    def config_hash(self) -> str:
        """SHA-256 of what makes the run's identity, 64 hex digits."""
        sections = {
            key: {name: each for name, each in value.items() if name not in hidden}
            if isinstance(value, dict)
            else value
            for key, value in self.identity.items()
            for hidden in [NOT_IN_IDENTITY.get(key, ())]
        }
        return hash_identity(sections)

    @property
    def run_id(self) -> str:
        """The id of the run, as that of a run that dropexp trains."""
        return make_run_id(self.regulariser, self.p, self.seed, self.config_hash)

    def to_yaml(self) -> str:
        """Return the text of config.yaml."""
        plain = {"p": self.p, **self.identity, "study": self.study}
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _unwrap(value: Any) -> Any:
    """Return a number of NumPy's or torch's as Python's own; any other value as it is."""
    try:
        return value.item()
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return value


def _check_whole(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(
            f"{name}={value!r:.80} is not allowed; it is a whole number from {least} to {most:,}."
        )


def _add_option(identity: dict[str, Any], key: Any, value: Any) -> None:
    """Add an option to its section.

    Raises:
        ConfigError: the key has no section, or is an argument; or the value is not plain.
    """
    shown = f"options has the key {key!r:.80}"
    section, _, name = str(key).partition(".")
    if name in NOT_IN_IDENTITY.get(section, ()):
        raise ConfigError(
            f"{shown}, which makes no other run, as for dropexp it says where files are. Name what "
            f"is in them, such as {section}.version."
        )
    if key in _FIXED:
        raise ConfigError(f"{shown}, which is an argument of its own.")
    value = _make_plain(key, value)
    if key == "precision":
        identity[key] = str(value)
    elif section in _SECTIONS and _KEY.fullmatch(name):
        identity[section][name] = value
    else:
        raise ConfigError(
            f"{shown}; write precision, or a name behind one of {', '.join(_SECTIONS)}, such as "
            f"optimiser.lr."
        )


def _make_plain(key: Any, value: Any) -> Any:
    """Return a value as YAML holds it; 1.0 is 1, so that both make the same run.

    Raises:
        ConfigError: it is no plain value.
    """
    value = _unwrap(value)
    try:
        check_plain(value)
    except DamagedError as error:
        raise ConfigError(
            f"options[{key!r:.80}] is not allowed: {error}. Allowed are numbers, texts, true, "
            f"false, None, and lists of them."
        ) from None
    if isinstance(value, tuple):
        value = list(value)
    if isinstance(value, list):
        return [_make_plain(key, each) for each in value]
    is_whole = isinstance(value, float) and math.isfinite(value) and value.is_integer()
    return int(value) if is_whole else value
