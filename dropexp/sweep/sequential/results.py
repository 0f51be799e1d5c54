"""Read the results of runs from the store, as a sweep until decided counts them."""

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from dropexp.compare.compared_runs import ComparedRun
from dropexp.compare.estimates import read_value
from dropexp.compare.question import Question
from dropexp.compare.reading import read_comparable_runs
from dropexp.config.run_config import RunConfig
from dropexp.runs.ledger import Ledger, Purpose
from dropexp.runs.write import RunFolder
from dropexp.sweep.plan import make_plan
from dropexp.sweep.plan_status import PlanStatus
from dropexp.sweep.sequential.design import Cell, Lost, RunValue


class ResultReader:
    """The values of runs that have ended; each is read once.

    Args:
        runs_dir: the folder of run folders; absolute.
        configs: the config of every run, by setting and seed.
        question: names the deciding metric and the epoch.
        ledger: tells which runs a search has asked for; those decide nothing.
        retried: ids of failed runs that count as missing until they have been trained again.
    """

    def __init__(
        self,
        runs_dir: Path,
        configs: Mapping[Cell, RunConfig],
        question: Question,
        ledger: Ledger,
        retried: Collection[str] = (),
    ) -> None:
        self._runs_dir = runs_dir
        self._configs = configs
        self._question = question
        self._searched = {
            run_id
            for run_id, request in ledger.requests.items()
            if request.purpose is Purpose.SEARCH
        }
        self._retried = set(retried)
        self._known: dict[Cell, RunValue] = {}

    @property
    def known(self) -> Mapping[Cell, RunValue]:
        """The values of the runs that have been seen to have ended."""
        return self._known

    def look(self, cells: Iterable[Cell]) -> bool:
        """Read the values of those runs that have ended, and return whether there were any."""
        missing = [cell for cell in cells if cell not in self._known]
        by_id = {self._configs[cell].run_id: cell for cell in missing}
        plan = make_plan([self._configs[cell] for cell in missing], self._runs_dir)
        ended = {
            run_id: status
            for run_id, status in plan.statuses.items()
            if status is PlanStatus.FINISHED
            or (status is PlanStatus.FAILED and run_id not in self._retried)
        }
        finished = [run_id for run_id, status in ended.items() if status is PlanStatus.FINISHED]
        compared = self._read_compared(finished)
        for run_id in ended:
            self._known[by_id[run_id]] = self._judge(run_id, compared.get(run_id))
        return bool(ended)

    def give_up(self, cells: Iterable[Cell]) -> None:
        """Count runs that ended without a trace in their folders as failed."""
        for cell in cells:
            self._known.setdefault(cell, Lost.LEFT_OUT)

    def forget_retried(self, run_ids: Iterable[str]) -> None:
        """Count these runs as failed if they have failed again."""
        self._retried.difference_update(run_ids)

    def _read_compared(self, run_ids: Collection[str]) -> Mapping[str, ComparedRun]:
        """Return the runs that compare would take, by id."""
        folders = [RunFolder(self._runs_dir, run_id) for run_id in run_ids]
        return {run.run_id: run for run in read_comparable_runs(folders)}

    def _judge(self, run_id: str, run: ComparedRun | None) -> RunValue:
        if run is None or run_id in self._searched:
            return Lost.LEFT_OUT
        if not run.is_completed:
            return Lost.DIVERGED
        value = read_value(run, self._question.deciding_metric, self._question.at)
        if value is None:
            return Lost.LEFT_OUT
        return value if math.isfinite(value) else Lost.DIVERGED
