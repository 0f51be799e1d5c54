"""From overrides with intervals and choices to the space of a search, checked before any run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from omegaconf import DictConfig, OmegaConf

from dropexp.config.compose import compose_dict, find_runs_dir, split_study
from dropexp.config.groups import REGULARISER, list_studies
from dropexp.config.overrides import Interval, Override, parse_override, parse_overrides
from dropexp.config.run_config import RunConfig
from dropexp.config.study_files import find_study_file
from dropexp.errors import ConfigError
from dropexp.sweep.grammar import compose_parsed_sweep
from dropexp.sweep.tuning.candidates import Candidate, Choices, Dimension, Space

NONE = "none"
_DEFAULT_REGULARISERS = "dropout2d,spatial_dropout,dropconnect,stochastic_depth"
_DEFAULT_P = "interval(0.05,0.7)"
_NOT_CHOSEN = ("data", "seed")
_P_KEYS = ("p", "regulariser.p")


@dataclass(frozen=True)
class TuneRequest:
    """What the user asks to be tuned.

    Attributes:
        space: what can be chosen.
        first_seed: the seed of the search, and of its first runs.
        overrides: those that say what the runs are, as typed and with the defaults.
        study: the name that the user gave.
        launcher: overrides that choose and set the launcher.
        fixed: overrides of one value that hold for all runs, ``none`` included.
        options: overrides of one value that only some regularisers have.
        trust: whether what added config files name may be imported, called and read.
    """

    space: Space
    first_seed: int
    overrides: tuple[str, ...]
    study: str | None
    launcher: tuple[Override, ...]
    fixed: tuple[Override, ...]
    options: Mapping[str, tuple[Override, ...]]
    trust: bool = False

    @property
    def runs_dir(self) -> str:
        """The folder of runs, as typed."""
        given = [each.value for each in self.fixed if each.key == "runs_dir"]
        return str(given[0]) if given else "runs"

    def list_overrides(self, candidate: Candidate) -> list[str]:
        """Return the overrides that train a candidate."""
        options = self.options[candidate.regulariser]
        return [*candidate.overrides, *(each.text for each in (*options, *self.fixed))]

    def compose(self, candidate: Candidate, seeds: Sequence[int]) -> list[RunConfig]:
        """Return the configs of a candidate, one for each seed."""
        options = self.options[candidate.regulariser]
        return self._compose([*options, *parse_overrides(candidate.overrides)], seeds)

    def compose_baseline(self, candidate: Candidate, seeds: Sequence[int]) -> list[RunConfig]:
        """Return the configs of none with everything else equal to a candidate."""
        others = [each for each in parse_overrides(candidate.overrides) if not _is_noise(each)]
        return self._compose([*others, _choose(NONE)], seeds)

    def compose_reference(self, seeds: Sequence[int]) -> list[RunConfig]:
        """Return the configs of none with the defaults of all keys that vary."""
        return self._compose([_choose(NONE)], seeds)

    def _compose(self, overrides: Sequence[Override], seeds: Sequence[int]) -> list[RunConfig]:
        seed = parse_override("seed=" + ",".join(map(str, seeds)))
        study = [] if self.study is None else [parse_override(f"study={self.study}")]
        composed = compose_parsed_sweep([*self.fixed, *overrides, *study, seed], trust=self.trust)
        return list(composed.configs)


def parse_request(texts: Sequence[str], *, trust: bool = False) -> TuneRequest:
    """Return the request of a command line: ``regulariser=a,b p=interval(0.05,0.8) …``.

    Raises:
        ConfigError: an override is not allowed, or leaves nothing to choose.
        DataError: an image folder is not there.
    """
    overrides, study = split_study(parse_overrides(texts, with_intervals=True))
    if study in list_studies():
        raise ConfigError(f"study={study} is a ready sweep; give the search another name.")
    if (file := find_study_file(study, find_runs_dir(overrides))) is not None:
        raise ConfigError(
            f"study={study} stands for the sweep in {file.path}; give the search a name of its own."
        )
    launcher = [override for override in overrides if override.is_about_the_launcher]
    others = {each.key: each for each in overrides if not each.is_about_the_launcher}
    first_seed = _take_seed(others.pop("seed", None))
    _refuse_unusable(others.values())
    names = _list_regularisers(others.pop(REGULARISER, None))
    _add_defaults(others, names)
    request = _divide(names, list(others.values()), study)
    request = replace(request, first_seed=first_seed, launcher=tuple(launcher), trust=trust)
    _check_values(request)
    if request.space.size < 2:
        raise ConfigError(
            f"There is one setting only, {_first_candidate(request).name}, and nothing to choose; "
            f"give several regularisers or an interval, such as 'p=interval(0.05,0.7)'."
        )
    return request


def _take_seed(override: Override | None) -> int:
    if override is None:
        return 0
    if override.is_sweep or not isinstance(override.value, int):
        raise ConfigError(
            f"{override.text} is not allowed: dropexp tune adds seeds by itself; give the first "
            f"one, such as seed=0."
        )
    return override.value


def _refuse_unusable(overrides: Iterable[Override]) -> None:
    for each in overrides:
        if each.key == "force":
            raise ConfigError(
                f"{each.text} is not allowed: a search resumes from its finished runs; remove "
                f"those with dropexp runs rm, or give another runs_dir."
            )
        if not each.is_sweep:
            continue
        if each.path[0].partition("/")[0] in _NOT_CHOSEN:
            raise ConfigError(
                f"{each.text} is not allowed: losses on different data cannot be compared; give "
                f"one value, and tune once for each."
            )
        if not each.is_about_the_run:
            raise ConfigError(
                f"{each.text} names several values, but {each.key} does not make another run; "
                f"give one value."
            )


def _list_regularisers(override: Override | None) -> list[str]:
    override = override or parse_override(f"{REGULARISER}={_DEFAULT_REGULARISERS}")
    names = [str(value) for value in override.values if value != NONE]
    if not names:
        raise ConfigError(
            f"{override.text} leaves nothing to choose: none is the baseline; add a regulariser, "
            f"such as regulariser=dropout2d."
        )
    return list(dict.fromkeys(names))


def _add_defaults(overrides: dict[str, Override], names: Sequence[str]) -> None:
    """Add an interval of p, and the residual branch that stochastic depth needs, to all runs."""
    if not any(key in _P_KEYS or _is_p_of_a_part(key) for key in overrides):
        overrides["p"] = parse_override(f"p={_DEFAULT_P}", with_intervals=True)
    choices = [each for each in overrides.values() if each.is_group_choice and not each.is_sweep]
    plain = compose_dict([*choices, _choose(NONE)])
    for name in names:
        model = compose_dict([*choices, _choose(name)]).model
        for key, value in model.items():
            # A baseline with everything else equal: what a regulariser's file changes in the
            # model holds for all runs.
            if key in plain.model and plain.model[key] != value:
                text = f"model.{key}={str(value).lower() if isinstance(value, bool) else value}"
                overrides.setdefault(f"model.{key}", parse_override(text))


def _is_p_of_a_part(key: str) -> bool:
    return key.startswith(f"{REGULARISER}.") and key.endswith(".p")


def _is_noise(override: Override) -> bool:
    return override.key == "p" or override.path[0] == REGULARISER


def _choose(name: str) -> Override:
    return parse_override(f"{REGULARISER}={name}")


def _divide(names: Sequence[str], overrides: Sequence[Override], study: str | None) -> TuneRequest:
    """Return the request with the dimensions and options of each regulariser."""
    fixed = [each for each in overrides if not each.is_sweep and not _is_noise(each)]
    noise = [each for each in overrides if _is_noise(each)]
    shared = [each for each in overrides if each.is_sweep and not _is_noise(each)]
    choices = [each for each in fixed if each.is_group_choice]
    composed = {name: compose_dict([*choices, _choose(name)]) for name in names}
    for each in noise:
        if not any(_has(config, each.key) for config in composed.values()):
            compose_dict([*choices, _choose(names[0]), *(each.split()[:1])])  # raises: unknown key
    plain = compose_dict([*choices, _choose(NONE)])
    branches, options = {}, {}
    for name, config in composed.items():
        own = [each for each in noise if _has(config, each.key)]
        varied = [each for each in own if each.is_sweep]
        branches[name] = (
            *(_make_dimension(each, config) for each in varied),
            *(_make_dimension(each, plain) for each in shared),
        )
        options[name] = tuple(each for each in own if not each.is_sweep)
    texts = [f"{REGULARISER}={','.join(names)}", *(each.text for each in overrides)]
    about = [text for text, each in zip(texts[1:], overrides, strict=True) if each.is_about_the_run]
    return TuneRequest(Space(branches), 0, (texts[0], *about), study, (), tuple(fixed), options)


def _has(config: DictConfig, key: str) -> bool:
    missing = object()
    return OmegaConf.select(config, key, default=missing) is not missing


def _make_dimension(override: Override, config: DictConfig) -> Dimension:
    if not override.is_interval:
        texts = tuple(part.text.partition("=")[2] for part in override.split())
        return Dimension(override.key, Choices(texts))
    interval: Interval = override.value
    default = OmegaConf.select(config, override.key)
    ends_are_integers = interval.low.is_integer() and interval.high.is_integer()
    is_integer = isinstance(default, int) and not isinstance(default, bool) and ends_are_integers
    return Dimension(override.key, replace(interval, is_integer=interval.is_integer or is_integer))


def _first_candidate(request: TuneRequest) -> Candidate:
    regulariser, dimensions = next(iter(request.space.branches.items()))
    return request.space.make_candidate(
        regulariser, {each.key: _ends(each)[0] for each in dimensions}
    )


def _ends(dimension: Dimension) -> list[float | str]:
    """Return the values of a dimension that show whether its values are allowed."""
    if isinstance(dimension.domain, Choices):
        return list(dimension.domain.texts)
    return [dimension.domain.low, dimension.domain.high]


def _check_values(request: TuneRequest) -> None:
    """Compose configs at the ends of all dimensions, so that a wrong value is refused at once."""
    seeds = [request.first_seed]
    request.compose_reference(seeds)
    for regulariser, dimensions in request.space.branches.items():
        first = {each.key: _ends(each)[0] for each in dimensions}
        corners = [first] + [
            first | {each.key: value} for each in dimensions for value in _ends(each)[1:]
        ]
        for corner in corners:
            candidate = request.space.make_candidate(regulariser, corner)
            request.compose(candidate, seeds)
