"""Which test speaks, and which seeds it counts: what may have been looked at before.

The planned test is exact if the seeds were fixed before any result was seen. The ledger of the
runs folder tells: all runs were asked for before the first of them had ended, and none is missing
or filtered away. Otherwise somebody may have added seeds, or left some out, because of what they
saw, and the anytime test speaks. It counts seeds in the order in which they were asked for, up to
the first one that is missing, so that leaving a seed out cannot help.
"""

from collections.abc import Collection, Iterable, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property

from dropexp.compare.asked_runs import AskedRun, AskedSetting, SeedRuns, list_studies
from dropexp.compare.found_runs import MissingRun
from dropexp.compare.rules import TestInForce, TestKind
from dropexp.runs.ledger import Purpose
from dropexp.runs.question_types import TestChoice
from dropexp.terminal.numbers import format_count

Order = tuple[int, int]
"""When a seed was asked for: the number of the request, and the seed."""

FEWEST_PAIRS = 6
"""The fewest pairs whose signs alone can reach p = 0.05: 2/2^6 is below, 2/2^5 above."""


@dataclass(frozen=True)
class RowRuns:
    """The runs of a row by seed, and what lacks.

    Attributes:
        setting: the runs of the setting.
        baseline: the runs of its baseline.
        filtered: the seeds that a filter leaves out in the setting or in the baseline.
        unmeasured: the seeds on which the deciding metric was not measured in one of them.
        missing: the runs of both that were asked for and lack results, and would make a pair.
        passed_over: where seeds were left out although one half of their pair had ended.
        pilot: how many pairs on other seeds were tried outside the study in view, too few for a
            verdict; they are left out.
        is_explored: whether a search proposed the setting; such seeds are left out.
    """

    setting: SeedRuns
    baseline: SeedRuns
    filtered: frozenset[int]
    unmeasured: frozenset[int]
    missing: tuple[MissingRun, ...]
    passed_over: tuple[Order, ...]
    pilot: int
    is_explored: bool

    @cached_property
    def common(self) -> list[int]:
        """The seeds that both have, in the order in which they were asked for."""
        seeds = self.setting.by_seed.keys() & self.baseline.by_seed.keys()
        if len(self.setting.numbers | self.baseline.numbers) <= 1:
            return sorted(seeds)  # all in one request: most rows
        return sorted(seeds, key=self.order_of)

    @cached_property
    def visible(self) -> list[int]:
        """The seeds that both have, measured and left in by filters, in the same order."""
        hidden = self.filtered | self.unmeasured
        return [seed for seed in self.common if seed not in hidden] if hidden else self.common

    @cached_property
    def visible_by_number(self) -> list[int]:
        """The visible seeds, ascending."""
        return sorted(self.visible)

    @cached_property
    def before_first_hole(self) -> list[int]:
        """The visible seeds that were asked for before the first one that is missing."""
        visible = set(self.visible)
        holes = [self.order_of(seed) for seed in self.common if seed not in visible]
        holes += [self._order_of_missing(run) for run in self.missing if not run.is_refused]
        holes += self.passed_over
        if not holes:
            return self.visible
        first = min(holes)
        return [seed for seed in self.visible if self.order_of(seed) < first]

    @property
    def seeds_outside(self) -> int:
        """How many seeds with results, asked for before some visible one, are not in view."""
        outside = self.filtered & set(self.common)
        if not outside:
            return 0
        last = max(map(self.order_of, self.visible), default=None)
        return sum(last is not None and self.order_of(seed) < last for seed in outside)

    def order_of(self, seed: int) -> Order:
        """Return when a seed was asked for in both."""
        return max(self.setting.get_number(seed), self.baseline.get_number(seed)), seed

    def _order_of_missing(self, run: MissingRun) -> Order:
        return max(run.request.number, self.order_of(run.seed)[0]), run.seed


