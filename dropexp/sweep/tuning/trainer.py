"""Train batches of runs on the engine of sweeps, within a budget, and read their results."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.compare.results import Pair
from dropexp.config.run_config import RunConfig
from dropexp.errors import StoreError
from dropexp.runs import studies
from dropexp.runs.ledger import Purpose, read_ledger, record_request
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import RunStatus, RunSummary
from dropexp.runs.repairing import remove_leftovers
from dropexp.runs.write import RunFolder
from dropexp.sweep.budget import Budget
from dropexp.sweep.conduct import SweepView, sweep
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.plan import make_plan, make_study
from dropexp.sweep.tuning.candidates import Candidate, SeededCandidate
from dropexp.sweep.tuning.configs import Configs
from dropexp.sweep.tuning.proposals import WORST
from dropexp.sweep.tuning.space import TuneRequest

ConfigPair = tuple[RunConfig, RunConfig]
"""The configs of none and of a setting on the same seed."""

SEARCH_SHARE = 2 / 3
"""The part of the budget that may be spent on choosing."""


class SearchStoppedError(Exception):
    """Ctrl-C has stopped a batch before its runs had ended."""


Clock = Callable[[], float]
"""Returns the seconds that a search has taken, with those of earlier starts of the command."""


@dataclass
class Spent:
    """What a search has spent.

    Attributes:
        runs: ids of the runs that it has asked for.
        trained: how many runs this start of the command has trained.
        batches: how many batches the search had.
    """

    runs: set[str]
    trained: int = 0
    batches: int = 0


class Trainer:
    """Trains what a search and a confirmation ask for.

    Args:
        request: what is tuned.
        study: the name that its runs are found by.
        runs_dir: the folder of run folders; absolute.
        budget: of the search and the confirmation together.
        clock: for a budget of time.
        view: is shown the runs of each batch.
        retry_failed: whether failed runs are trained again.
        searched: how many batches the search had before its time was over; None: it is not over.
    """

    def __init__(
        self,
        request: TuneRequest,
        study: str,
        runs_dir: Path,
        budget: Budget,
        clock: Clock,
        view: SweepView,
        *,
        retry_failed: bool = False,
        searched: int | None = None,
    ) -> None:
        self._request = request
        self._study = study
        self._runs_dir = runs_dir
        self._budget = budget
        self._clock = clock
        self._view = view
        self._retry_failed = retry_failed
        self._searched = searched
        self._configs = Configs(request)
        self.spent = Spent(set())
        self.failed: dict[str, str] = {}
        """Why runs have failed, by id."""

    # --- choosing -------------------------------------------------------------------------------

    def evaluate(self, batch: Sequence[SeededCandidate]) -> Mapping[SeededCandidate, float]:
        """Return validation differences from none; see search.Evaluate."""
        runs = {
            each: (self._configs.reference(each[1]), self._configs.setting(*each)) for each in batch
        }
        if self._searched is not None and self.spent.batches >= self._searched:
            # A search whose time was over ends after the same batch when it is replayed.
            return {}
        runs = self._select_affordable(runs, 1.0 if self._searched else SEARCH_SHARE)
        if runs:
            self._train(runs.values(), Purpose.SEARCH)
            self.spent.batches += 1
        return {each: self._difference(*configs) for each, configs in runs.items()}

    def _difference(self, reference: RunConfig, config: RunConfig) -> float:
        """Return the validation loss − that of none; WORST where a run has none."""
        value, baseline = self._read(config), self._read(reference)
        if value is None or value.best is None or value.status is not RunStatus.COMPLETED:
            return WORST
        if baseline is None or baseline.best is None or baseline.status is not RunStatus.COMPLETED:
            # The seed says nothing: with a number that is the same for all, no setting wins by it.
            return 0.0
        return value.best.val_loss - baseline.best.val_loss

    # --- confirming -----------------------------------------------------------------------------

    def evaluate_pairs(
        self, batch: Sequence[SeededCandidate]
    ) -> Mapping[SeededCandidate, Pair | None]:
        """Return test results beside those of none; see confirmation.Evaluate."""
        runs = {
            each: (self._configs.baseline(*each), self._configs.setting(*each)) for each in batch
        }
        runs = self._select_affordable(runs, 1.0)
        if runs:
            self._train(runs.values(), Purpose.CONFIRMATION)
        return {each: self._pair(*configs) for each, configs in runs.items()}

    def list_fresh_seeds(self, candidates: Sequence[Candidate], seeds: Sequence[int]) -> list[int]:
        """Return the seeds on which nothing but this search has asked for these settings or none.

        Somebody may have seen results on the others.
        """
        asked = {
            run_id
            for run_id, request in read_ledger(self._runs_dir).requests.items()
            if request.study != self._study
        }
        if not asked:
            return list(seeds)  # composing takes seconds
        return [
            seed
            for seed in seeds
            if asked.isdisjoint(
                config.run_id
                for candidate in candidates
                for config in (
                    self._configs.setting(candidate, seed),
                    self._configs.baseline(candidate, seed),
                )
            )
        ]

    def _pair(self, baseline: RunConfig, config: RunConfig) -> Pair | None:
        value, other = self._read(config), self._read(baseline)
        if value is None or other is None:
            return None
        return Pair(config.seed, _finite_test_loss(other), _finite_test_loss(value))

    # --- both -----------------------------------------------------------------------------------

    def _select_affordable(
        self, runs: Mapping[SeededCandidate, ConfigPair], share: float
    ) -> dict[SeededCandidate, ConfigPair]:
        """Return the first of the runs, as far as a share of the budget pays for them."""
        if self._budget.runs is None:
            # Runs that are there cost nothing: what is replayed gets as far again.
            left = any(self._read(config) is None for pair in runs.values() for config in pair)
            is_over = left and self._clock() >= share * (self._budget.seconds or math.inf)
            return {} if is_over else dict(runs)
        asked, affordable = set(self.spent.runs), {}
        for each, pair in runs.items():
            asked |= {config.run_id for config in pair}
            if len(asked) > math.floor(share * self._budget.runs):
                break
            affordable[each] = pair
        return affordable

    def _train(self, pairs: Iterable[ConfigPair], purpose: Purpose) -> None:
        """Train the runs that are left, and wait for them.

        Raises:
            SearchStoppedError: Ctrl-C was pressed before they had ended.
            DiskError: the disk is full or read-only.
        """
        by_id = {config.run_id: config for pair in pairs for config in pair}
        self.spent.runs |= by_id.keys()
        request = SweepRequest(
            configs=tuple(sorted(by_id.values(), key=lambda config: config.seed)),
            duplicates=0,
            run_overrides=self._request.overrides,
            study=self._study,
            launcher=self._request.launcher,
        )
        plan = make_plan(request.configs, self._runs_dir)
        if not plan.select_to_launch(retry_failed=self._retry_failed):
            studies.save_study(self._runs_dir, make_study(request))
            record_request(self._runs_dir, self._study, list(by_id), purpose)
            remove_leftovers(self._runs_dir, by_id)
            self._note_failures(by_id)
            return
        result = sweep(request, plan, self._view, retry_failed=self._retry_failed, purpose=purpose)
        self.spent.trained += result.trained
        if result.disk_problem is not None:
            raise result.disk_problem
        if result.is_interrupted:
            raise SearchStoppedError
        self._note_failures(by_id)

    def _note_failures(self, by_id: Mapping[str, RunConfig]) -> None:
        for run_id in by_id:
            folder = RunFolder(self._runs_dir, run_id)
            if folder.status is FolderStatus.FAILED:
                self.failed[run_id] = folder.read_error()

    def _read(self, config: RunConfig) -> RunSummary | None:
        """Return the results of a run; None where it has failed."""
        folder = RunFolder(self._runs_dir, config.run_id)
        if folder.status is not FolderStatus.FINISHED:
            return None
        try:
            return folder.read_summary()
        except StoreError:
            return None


def _finite_test_loss(summary: RunSummary) -> float | None:
    """Return the test loss at the best epoch; None for a run that diverged."""
    if summary.status is not RunStatus.COMPLETED or summary.best is None:
        return None
    loss = summary.best.test_loss
    return loss if math.isfinite(loss) else None
