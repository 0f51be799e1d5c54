"""Sweeps that add seeds until they are decided, and searches for the best setting, from Python."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropexp.api.arguments import parse_choice
from dropexp.api.frames import make_frame
from dropexp.api.training import SweptStudy, hide_main_module, list_overrides, raise_failures
from dropexp.cli.options import choose_verbosity
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.metrics import parse_metric

if TYPE_CHECKING:
    from dropexp.sweep.sequential.design import RowState, StopReason
    from dropexp.sweep.tuning.conduct import TuneResult
    from dropexp.sweep.tuning.confirmation import Confirmation


@dataclass(frozen=True, repr=False)
class DecidedStudy(SweptStudy):
    """The runs of a sweep until decided, and what it has decided.

    Attributes:
        rows: one for each setting with a baseline: its seeds, its pairs, the decision.
        reason: why no further seed was added; None where ``fail_fast`` stopped it at a run that
            diverged.
    """

    rows: "tuple[RowState, ...]"
    reason: "StopReason | None"

    @property
    def is_decided(self) -> bool:
        """Whether every row is better or worse than its baseline, or practically equal."""
        from dropexp.sweep.sequential.design import Fate

        return all(row.fate is Fate.DECIDED for row in self.rows)

    def __repr__(self) -> str:
        """Return the name of the study, why it has ended, and how many runs it has."""
        return f"{super().__repr__().removesuffix('>')}; {self.reason or 'stopped'}>"


@dataclass(frozen=True, repr=False)
class TunedStudy(SweptStudy):
    """The runs of a search and of its confirmation, and the choice.

    Attributes:
        result: what was tried and confirmed, what it took, and why runs have failed.
        overrides: that train the chosen setting with ``dropexp.train``; empty where nothing tried
            had a lower validation loss than none.
    """

    result: "TuneResult"
    overrides: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The answer in a sentence, by the fresh seeds alone."""
        from dropexp.cli.tune_console import summarise

        return summarise(self.result)

    @property
    def rows(self) -> "tuple[Confirmation, ...]":
        """The confirmed settings, the chosen one first: pairs on fresh seeds, the verdict."""
        return self.result.confirmed

    def to_frame(self, frame: str = "pandas") -> Any:
        """Return a data frame with a row for each setting that was tried.

        ``mean_difference`` is in validation loss, in nats, against none on the seeds that chose:
        exploration, and no test. It is missing where a run has diverged or failed.

        Args:
            frame: ``pandas`` or ``polars``.

        Raises:
            UserError: the library is unknown, or not installed.
        """
        from dropexp.sweep.tuning.proposals import WORST

        trials = self.result.search.trials
        columns: Mapping[str, list[Any]] = {
            "setting": [trial.candidate.name for trial in trials],
            "regulariser": [trial.candidate.regulariser for trial in trials],
            "seeds": [len(trial.differences) for trial in trials],
            "mean_difference": [
                None if WORST in trial.differences.values() else trial.mean for trial in trials
            ],
            "state": [str(trial.state) for trial in trials],
        }
        return make_frame(columns, frame)

    def __repr__(self) -> str:
        """Return the name of the study, how many runs it has, and the answer."""
        return f"{super().__repr__().removesuffix('>')}; {self.answer}>"