def collect_row_runs(
    setting: AskedSetting,
    baseline: AskedSetting,
    missing: Sequence[MissingRun],
    missing_of_baseline: Sequence[MissingRun],
    unmeasured: Collection[str] = (),
) -> RowRuns:
    """Return the runs of a row, without those that a search asked for.

    Args:
        setting: all runs of the setting.
        baseline: all runs of its baseline.
        missing: runs of the setting that lack results.
        missing_of_baseline: runs of the baseline that lack results.
        unmeasured: the ids of runs in which the deciding metric was not measured.
    """
    own, others = setting.tested, baseline.counted
    lacking = [run for run in missing if run.request.purpose is not Purpose.SEARCH]
    chosen = _find_chosen_seeds(own, others, lacking, missing_of_baseline)
    pilot = _find_pilot(own, lacking)
    own = own.without(pilot)
    lacking = [run for run in lacking if run.seed not in pilot]
    asked = own.by_seed.keys() | {run.seed for run in lacking}
    lacking += [run for run in missing_of_baseline if run.seed in asked]
    return RowRuns(
        own,
        others,
        own.filtered | others.filtered,
        frozenset(_find_unmeasured(own, unmeasured) | _find_unmeasured(others, unmeasured)),
        tuple(lacking),
        tuple(chosen),
        pilot=len(pilot),
        is_explored=setting.is_explored,
    )


def _find_pilot(own: SeedRuns, missing: Sequence[MissingRun]) -> set[int]:
    """Return the seeds of pairs from before the study in view, if none gave a verdict.

    Who has tried a setting on a few seeds may test it on fresh ones. From as many seeds as give a
    verdict, somebody may have read one and have tried again: then no seed may be left out. Runs
    that were removed since count too.
    """
    if not missing and own.are_in_view:
        return set()
    runs = own.by_seed
    studies = list_studies(runs.values())
    in_view = [run.request.number for run in runs.values() if run.is_in_view and run.request]
    if not in_view:
        return set()
    found = {
        seed: run.ended
        for seed, run in runs.items()
        if not run.is_in_view and (run.request is None or run.request.study not in studies)
    }
    # A run that never ended has no result that anybody could have acted on.
    lost = {
        run.seed: -1 if run.ended is None else run.ended
        for run in missing
        if run.request.study not in studies
    }
    outside = {**lost, **found}
    was_before = all(end is not None and end < min(in_view) for end in outside.values())
    return set(outside) if was_before and len(outside) < FEWEST_PAIRS else set()


def _find_chosen_seeds(
    own: SeedRuns,
    others: SeedRuns,
    missing: Sequence[MissingRun],
    missing_of_baseline: Sequence[MissingRun],
) -> list[Order]:
    """Return where seeds were passed over although one half of their pair had ended.

    Who trains a setting on those seeds alone on which its baseline did badly has chosen seeds by
    results. So the seeds that were passed over are missing, in their place.
    """
    halves = (
        (own.by_seed, missing, others.by_seed, missing_of_baseline),
        (others.by_seed, missing_of_baseline, own.by_seed, missing),
    )
    passed_over: list[Order] = []
    for later, lacking, earlier, removed in halves:
        asked = later.keys() | {run.seed for run in lacking}
        unpaired = {seed: earlier[seed].ended for seed in earlier.keys() - asked}
        unpaired |= {run.seed: run.ended for run in removed if run.seed not in asked}
        if not unpaired:
            continue
        requests = {
            run.request.number
            for seed, run in later.items()
            if run.request is not None and _has_ended(earlier.get(seed), run.request.number)
        }
        passed_over += [
            (number, seed)
            for number in requests
            for seed, end in unpaired.items()
            if end is not None and end < number
        ]
    return passed_over


def _has_ended(run: AskedRun | None, number: int) -> bool:
    """Return whether a run had ended when a request was made."""
    return run is not None and run.ended is not None and run.ended < number


