"""From the words of a sweep to the configs of its runs, in Hydra's multirun grammar."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from dropexp.config.classics import CLASSICS
from dropexp.config.compose import compose_dict, freeze, parse_override, split_study, values_of
from dropexp.config.fingerprints import fingerprint_pictures
from dropexp.config.groups import list_groups, list_studies
from dropexp.config.identity import IDENTITY_KEYS
from dropexp.config.run_config import RunConfig
from dropexp.config.time_schedules import SWITCHING_SCHEDULES
from dropexp.errors import ConfigError

_LAUNCHER = "hydra/launcher"
_LAUNCHER_KEY = "hydra.launcher."
_SCHEDULE, _SWITCH = "regulariser.time_schedule", "regulariser.switch_after"


@dataclass(frozen=True)
class SweepRequest:
    """What a sweep was asked for.

    ``configs`` are all different runs, seed by seed, so that the runs of the first seeds are a
    complete comparison while the others wait.
    """

    configs: tuple[RunConfig, ...]
    repeated: int  # combinations of values that make a run which another one makes too
    words: tuple[str, ...]  # that say what the runs are, those of a ready study included
    study: str | None
    launcher: tuple[str, ...]  # the words that choose and set the engine


def compose_sweep(words: Sequence[str]) -> SweepRequest:
    """Compose one config for every combination of values.

    Args:
        words: Hydra's overrides, of one value or several (``p=0.1,0.3``, ``seed=range(6)``);
            ``study=NAME`` stands for the words of conf/study/NAME.yaml, which others override.

    Raises:
        ConfigError: a word is malformed, or names a key, choice or value that is not there.
        DataError: an image folder is not there.
    """
    words, study = split_study(words)
    engine = [word for word in words if word.startswith((_LAUNCHER + "=", _LAUNCHER_KEY))]
    of_run = [word for word in words if word not in engine]
    named = _by_key([*_words_of(study), *of_run])
    _refuse_to_vary_what_is_not_the_run(named)
    asked = list(_configs(named, study))
    found = {config.run_id: config for config in asked}
    return SweepRequest(
        configs=tuple(sorted(found.values(), key=lambda config: config.seed)),
        repeated=len(asked) - len(found),
        words=tuple(word for key, word in named.items() if _is_of_the_run(key)),
        study=study,
        launcher=tuple(engine),
    )


def with_seeds(words: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """The words of a sweep for other seeds."""
    others = [word for word in words if word.partition("=")[0] != "seed"]
    return [*others, "seed=" + ",".join(str(seed) for seed in seeds)]


def _refuse_to_vary_what_is_not_the_run(named: Mapping[str, str]) -> None:
    for key, word in named.items():
        if not _is_of_the_run(key) and len(values_of(parse_override(word))) > 1:
            raise ConfigError(
                f"{word} names several values of what does not make another run; give one. "
                f"A sweep varies {', '.join(IDENTITY_KEYS)} and p."
            )


def _is_of_the_run(key: str) -> bool:
    """Whether a key says what a run is, and not where or how."""
    name = key.lstrip("+")
    return name in list_groups() or name.partition(".")[0] in (*IDENTITY_KEYS, "p")


def _words_of(study: str | None) -> list[str]:
    """The words of a ready study; none where the name is only a label."""
    if study not in list_studies():
        return []
    config = compose_dict([f"+study={study}"], with_hydra=True)
    return [f"{key}={value}" for key, value in config.hydra.sweeper.params.items()]


def _by_key(words: Sequence[str]) -> dict[str, str]:
    """The last word of each key, where the key first stood."""
    return {parse_override(word).get_key_element(): word for word in words}


def _configs(named: Mapping[str, str], study: str | None) -> Iterator[RunConfig]:
    """All combinations; Hydra composes once for each combination of choices, which is slow."""
    values = {key: values_of(parse_override(word)) for key, word in named.items()}
    choices = [key for key in values if key.lstrip("+") in list_groups()]
    fingerprint = cache(fingerprint_pictures)  # the same few folders, again and again
    for chosen in product(*([f"{key}={v}" for v in values[key]] for key in choices)):
        others = {key: found for key, found in values.items() if key not in choices}
        for key in _of_other_regularisers(others, values.get("regulariser", []), chosen):
            others[key] = []
        for key in _of_other_classics(others, values.get("classic", []), chosen):
            others[key] = []
        yield from _with_values(chosen, others, study, fingerprint)


def _of_other_regularisers(
    keys: Collection[str], regularisers: Sequence[str], chosen: Sequence[str]
) -> list[str]:
    """Keys such as regulariser.mask that the chosen regulariser lacks and another one has.

    Of a combination, a key that one of its parts has is not left out: it has to say whose it is.
    """
    options = [key for key in keys if key.startswith("regulariser.")]
    if len(regularisers) < 2 or not options:
        return []
    others = [word for word in chosen if not word.startswith("regulariser=")]
    here = compose_dict(chosen)
    elsewhere = [compose_dict([*others, f"regulariser={name}"]) for name in regularisers]
    return [
        key
        for key in options
        if not _has(here, key)
        and not _has_in_a_part(here, key)
        and any(_has(config, key) for config in elsewhere)
    ]


def _of_other_classics(
    keys: Collection[str], names: Sequence[str], chosen: Sequence[str]
) -> list[str]:
    """Keys such as optimiser.weight_decay that belong to a swept classic which is not chosen."""
    if len(names) < 2:
        return []
    others = [name for name in names if name in CLASSICS and f"classic={name}" not in chosen]
    return [key for key in keys if any(CLASSICS[name].owns(key) for name in others)]


def _has_in_a_part(config: DictConfig, key: str) -> bool:
    parts = [name for name, each in config.regulariser.items() if isinstance(each, DictConfig)]
    option = key.removeprefix("regulariser.")
    return any(_has(config, f"regulariser.{part}.{option}") for part in parts)


def _has(config: DictConfig, key: str) -> bool:
    section, _, name = key.rpartition(".")
    node = OmegaConf.select(config, section)
    return isinstance(node, DictConfig) and name in node


def _with_values(
    chosen: Sequence[str],
    values: Mapping[str, Sequence[str]],
    study: str | None,
    fingerprint: Callable[[Path], str],
) -> Iterator[RunConfig]:
    """All combinations of values that are not choices; an empty list is a key left out."""
    plain = [key for key, found in values.items() if len(found) > 1 and _is_plain(key, found)]
    composing = [[f"{key}={v}" for v in values[key]] for key in values if key not in plain]
    first = [f"{key}={values[key][0]}" for key in plain]
    meant = {key: [parse_override(f"{key}={v}").value() for v in values[key]] for key in plain}
    varies_schedule = len(values.get(_SCHEDULE, ())) > 1
    for words in product(*(found for found in composing if found)):
        # Made with the first values, so that keys which are not there are refused by Hydra.
        template = compose_dict([*chosen, *words, *first])
        for combination in product(*meant.values()):
            for key, value in zip(plain, combination, strict=True):
                OmegaConf.update(template, key, value)
            config = _without_idle_switch(template) if varies_schedule else template
            yield freeze(config, study, fingerprint)


def _without_idle_switch(config: DictConfig) -> DictConfig:
    """Without the epoch of a switch where the schedule has none, as others of the sweep have."""
    if OmegaConf.select(config, _SCHEDULE) in SWITCHING_SCHEDULES:
        return config
    without = config.copy()
    OmegaConf.update(without, _SWITCH, None)
    return without


def _is_plain(key: str, values: Sequence[str]) -> bool:
    """Whether a key's values only replace one another in what Hydra composes."""
    if key.startswith("+"):
        return False
    return not any(isinstance(parse_override(f"{key}={value}").value(), dict) for value in values)