def sweep_until_decided(
    overrides: Sequence[str],
    *,
    margin: float | None = None,
    budget: str | None = None,
    most_seeds: int | None = None,
    metric: str | None = None,
    at: str | None = None,
    retry_failed: bool = False,
    fail_fast: bool = False,
    trust: bool = False,
    quiet: bool = False,
    verbose: bool = False,
) -> DecidedStudy:
    """Add seeds until each setting is decided: ``dropexp sweep --until-decided``.

    Args:
        overrides: as on the command line, such as ``["regulariser=none,dropout2d", "p=0.3"]``.
        margin: differences within ± this are practically equal; in the metric's unit, above 0.
        budget: a time, ``30min`` or ``2h``, or a number of runs, ``200runs``, at which to stop.
        most_seeds: of a setting; None: 64.
        metric: to test, such as ``test_acc``; None: the study's own, or ``test_loss``.
        at: the epoch of each run: ``best`` or ``last``; None: the study's own, or the best one.
        retry_failed: train failed runs again.
        fail_fast: stop when a run fails or diverges.
        trust: use the code and the folders that a study's file names.
        quiet: show nothing but warnings. By default a notebook shows one line.
        verbose: show a line for every run.

    Raises:
        UserError: an override or an option is wrong; nothing was started.
        RunError: runs have failed; all others are kept.
        KeyboardInterrupt: after a stop. The same call resumes the sweep.
    """
    from dropexp.cli.launch_sweep import Launching
    from dropexp.cli.until_decided import (
        SequentialOptions,
        launch_until_decided,
        plan_until_decided,
    )
    from dropexp.sweep.sequential.rows import compose_until_decided

    listed = list_overrides(overrides)
    verbosity = choose_verbosity(quiet=quiet, verbose=verbose)
    options = SequentialOptions(
        margin=margin,
        budget=budget,
        most_seeds=most_seeds,
        metric=None if metric is None else parse_metric(metric),
        at=parse_choice("--at", EpochChoice, at),
    )
    plan = plan_until_decided(
        lambda most: compose_until_decided(listed, most, trust=trust),
        options,
        retry_failed=retry_failed,
    )
    launching = Launching(retry_failed=retry_failed, fail_fast=fail_fast, verbosity=verbosity)
    with hide_main_module():
        result = launch_until_decided(plan, options, launching, is_command=False)
    assert result is not None, "no dry run"
    if result.is_interrupted:
        raise KeyboardInterrupt
    raise_failures(result.progress)
    configs = [plan.request.configs[cell] for cell in result.state.cells]
    return DecidedStudy(
        name=plan.request.study,
        runs_dir=Path(configs[0].runs_dir).expanduser(),
        run_ids=tuple(config.run_id for config in configs),
        trained=result.trained,
        rows=result.state.rows,
        reason=result.reason,
    )


def tune(
    overrides: Sequence[str] = (),
    *,
    budget: str = "150runs",
    confirm: str = "best",
    retry_failed: bool = False,
    trust: bool = False,
    quiet: bool = False,
) -> TunedStudy:
    """Choose the best regulariser and strength within a budget: ``dropexp tune``.

    Args:
        overrides: as on the command line, such as ``["regulariser=dropout2d,dropconnect",
            "p=interval(0.05,0.7)"]``.
        budget: a number of runs, ``200runs``, or a time, ``30min`` or ``2h``.
        confirm: the settings to confirm: ``best``, or ``each`` regulariser's.
        retry_failed: train failed runs again.
        trust: use the code and the folders that recorded files name.
        quiet: show nothing but warnings. By default a notebook shows one line.

    Raises:
        UserError: an override or the budget is wrong, or Optuna is not installed; nothing was
            started.
        RunError: the disk is full, or the launcher has failed.
        KeyboardInterrupt: after a stop. The same call resumes the search.
    """
    from dropexp.cli.tune import launch_tune, parse_confirm
    from dropexp.runs.studies import read_study
    from dropexp.sweep.budget import parse_budget
    from dropexp.sweep.tuning.proposals import require_optuna
    from dropexp.sweep.tuning.space import parse_request

    listed = list_overrides(overrides)
    limit, which = parse_budget(budget), parse_confirm(confirm)
    require_optuna()
    request = parse_request(listed, trust=trust)
    verbosity = choose_verbosity(quiet=quiet, verbose=False)
    with hide_main_module():
        result = launch_tune(
            request, limit, which, retry_failed=retry_failed, verbosity=verbosity, is_command=False
        )
    runs_dir = Path(request.runs_dir).expanduser()
    chosen = result.confirmed[0].candidate if result.confirmed else None
    return TunedStudy(
        name=result.study,
        runs_dir=runs_dir,
        run_ids=tuple(run.run_id for run in read_study(runs_dir, result.study).runs),
        trained=result.trained,
        result=result,
        overrides=() if chosen is None else tuple(request.list_overrides(chosen)),
    )
