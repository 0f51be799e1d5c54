"""Compose the configs of a sweep from its overrides, in Hydra's multirun grammar."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dropexp.config.added_files import find_origins, find_used_files
from dropexp.config.classics import CLASSICS
from dropexp.config.compose import (
    Check,
    compose_dict,
    find_runs_dir,
    freeze,
    list_choices,
    parse_study_params,
    split_study,
)
from dropexp.config.groups import REGULARISER, find_conf_dir
from dropexp.config.identity import IDENTITY_KEYS
from dropexp.config.named_files import NamedFiles
from dropexp.config.overrides import Override, parse_override, parse_overrides
from dropexp.config.planned_runs import (
    PlannedConfigs,
    PlannedRun,
    PlannedSetting,
    plan_configs,
    read_seed,
)
from dropexp.config.run_config import RunConfig
from dropexp.config.study_files import StudyFile, find_study_file
from dropexp.config.template import ConfigTemplate
from dropexp.config.time_schedules import SWITCHING_SCHEDULES
from dropexp.errors import ConfigError
from dropexp.runs.study_question import NO_QUESTION, StudyQuestion, parse_question
from dropexp.runs.trust import (
    refuse_computed_files,
    refuse_computed_values,
    refuse_untrusted,
)
from dropexp.sweep.launchers import check_launcher

MOST_COMBINATIONS = 100_000
"""Combinations of values of one sweep. They are counted before any is composed."""

_SCHEDULE, _SWITCH = "regulariser.time_schedule", "regulariser.switch_after"


@dataclass(frozen=True, eq=False)
class SweepRequest:
    """The sweep that the user asks for; requests are told apart by identity, which is cheap.

    ``configs`` are all different runs, seed by seed, so that the runs of the first seeds are a
    complete comparison while the others wait.
    """

    configs: Sequence[RunConfig]
    duplicates: int  # combinations of values that make the same run as another one
    run_overrides: tuple[str, ...]  # that say what the runs are, with those of a ready study
    study: str | None
    launcher: tuple[Override, ...]  # overrides that choose and set the launcher
    question: StudyQuestion = NO_QUESTION  # that the study's file states
    study_file: StudyFile | None = None
    files: Mapping[str, str] = field(default_factory=dict)  # added config files that it needs

    @cached_property
    def planned(self) -> PlannedConfigs:
        """The configs, with what can be said of their runs without making them."""
        return plan_configs(self.configs)


def compose_sweep(overrides: Sequence[str], *, trust: bool = False) -> SweepRequest:
    """Parse the overrides of a sweep and compose its configs; see compose_parsed_sweep."""
    return compose_parsed_sweep(parse_overrides(overrides), trust=trust)


def compose_parsed_sweep(
    overrides: Sequence[Override], *, recorded_in: Path | None = None, trust: bool = False
) -> SweepRequest:
    """Compose one config for every combination of values.

    Args:
        overrides: of one value or several (``p=0.1,0.3``, ``seed=range(8)``); ``study=NAME``
            stands for the overrides of a registered or a ready study, and ``study=FILE.yaml`` for
            those of a file; others replace those.
        recorded_in: the file that the overrides are from; None if the user has typed them.
        trust: whether what a file names may be imported, called and read.

    Raises:
        ConfigError: an override names a key or value that is not allowed, or several values of
            what does not make another run.
        DataError: an image folder is not there.
        UntrustedError: a file names code or a folder that the user has not used.
    """
    overrides, study = split_study(overrides)
    file = find_study_file(study, find_runs_dir(overrides))
    params = parse_study_params(file) if file else []
    question = parse_question(file.question, str(file.path)) if file else NO_QUESTION
    study = file.name if file else study
    launcher = [override for override in overrides if override.is_about_the_launcher]
    others = [override for override in overrides if not override.is_about_the_launcher]
    effective = _keep_last_of_each_key([*params, *others])
    _refuse_values_that_make_no_other_run(effective)
    _refuse_too_many_combinations(effective)
    check_launcher(launcher)
    recorded, typed = (params, others) if recorded_in is None else (others, [])
    choices = list_choices(effective)
    source = recorded_in or _find_foreign_source(file) or next(iter(find_origins(choices)), None)
    check = _make_check(recorded, typed, source, trust=trust)
    files = find_used_files(choices)
    if recorded_in is not None or (file is not None and file.files):
        refuse_computed_files(files, source, trust=trust)
    composed = list(_compose_combinations(effective, study, check))
    by_id = {run.run_id: run for run in composed}
    return SweepRequest(
        configs=PlannedConfigs(sorted(by_id.values(), key=lambda run: run.seed)),
        duplicates=len(composed) - len(by_id),
        run_overrides=tuple(override.text for override in effective if override.is_recorded),
        study=study,
        launcher=tuple(launcher),
        question=question,
        study_file=file,
        files=files,
    )


def _find_foreign_source(file: StudyFile | None) -> Path | None:
    """Return the path of a study file that may come from somebody else; None for a ready study."""
    is_ready = file is not None and file.path.parent == find_conf_dir() / "study"
    return None if file is None or is_ready else file.path


def _make_check(
    recorded: Sequence[Override], typed: Sequence[Override], source: Path | None, *, trust: bool
) -> Check:
    """Return what refuses a config with code or a folder that a file names and nobody has used.

    Args:
        recorded: the overrides of the file.
        typed: those of the command line, which replace them.
        source: the file; None if everything is typed.
        trust: whether nothing is to be refused.
    """
    if source is None:
        return lambda _: None
    keys = {override.key for override in typed}
    left = [override for override in recorded if override.key not in keys]
    refuse_computed_values(left, source, trust=trust)
    for section in ("model", "data", "regulariser"):
        if any(override.path[:2] == (section, "options") for override in left):
            keys.discard(f"{section}.target")  # the file's options are meant for another class
    return lambda config: refuse_untrusted(config, source, keys, trust=trust)


def replace_seeds(overrides: Sequence[Override], seeds: Sequence[int]) -> list[Override]:
    """Return the overrides of the same sweep for other seeds."""
    others = [override for override in overrides if override.key != "seed"]
    return [*others, parse_override("seed=" + ",".join(str(seed) for seed in seeds))]


def _refuse_values_that_make_no_other_run(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if len(override.values) > 1 and not override.is_about_the_run:
            raise ConfigError(
                f"{override.text} names several values, but {override.key} does not make another "
                f"run; give one value. A sweep varies {', '.join(IDENTITY_KEYS)} and p."
            )


def _refuse_too_many_combinations(overrides: Sequence[Override]) -> None:
    number = prod(len(override.values) for override in overrides)
    if number > MOST_COMBINATIONS:
        counts = ", ".join(
            f"{override.key}: {len(override.values):,}"
            for override in overrides
            if len(override.values) > 1
        )
        raise ConfigError(
            f"this sweep has {number:,} combinations of values ({counts}); at most "
            f"{MOST_COMBINATIONS:,} are allowed. Give fewer values, or make several sweeps with "
            f"the same study=NAME."
        )


def _keep_last_of_each_key(overrides: Sequence[Override]) -> list[Override]:
    """Return the last override of each key, in the place of the first."""
    return list({(override.sign, override.key): override for override in overrides}.values())


def _compose_combinations(
    overrides: Sequence[Override], study: str | None, check: Check
) -> Iterator[PlannedRun]:
    """Compose all combinations of values.

    Hydra, which is slow, composes once for each combination of group choices.
    """
    choices = [override for override in overrides if override.is_group_choice]
    others = [override for override in overrides if not override.is_group_choice]
    files = NamedFiles()  # few, each in many configs

    def freeze_config(config: DictConfig | dict[str, Any]) -> RunConfig:
        return freeze(config, study, files, check)

    for chosen in product(*(choice.split() for choice in choices)):
        left_out = _find_options_of_other_regularisers(others, choices, chosen)
        left_out |= _find_options_of_other_classics(others, choices, chosen)
        kept = [override for override in others if override.key not in left_out]
        yield from _compose_values(chosen, kept, freeze_config)


def _find_options_of_other_regularisers(
    overrides: Sequence[Override], choices: Sequence[Override], chosen: Sequence[Override]
) -> set[str]:
    """Return keys such as regulariser.mask that only other swept regularisers have.

    A key that one part of a combination has is kept, so that it is refused: it must name the part.
    """
    options = [override.key for override in overrides if override.path[0] == REGULARISER]
    swept = _split_choices(choices, REGULARISER)
    if len(swept) < 2 or not options:
        return set()
    others = [choice for choice in chosen if choice.key != REGULARISER]
    here = compose_dict(chosen)
    elsewhere = [compose_dict([*others, regulariser]) for regulariser in swept]
    return {
        key
        for key in options
        if not _has_key(here, key)
        and not _has_key_in_a_part(here, key)
        and any(_has_key(config, key) for config in elsewhere)
    }


def _find_options_of_other_classics(
    overrides: Sequence[Override], choices: Sequence[Override], chosen: Sequence[Override]
) -> set[str]:
    """Return keys such as optimiser.weight_decay that belong to other swept classics."""
    swept = {choice.value for choice in _split_choices(choices, "classic")}
    if len(swept) < 2:
        return set()
    others = swept & CLASSICS.keys() - {choice.value for choice in chosen}
    return {
        override.key
        for override in overrides
        if any(CLASSICS[name].owns(override.key) for name in others)
    }


def _split_choices(choices: Sequence[Override], group: str) -> list[Override]:
    return [one for choice in choices if choice.key == group for one in choice.split()]


def _has_key_in_a_part(config: DictConfig, key: str) -> bool:
    parts = [name for name, each in config.regulariser.items() if isinstance(each, DictConfig)]
    option = key.removeprefix(f"{REGULARISER}.")
    return any(_has_key(config, f"{REGULARISER}.{part}.{option}") for part in parts)


def _has_key(config: DictConfig, key: str) -> bool:
    section, _, name = key.rpartition(".")
    node = OmegaConf.select(config, section)
    # Not "in node", which is false for a key that has to be given, such as regulariser.target.
    return isinstance(node, DictConfig) and name in list(node)


def _compose_values(
    chosen: Sequence[Override],
    overrides: Sequence[Override],
    freeze_config: Callable[[DictConfig | dict[str, Any]], RunConfig],
) -> Iterator[PlannedRun]:
    """Compose all combinations of values that are not group choices, the seeds of each together."""
    replaced = [override for override in overrides if _only_replaces_a_value(override)]
    replaced.sort(key=lambda override: override.key == "seed")  # the last one, where there are some
    composed = [override.split() for override in overrides if override not in replaced]
    first = [override.split()[0] for override in replaced]
    varies_schedule = any(o.key == _SCHEDULE and len(o.values) > 1 for o in overrides)
    for others in product(*composed):
        # The first values are composed by Hydra, which refuses keys that are not there.
        template = ConfigTemplate(
            compose_dict([*chosen, *others, *first]), [override.key for override in replaced]
        )

        def compose(values: Sequence[Any], template: ConfigTemplate = template) -> RunConfig:
            config = template.fill(values)
            return freeze_config(_drop_idle_switch(config) if varies_schedule else config)

        if not replaced or replaced[-1].key != "seed":
            for values in product(*(override.values for override in replaced)):
                yield PlannedRun.of(compose(values))
            continue
        *_, seeds = replaced
        for values in product(*(override.values for override in replaced[:-1])):
            yield from _compose_seeds(template, compose, values, seeds.values)


def _compose_seeds(
    template: ConfigTemplate,
    compose: Callable[[Sequence[Any]], RunConfig],
    values: Sequence[Any],
    seeds: Sequence[Any],
) -> Iterator[PlannedRun]:
    """Compose the runs of one setting; all but the first need only their seed.

    Args:
        template: makes the configs.
        compose: makes a config from the values of all keys.
        values: of all keys but the last one, the seed.
        seeds: the values of that.
    """
    followers = template.find_followers("seed", values)
    first = compose((*values, seeds[0]))
    read = [read_seed(value) for value in seeds]
    if followers is None or followers - {"data.seed"} or None in read:
        yield PlannedRun.of(first)
        yield from (PlannedRun.of(compose((*values, seed))) for seed in seeds[1:])
        return
    setting = PlannedSetting(first, data_follows=bool(followers))
    yield from (setting.make_run(seed) for seed in read if seed is not None)


def _only_replaces_a_value(override: Override) -> bool:
    """Return whether its values can be set one after the other in a composed config."""
    has_mappings = any(isinstance(value, dict) for value in override.values)
    return len(override.values) > 1 and not override.is_addition and not has_mappings


def _drop_idle_switch(config: DictConfig | dict[str, Any]) -> DictConfig | dict[str, Any]:
    """Return the config without switch_after where its time schedule does not switch."""
    if not isinstance(config, DictConfig):
        section = config[REGULARISER]
        if section["time_schedule"] in SWITCHING_SCHEDULES:
            return config
        return {**config, REGULARISER: {**section, "switch_after": None}}
    if OmegaConf.select(config, _SCHEDULE) in SWITCHING_SCHEDULES:
        return config
    without = config.copy()
    OmegaConf.update(without, _SWITCH, None)
    return without