def _find_unmeasured(runs: SeedRuns, unmeasured: Collection[str]) -> set[int]:
    if not unmeasured:
        return set()
    return {seed for seed, run in runs.by_seed.items() if run.run_id in unmeasured}


def choose_test(
    choice: TestChoice,
    rows: Iterable[RowRuns],
    unstarted: Sequence[MissingRun],
    folders: int = 1,
) -> TestInForce:
    """Return the test that speaks about a family of rows.

    Args:
        choice: the value of ``--test``.
        rows: the runs of every row of the family.
        unstarted: runs that were asked for, of settings without any result.
        folders: in how many folders of run folders the runs are.
    """
    objection = _object_to_planned(list(rows), unstarted, folders)
    if choice is TestChoice.AUTO:
        if objection:
            return TestInForce(TestKind.ANYTIME, f"because {objection}")
        return TestInForce(
            TestKind.PLANNED, "because every run was asked for before the first of them had ended"
        )
    kind = TestKind(choice.value)
    reason = f"as --test {choice} asks"
    if objection and kind is TestKind.PLANNED:
        reason += f", although {objection}: its error rate does not hold"
    return TestInForce(kind, reason)


def _object_to_planned(
    rows: Sequence[RowRuns], unstarted: Sequence[MissingRun], folders: int
) -> str:
    """Return why the planned test does not hold; empty if it does."""
    runs = _list_visible(rows)
    requests = {id(run.request): run.request for run in runs}.values()
    purposes = {request.purpose for request in requests if request is not None}
    if Purpose.SEQUENTIAL in purposes:
        return "seeds were added until rows were decided"
    if Purpose.CONFIRMATION in purposes:
        return "seeds were added one after the other to confirm what a search chose"
    filtered = sum(len(row.filtered & set(row.common)) for row in rows)
    if filtered:
        return f"a filter leaves out {format_count(filtered, 'seed')} of these settings"
    unmeasured = sum(len(row.unmeasured & set(row.common)) for row in rows)
    if unmeasured:
        return f"{format_count(unmeasured, 'seed')} of these settings lack the metric"
    lacking = [*unstarted, *(run for row in rows for run in row.missing)]
    lacking = [run for run in lacking if not run.is_refused]
    missing = {run.run_id for run in lacking if not run.is_elsewhere}
    elsewhere = {run.run_id for run in lacking if run.is_elsewhere}
    if elsewhere and not missing:
        runs_elsewhere = format_count(len(elsewhere), "run")
        return f"a filter leaves out {runs_elsewhere} that other studies asked for"
    if missing:
        return f"{_count(missing)} asked for and {'lacks' if len(missing) == 1 else 'lack'} results"
    if folders > 1:
        return "the runs are in several folders, which have no common order"
    return _object_to_order(runs)


def _list_visible(rows: Iterable[RowRuns]) -> list[AskedRun]:
    """Return the runs of the visible pairs of all rows, of which many share a baseline."""
    visible: dict[int, tuple[SeedRuns, set[int]]] = {}
    for row in rows:
        for runs in (row.setting, row.baseline):
            visible.setdefault(id(runs), (runs, set()))[1].update(row.visible)
    listed = [runs.by_seed[seed] for runs, seeds in visible.values() for seed in seeds]
    return list({run.run_id: run for run in listed}.values())


def _object_to_order(runs: Sequence[AskedRun]) -> str:
    """Return why runs were not all asked for before the first of them had ended; empty if so."""
    unrecorded = [run for run in runs if run.request is None or run.ended is None]
    if unrecorded:
        return f"nothing records when {_count(unrecorded)} asked for"
    first_end = min((run.ended for run in runs if run.ended is not None), default=0)
    late = [run for run in runs if run.number > first_end]
    return f"{_count(late)} asked for after others had ended" if late else ""


def _count(runs: Sized) -> str:
    return f"{format_count(len(runs), 'run')} {'was' if len(runs) == 1 else 'were'}"
