"""Conduct a search and its confirmation, from the request to the result."""

import hashlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from dropexp.compare.results import Pair
from dropexp.errors import ConfigError
from dropexp.runs.searches import (
    ConfirmedPair,
    ConfirmedSetting,
    SearchRecord,
    TriedSetting,
    read_search,
    save_search,
)
from dropexp.runs.write import open_runs_dir
from dropexp.sweep.budget import MOST_SEEDS, Budget
from dropexp.sweep.conduct import SweepView
from dropexp.sweep.tuning.candidates import Candidate
from dropexp.sweep.tuning.confirmation import (
    Confirmation,
    run_confirmation,
)
from dropexp.sweep.tuning.proposals import WORST, Trial, require_optuna
from dropexp.sweep.tuning.search import Search, count_first_runs, run_search
from dropexp.sweep.tuning.space import TuneRequest
from dropexp.sweep.tuning.trainer import SEARCH_SHARE, Trainer

FIRST_FRESH_SEED = 1000
"""Fresh seeds begin this far above the first seed of the search."""


class Confirm(StrEnum):
    """Which settings are confirmed."""

    BEST = "best"
    EACH = "each"  # the best one of each regulariser


class TuneView(SweepView, Protocol):
    """Shows a search to its user."""

    def report_search(self, search: Search, runs: int) -> None:
        """Receive the search after each batch, with the number of runs asked for."""

    def report_confirmation(self, rows: Sequence[Confirmation], runs: int) -> None:
        """Receive the confirmation before its first batch and after each."""


@dataclass(frozen=True)
class TuneResult:
    """How a search ended.

    Attributes:
        study: the name that its runs are found by.
        search: what was tried.
        confirmed: what was confirmed; empty where nothing was better than none on validation.
        search_runs: how many runs the search has asked for.
        runs: how many it has asked for with its confirmation.
        trained: how many of them this start of the command has trained.
        seconds: of wall time, with those of earlier starts.
        failed: why runs have failed, by id.
    """

    study: str
    search: Search
    confirmed: tuple[Confirmation, ...]
    search_runs: int
    runs: int
    trained: int
    seconds: float
    failed: dict[str, str]


def name_study(request: TuneRequest) -> str:
    """Return the name of the study: the user's, or one that the same search always gets."""
    if request.study is not None:
        return request.study
    canonical = json.dumps([sorted(request.overrides), request.first_seed])
    return f"tune-{hashlib.sha256(canonical.encode()).hexdigest()[:6]}"


def tune(
    request: TuneRequest,
    budget: Budget,
    confirm: Confirm,
    view: TuneView,
    *,
    retry_failed: bool = False,
) -> TuneResult:
    """Search the space with a part of the budget, and confirm the choice with the rest.

    A search of the same name is resumed: its runs are in their folders, and it ends as it would
    have without the stop.

    Raises:
        ConfigError: Optuna is missing, the budget is too small to begin with, or the name is that
            of a search of another space.
        SearchStoppedError: Ctrl-C has stopped it; the same command resumes it.
    """
    require_optuna()
    refuse_small_budget(request, budget)
    runs_dir = open_runs_dir(request.compose_reference([request.first_seed])[0].runs_dir).resolve()
    keeper = _Keeper(runs_dir, _open_record(runs_dir, request, budget, confirm))
    study = keeper.record.study
    trainer = Trainer(
        request,
        study,
        runs_dir,
        budget,
        keeper.clock,
        view,
        retry_failed=retry_failed,
        searched=keeper.record.batches,
    )
    search = _search(request, budget, trainer, keeper, view)
    search_runs = len(trainer.spent.runs)
    rows = _confirm(request, _choose(search, confirm), trainer, keeper, view)
    keeper.save()
    return TuneResult(
        study,
        search,
        tuple(rows),
        search_runs,
        len(trainer.spent.runs),
        trainer.spent.trained,
        keeper.clock(),
        trainer.failed,
    )


class _Keeper:
    """Keeps the file of the search up to date."""

    def __init__(self, runs_dir: Path, record: SearchRecord) -> None:
        self._runs_dir = runs_dir
        self._started = time.monotonic()
        self._before = record.seconds
        self.record = record

    def clock(self) -> float:
        """Return the seconds that the search has taken, with those of earlier starts."""
        return self._before + time.monotonic() - self._started

    def save(self, **changes: object) -> None:
        """Write the file with these fields changed."""
        self.record = replace(self.record, seconds=self.clock(), **changes)  # type: ignore[arg-type]
        save_search(self._runs_dir, self.record)


