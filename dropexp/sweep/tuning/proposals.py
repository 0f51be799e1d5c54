"""What a search tries next, and what it drops, by Optuna: pure functions of the results so far.

A study of Optuna is made from the results each time, in memory, so that a search that was killed
proposes the same again. Akiba et al. 2019, "Optuna"; the sampler is the tree-structured Parzen
estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter optimization").
"""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING, Any

from dropexp.config.groups import REGULARISER
from dropexp.config.overrides import Interval
from dropexp.errors import ConfigError
from dropexp.sweep.tuning.candidates import Candidate, Choices, Dimension, Space, spread_evenly

if TYPE_CHECKING:
    import optuna

P_THRESHOLD = 0.3
"""A trial is dropped if a Wilcoxon test finds it worse than the best one at this level."""

_MOST_REPEATS = 30
"""Proposals in a row that may repeat an earlier setting."""


class TrialState(StrEnum):
    """How far a trial is."""

    OPEN = "open"  # it gets further seeds, or the budget has ended before
    COMPLETE = "complete"  # it was tried on all seeds of the search
    DROPPED = "dropped"  # it was worse than the best complete one on the seeds so far


@dataclass(frozen=True)
class Trial:
    """A setting that a search has tried, on some seeds.

    Attributes:
        candidate: the setting.
        differences: seed → validation loss − that of none on the same seed, in nats; a run that
            diverged or failed has the value of WORST.
        state: how far it is.
    """

    candidate: Candidate
    differences: Mapping[int, float]
    state: TrialState

    @property
    def is_complete(self) -> bool:
        """Whether it was tried on all seeds of the search."""
        return self.state is TrialState.COMPLETE

    @property
    def mean(self) -> float:
        """The mean difference over its seeds, in nats."""
        return fmean(self.differences.values())


WORST = 1e3
"""The difference of a run that diverged or failed, in nats: worse than any loss of a network."""


def require_optuna() -> None:
    """Raise a ConfigError where Optuna is not installed."""
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(
            "dropexp tune needs Optuna, which is not installed: pip install 'dropexp[tune]'."
        )


def propose(
    space: Space, seed: int, trials: Sequence[Trial], count: int, first: int
) -> list[Candidate]:
    """Return what to try next: settings that were not tried yet; fewer where none is left.

    Args:
        space: what can be chosen.
        seed: of the search.
        trials: all that were tried, in the order in which they were proposed.
        count: how many to return.
        first: how many the first proposals are, which cover the space evenly.
    """
    if not trials:
        return _cover(space, first)
    study = _make_study(space, trials, _derive_seed(seed, len(trials)), first)
    known = {trial.candidate for trial in trials}
    found: list[Candidate] = []
    repeats = 0
    while len(found) < count and len(known) < space.size and repeats < _MOST_REPEATS:
        trial = study.ask()
        candidate = _suggest(trial, space)
        if candidate in known:
            repeats += 1
            study.tell(trial, _mean_of(candidate, trials))
            continue
        known.add(candidate)
        found.append(candidate)
    return found


def is_worse(trial: Trial, best: Trial) -> bool:
    """Return whether a trial is to be dropped, by Optuna's WilcoxonPruner, seed by seed.

    Args:
        trial: has results on at least one seed.
        best: the complete trial of the lowest mean so far.
    """
    import optuna

    if len(trial.differences) < 2:
        return False
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    study.add_trial(_freeze(best, {}, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD, n_startup_steps=2)
    return pruner.prune(study, _freeze(trial, {}, {}))


def _cover(space: Space, count: int) -> list[Candidate]:
    """Return candidates that cover the space: of each regulariser as many, spread evenly."""
    each = max(1, ceil(count / len(space.branches)))
    points = {name: spread_evenly(dims, each) for name, dims in space.branches.items()}
    found = [
        space.make_candidate(name, of_name[place])
        for place in range(each)
        for name, of_name in points.items()
    ]
    return list(dict.fromkeys(found))


def _derive_seed(seed: int, place: int) -> int:
    digest = hashlib.sha256(json.dumps([seed, place]).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _make_study(space: Space, trials: Sequence[Trial], seed: int, first: int) -> "optuna.Study":
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        # Both arguments are called experimental; Optuna 4 and 5 have them with this meaning.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=min(first, len(trials)), multivariate=True, group=True
        )
    study = optuna.create_study(sampler=sampler)
    distributions = {
        name: {_parameter(name, each): _distribution(each) for each in dimensions}
        for name, dimensions in space.branches.items()
    }
    regulariser = optuna.distributions.CategoricalDistribution(tuple(space.branches))
    for trial in trials:
        name = trial.candidate.regulariser
        values = dict(trial.candidate.values)
        parameters: dict[str, Any] = {REGULARISER: name} | {
            _parameter(name, each): _parse(each, values[each.key]) for each in space.branches[name]
        }
        study.add_trial(
            _freeze(trial, parameters, {REGULARISER: regulariser} | distributions[name])
        )
    return study


def _freeze(
    trial: Trial, parameters: Mapping[str, Any], distributions: Mapping[str, Any]
) -> "optuna.trial.FrozenTrial":
    """Return a trial as Optuna keeps it, with its value so far and its values seed by seed.

    Also a dropped trial counts as complete, with its mean so far: Optuna's advice with the
    WilcoxonPruner, as it tells the sampler more than a state without a value.
    """
    import optuna

    return optuna.trial.create_trial(
        params=dict(parameters),
        distributions=dict(distributions),
        value=trial.mean,
        intermediate_values=dict(trial.differences),
    )


def _parameter(regulariser: str, dimension: Dimension) -> str:
    """Return the name of a parameter: p of one regulariser says nothing about that of another."""
    is_noise = dimension.key == "p" or dimension.key.startswith(f"{REGULARISER}.")
    return f"{regulariser}/{dimension.key}" if is_noise else dimension.key


def _distribution(dimension: Dimension) -> Any:
    import optuna

    domain = dimension.domain
    if not isinstance(domain, Interval):
        return optuna.distributions.CategoricalDistribution(domain.texts)
    if domain.is_integer:
        return optuna.distributions.IntDistribution(
            int(domain.low), int(domain.high), log=domain.is_log
        )
    return optuna.distributions.FloatDistribution(domain.low, domain.high, log=domain.is_log)


def _parse(dimension: Dimension, text: str) -> float | int | str:
    if not isinstance(dimension.domain, Interval):
        return text
    return int(text) if dimension.domain.is_integer else float(text)


def _suggest(trial: "optuna.Trial", space: Space) -> Candidate:
    name = trial.suggest_categorical(REGULARISER, tuple(space.branches))
    values: dict[str, float | str] = {}
    for each in space.branches[name]:
        parameter = _parameter(name, each)
        values[each.key] = _suggest_value(trial, parameter, each.domain)
    return space.make_candidate(name, values)


def _suggest_value(
    trial: "optuna.Trial", parameter: str, domain: Interval | Choices
) -> float | str:
    if not isinstance(domain, Interval):
        return trial.suggest_categorical(parameter, domain.texts)
    if domain.is_integer:
        low, high = int(domain.low), int(domain.high)
        return trial.suggest_int(parameter, low, high, log=domain.is_log)
    return trial.suggest_float(parameter, domain.low, domain.high, log=domain.is_log)


def _mean_of(candidate: Candidate, trials: Sequence[Trial]) -> float:
    known = [trial.mean for trial in trials if trial.candidate == candidate]
    return known[0] if known else fmean(trial.mean for trial in trials)
