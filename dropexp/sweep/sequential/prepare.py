"""Prepare a sweep until decided: from what the user asks for to a design, or a refusal."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from dropexp.compare.question import Question
from dropexp.compare.rules import Rule, TestKind
from dropexp.errors import ConfigError
from dropexp.runs.attempts import Attempt
from dropexp.runs.ledger import Ledger, Purpose, Request, read_ledger
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.write import RunFolder
from dropexp.sweep.budget import MOST_SEEDS, Budget
from dropexp.sweep.launchers import build_launcher
from dropexp.sweep.plan import make_plan, open_sweep_runs_dir
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.sequential.chosen_seeds import refuse_chosen_seeds
from dropexp.sweep.sequential.design import Cell, SequentialDesign, SequentialState
from dropexp.sweep.sequential.family import count_further_tests
from dropexp.sweep.sequential.replay import Replay, preview
from dropexp.sweep.sequential.results import ResultReader
from dropexp.sweep.sequential.rows import SequentialRequest
from dropexp.terminal.numbers import format_count

_RUNS_OF_A_CLUSTER = 16
"""The runs of a round where another system decides how many train at a time."""


@dataclass(frozen=True)
class SequentialPlan:
    """A sweep until decided that can start.

    Attributes:
        request: what the user asks for.
        question: the deciding metric and the epoch.
        design: what decides which runs are needed.
        budget: what the command may spend.
        results: reads the values of runs.
        runs_dir: the folder of run folders; absolute.
        stale: run id → the failed attempt after which the run is trained again.
        replay: of the design's rounds.
    """

    request: SequentialRequest
    question: Question
    design: SequentialDesign
    budget: Budget
    results: ResultReader
    runs_dir: Path
    stale: Mapping[str, Attempt]
    replay: Replay

    def find_state(self) -> SequentialState:
        """Return the state that the results on disk have brought the design to."""
        while True:
            state = self.replay.advance(self.results.known)
            # Only runs that a round needs are looked for: a folder may hold 100,000 others.
            if state.round is None or not self.results.look(state.round.missing):
                return state

    def preview(self, state: SequentialState) -> SequentialState:
        """Return the state with the runs of its round that have ended meanwhile."""
        if state.round is not None:
            self.results.look(state.round.missing)
        return preview(self.design, state, self.results.known)


def make_sequential_plan(
    request: SequentialRequest,
    question: Question,
    most_seeds: int,
    budget: Budget,
    *,
    retry_failed: bool = False,
) -> SequentialPlan:
    """Return the plan of a request.

    Args:
        request: what the user asks for.
        question: the deciding metric, the epoch, the level and the margin.
        most_seeds: how many seeds a row gets at most.
        budget: what the command may spend.
        retry_failed: train failed runs again.

    Raises:
        ConfigError: no row can be decided with so few seeds or runs, or the value of a run would
            depend on the other runs.
        UserError: the launcher is not installed, or the folder cannot be written.
    """
    if question.at is EpochChoice.MATCHED:
        raise ConfigError(
            "--at matched is not allowed with --until-decided: every further run changes the "
            "training loss at which runs are matched, and so all values before. Use --at best or "
            "--at last."
        )
    configs = list(request.configs.values())
    runs_dir = open_sweep_runs_dir(configs)
    ledger = read_ledger(runs_dir)
    refuse_chosen_seeds(request, ledger, runs_dir)
    stale = _find_failed(request, runs_dir) if retry_failed else {}
    at_a_time = build_launcher(request.launcher, runs_dir, configs).runs_at_a_time
    design = SequentialDesign(
        rows=request.rows,
        seeds=request.seeds,
        most_seeds=most_seeds,
        runs_at_a_time=at_a_time or _RUNS_OF_A_CLUSTER,
        sign=question.deciding_metric.sign,
        rule=Rule(TestKind.ANYTIME, alpha=question.alpha, margin=question.margin),
        further_tests=count_further_tests(request, ledger, runs_dir),
        most_runs=budget.runs,
        free=_find_free(request, ledger, runs_dir) if budget.runs else frozenset(),
    )
    _refuse_too_little(design, _find_spent(request, ledger))
    results = ResultReader(runs_dir, request.configs, question, ledger, stale)
    replay = Replay(design)
    return SequentialPlan(request, question, design, budget, results, runs_dir, stale, replay)


def _find_failed(request: SequentialRequest, runs_dir: Path) -> dict[str, Attempt]:
    plan = make_plan(list(request.configs.values()), runs_dir)
    failed = {config.run_id for config in plan.select(PlanStatus.FAILED)}
    return {run_id: attempt for run_id, attempt in plan.stale.items() if run_id in failed}


def _find_free(request: SequentialRequest, ledger: Ledger, runs_dir: Path) -> Collection[Cell]:
    """Return the runs that this sweep does not pay for.

    The runs that an earlier command until decided has asked for in this study do count: so the
    same command again ends where one that was not stopped would have ended.
    """
    free = set()
    for cell, config in request.configs.items():
        asked = ledger.asked(config.run_id)
        if asked is None:
            is_free = RunFolder(runs_dir, config.run_id).has_ended
        else:
            is_free = not _is_own(request, asked)
        if is_free:
            free.add(cell)
    return frozenset(free)


def _find_spent(request: SequentialRequest, ledger: Ledger) -> Collection[Cell]:
    """Return the runs that earlier commands until decided have asked for in this study."""
    asked = {cell: ledger.asked(config.run_id) for cell, config in request.configs.items()}
    return frozenset(cell for cell, each in asked.items() if each and _is_own(request, each))


def _is_own(request: SequentialRequest, asked: Request) -> bool:
    return (asked.study, asked.purpose) == (request.study, Purpose.SEQUENTIAL)


def _refuse_too_little(design: SequentialDesign, spent: Collection[Cell]) -> None:
    """Refuse limits below which the first round, or the first verdict, is out of reach.

    Args:
        design: with its limits.
        spent: runs that count in the budget although they need no training any more.
    """
    needed = max(design.fewest_seeds, len(design.seeds))
    rows = format_count(design.tests, "row")
    if design.most_seeds < needed:
        raise ConfigError(
            f"--most-seeds {design.most_seeds} is too few: with {rows} no verdict is possible "
            f"below {needed} seeds. Write --most-seeds {max(MOST_SEEDS, needed)}, or sweep fewer "
            f"settings."
        )
    cells = design.list_cells(design.rows, design.list_seeds()[:needed])
    paid = [cell for cell in cells if cell not in design.free]
    if design.most_runs is not None and len(paid) > design.most_runs:
        raise ConfigError(
            f"--budget {design.most_runs}runs is too small: "
            f"{_describe_cost(design, cells, paid, spent)}. Write --budget {2 * len(paid)}runs, or "
            f"sweep fewer settings."
        )


def _describe_cost(
    design: SequentialDesign,
    cells: Collection[Cell],
    paid: Collection[Cell],
    spent: Collection[Cell],
) -> str:
    """Return what the first round costs, as a sentence without its end.

    Args:
        design: with its limits.
        cells: the runs of the first round.
        paid: those that count in the budget.
        spent: runs that count in the budget although they need no training any more.
    """
    runs = format_count(len(paid), "run")
    if before := sum(cell in spent for cell in paid):
        return (
            f"runs that --until-decided asked for before in this study count, and the first round "
            f"has {runs} that count, {'all' if before == len(paid) else before} of them from before"
        )
    if free := len(cells) - len(paid):
        runs = f"{runs} besides the {free} that are there and cost nothing"
    if len(design.seeds) > design.fewest_seeds:
        return f"the {len(design.seeds)} seeds to start with need {runs}"
    rows = format_count(design.tests, "row")
    return (
        f"with {rows} no verdict is possible below {design.fewest_seeds} seeds, which need {runs}"
    )