def _search(
    request: TuneRequest, budget: Budget, trainer: Trainer, keeper: _Keeper, view: TuneView
) -> Search:
    def show(search: Search) -> None:
        keeper.save(runs=len(trainer.spent.runs), tried=_list_tried(search))
        view.report_search(search, len(trainer.spent.runs))

    search = run_search(request.space, request.first_seed, trainer.evaluate, show)
    if budget.seconds is not None:
        keeper.save(batches=trainer.spent.batches)
    return search


def _confirm(
    request: TuneRequest,
    chosen: Sequence[Candidate],
    trainer: Trainer,
    keeper: _Keeper,
    view: TuneView,
) -> list[Confirmation]:
    """Return the confirmation of the chosen settings, as far as the budget goes."""
    if not chosen:
        return []
    others = _list_others(keeper.record.confirmed, chosen)

    def show(rows: Sequence[Confirmation]) -> None:
        keeper.save(runs=len(trainer.spent.runs), confirmed=(*map(_describe, rows), *others))
        view.report_confirmation(rows, len(trainer.spent.runs))

    first = request.first_seed + FIRST_FRESH_SEED
    # Another search may have used some of them, so that more are looked at than are needed.
    seeds = trainer.list_fresh_seeds(chosen, range(first, first + 2 * MOST_SEEDS))[:MOST_SEEDS]
    view.report_confirmation([Confirmation(each) for each in chosen], len(trainer.spent.runs))
    return run_confirmation(chosen, seeds, trainer.evaluate_pairs, show, len(others))


def refuse_small_budget(request: TuneRequest, budget: Budget) -> None:
    """Raise ConfigError if the budget does not pay for the first settings.

    Raises:
        ConfigError: says what it takes.
    """
    first = count_first_runs(request.space)
    least = math.ceil(first / SEARCH_SHARE)
    if budget.runs is not None and budget.runs < least:
        raise ConfigError(
            f"--budget {budget.runs}runs is too small for this space: trying the first settings "
            f"takes {first} runs. Give at least {least}runs, or fewer regularisers."
        )


def _open_record(
    runs_dir: Path, request: TuneRequest, budget: Budget, confirm: Confirm
) -> SearchRecord:
    """Return the record of the search; that of an earlier start goes on."""
    study = name_study(request)
    fresh = SearchRecord(study, request.overrides, request.first_seed, str(budget), confirm)
    known = read_search(runs_dir, study)
    if known is None:
        return fresh
    if (known.overrides, known.first_seed) != (fresh.overrides, fresh.first_seed):
        raise ConfigError(
            f"study={study} in {runs_dir} is a search of another space "
            f"({' '.join(known.overrides)}); give this one another name."
        )
    same_budget = known.budget == fresh.budget
    return replace(
        known,
        budget=fresh.budget,
        confirm=fresh.confirm,
        batches=known.batches if same_budget else None,
    )


def _choose(search: Search, confirm: Confirm) -> list[Candidate]:
    """Return the settings to confirm; none where no setting was better than none."""
    best = search.best_of_each
    if search.best is not None and confirm is Confirm.BEST:
        best = [search.best]
    chosen = [trial.candidate for trial in best if trial.mean < 0]
    return chosen[:1] if confirm is Confirm.BEST else chosen


def _list_others(
    confirmed: Sequence[ConfirmedSetting], chosen: Sequence[Candidate]
) -> tuple[ConfirmedSetting, ...]:
    """Return the settings that an earlier, smaller budget had confirmed, but for the chosen ones.

    Who gives a larger budget after a look has had two chances; the correction counts both.
    """
    names = {candidate.name for candidate in chosen}
    return tuple(one for one in confirmed if one.name not in names)


def _list_tried(search: Search) -> tuple[TriedSetting, ...]:
    return tuple(_describe_trial(trial) for trial in search.trials)


def _describe_trial(trial: Trial) -> TriedSetting:
    candidate = trial.candidate
    return TriedSetting(
        name=candidate.name,
        regulariser=candidate.regulariser,
        values=dict(candidate.values),
        differences={
            seed: None if value == WORST else value for seed, value in trial.differences.items()
        },
        is_complete=trial.is_complete,
    )


def _describe(row: Confirmation) -> ConfirmedSetting:
    return ConfirmedSetting(
        name=row.candidate.name,
        regulariser=row.candidate.regulariser,
        values=dict(row.candidate.values),
        verdict=row.verdict,
        p_value=row.p_value,
        pairs=tuple(
            _describe_pair(row, number, pair) for number, pair in enumerate(row.pairs, start=1)
        ),
    )


def _describe_pair(row: Confirmation, number: int, pair: Pair) -> ConfirmedPair:
    estimate = row.estimate(number)
    return ConfirmedPair(pair.seed, pair.difference, estimate.value, estimate.low, estimate.high)
