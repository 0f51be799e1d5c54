"""What a sweep can find: its rows, its paired seeds, and the power of the test that will speak."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.compare.baselines import find_baselines
from dropexp.compare.grouping import make_settings_without_runs
from dropexp.compare.rules import ALPHA
from dropexp.runs.ledger import Ledger, Purpose, read_ledger
from dropexp.runs.studies import Study, list_study_names, read_study
from dropexp.runs.write import RunFolder
from dropexp.statistics import anytime_power, planned_power, smallest_flip_p
from dropexp.sweep.budget import MOST_SEEDS
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.plan import make_study
from dropexp.terminal.numbers import format_count

EFFECT = 1.5
"""The difference that a plan is described by, in standard deviations of the paired differences."""

USUAL_SEEDS = 8
"""Seeds of a study of which nobody says how many: they find EFFECT among four rows with
probability 0.77."""

_LARGE_EFFECT = 2.5
_PLANNED = (Purpose.SWEEP, Purpose.REGISTERED)


@dataclass(frozen=True)
class Design:
    """What a study can show, whatever its results will be.

    Attributes:
        settings: how many there are.
        pairs: for each setting with a baseline, the seeds that both have or will have.
        is_anytime: whether seeds or settings join a study in which a run has ended, so that the
            anytime test will speak.
        has_regulariser: whether any setting has one.
        seeds: of all runs, ascending.
    """

    settings: int
    pairs: tuple[int, ...]
    is_anytime: bool
    has_regulariser: bool = True
    seeds: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """How many settings are tested."""
        return sum(map(bool, self.pairs))

    def power(self, effect: float = EFFECT) -> float:
        """Return the probability that a row with a true difference is found; 0 without rows.

        Args:
            effect: the difference in standard deviations of the paired differences.
        """
        if not self.rows:
            return 0.0
        test = anytime_power if self.is_anytime else planned_power
        return test(effect, max(self.pairs), self.rows, ALPHA)


def find_design(request: SweepRequest, runs_dir: Path) -> Design:
    """Return the design of the study that a sweep makes or adds to.

    Args:
        request: the sweep.
        runs_dir: its folder of run folders.
    """
    study = make_study(request)
    if study.name in list_study_names(runs_dir):
        study = read_study(runs_dir, study.name).merge(study)
    return Design(
        settings=len(study.settings),
        pairs=_count_pairs(study),
        is_anytime=_will_be_anytime(study, runs_dir),
        has_regulariser=any(each["regulariser.name"] != "none" for each in study.settings),
        seeds=tuple(sorted({member.seed for member in study.members})),
    )


def describe_design(design: Design) -> str:
    """Return the sentence on what a design finds; empty where nothing is tested."""
    if not design.rows:
        return ""
    fewest, most = min(filter(None, design.pairs)), max(design.pairs)
    seeds = format_count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    test = (
        "anytime test, as runs have ended before others were asked for"
        if design.is_anytime
        else "planned test"
    )
    return (
        f"{format_count(design.rows, 'row')}, {seeds}: a difference of {EFFECT:g} SD of the paired "
        f"differences is found with probability {design.power():.2f} ({test})"
    )


def find_design_problem(design: Design) -> str:
    """Return why a design cannot conclude, and what to type; empty where it can."""
    if design.settings < 2:
        return ""
    if not design.pairs:
        return _explain_no_baseline(design)
    if design.power(_LARGE_EFFECT) > ALPHA:
        return ""
    pairs = max(design.pairs)
    if not pairs:
        return "this sweep cannot conclude: no setting has a seed in common with its baseline"
    needed = _find_needed_seeds(design)
    return (
        f"this sweep cannot conclude: with {format_count(pairs, 'paired seed')} and "
        f"{format_count(design.rows, 'row')} {_explain_floor(design)}. "
        f"Ask for {needed} seeds: {continue_seeds(design.seeds, needed)}"
    )


def continue_seeds(seeds: Sequence[int], number: int) -> str:
    """Return what to type for so many seeds that begin with these.

    Args:
        seeds: ascending and different.
        number: of seeds, not fewer than there are.
    """
    first = seeds[0] if seeds else 0
    if not seeds or list(seeds) == list(range(first, first + len(seeds))):
        start = f"{first}," if first else ""
        return f"'seed=range({start}{first + number})'"
    more = range(seeds[-1] + 1, seeds[-1] + 1 + number - len(seeds))
    return f"seed={','.join(map(str, [*seeds, *more]))}"


def _explain_no_baseline(design: Design) -> str:
    if design.has_regulariser:
        return (
            "no setting of this sweep has its baseline in it (none, all else equal), so that there "
            "is nothing to test; add none: regulariser=none,…"
        )
    return (
        "no setting of this sweep has a baseline: every one is none; dropexp compare --baseline "
        "SETTING tests them against one of them"
    )


def _explain_floor(design: Design) -> str:
    if design.is_anytime:
        return (
            "the anytime test, which speaks where seeds join finished runs, finds hardly any "
            "difference, however large"
        )
    return f"no p-value is below {smallest_flip_p(max(design.pairs)):.2g}, whatever the results"


def _find_needed_seeds(design: Design) -> int:
    """Return seeds that find a difference of 1.5 SD in about half of such studies, or more."""
    if not design.is_anytime:
        return USUAL_SEEDS
    return next(
        (
            seeds
            for seeds in range(USUAL_SEEDS, MOST_SEEDS)
            if anytime_power(EFFECT, seeds, design.rows, ALPHA) >= 0.5
        ),
        MOST_SEEDS,
    )


def _count_pairs(study: Study) -> tuple[int, ...]:
    settings = make_settings_without_runs(
        {str(index): fields for index, fields in enumerate(study.settings)}
    )
    seeds: dict[str, set[int]] = {setting.name: set() for setting in settings}
    for member in study.members:
        seeds[str(member.setting)].add(member.seed)
    baselines = find_baselines([(setting, []) for setting in settings]).by_setting
    return tuple(len(seeds[name] & seeds[baseline.name]) for name, baseline in baselines.items())


def _will_be_anytime(study: Study, runs_dir: Path) -> bool:
    """Return whether one of the runs has ended before another one was asked for, or will have.

    Runs that were asked for because of results are no part of a plan either.
    """
    ledger = read_ledger(runs_dir)
    requests = [ledger.asked(member.run_id) for member in study.members]
    if any(request and request.purpose not in _PLANNED for request in requests):
        return True
    last = max((request.number for request in requests if request), default=0)
    ends = [_find_end(runs_dir, member.run_id, ledger) for member in study.members]
    ended = [end for end in ends if end is not None]
    return bool(ended) and (None in requests or min(ended) < last)


def _find_end(runs_dir: Path, run_id: str, ledger: Ledger) -> int | None:
    """Return the place in the ledger at which a run ended; -1 if it is not known when it did."""
    recorded = ledger.ended(run_id)
    if recorded is not None:
        return recorded
    return -1 if RunFolder(runs_dir, run_id).has_ended else None
