"""How good is what `dropexp tune` finds? On made-up runs in seconds, or on digits in many minutes.

    python -m simulations.tuning made-up --repetitions 100
    python -m simulations.tuning digits --folder FOLDER --repetitions 10 --at-a-time 8

(from the folder scripts/). Both compare the setting that a search chooses with the full grid of
its space × 8 seeds: by the runs that each takes, and by the true validation loss of the chosen one
above that of the grid's best. On digits the losses are measured afterwards on 24 further seeds; the
command can be stopped, and resumes.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from dropexp.config.overrides import Interval
from dropexp.runs.records import RunSummary
from dropexp.runs.searches import SearchRecord, read_search
from dropexp.sweep.tuning.candidates import Candidate, Dimension, SeededCandidate, Space
from dropexp.sweep.tuning.search import run_search
from dropexp.sweep.tuning.trainer import SEARCH_SHARE
from dropexp.training.threads import count_cores

REGULARISERS = ("dropout2d", "spatial_dropout", "dropconnect", "stochastic_depth")
SPACE = Space({name: (Dimension("p", Interval(0.05, 0.7)),) for name in REGULARISERS})
GRID = tuple(
    SPACE.make_candidate(name, {"p": step / 20}) for name in REGULARISERS for step in range(1, 15)
)
GRID_SEEDS = 8
GRID_RUNS = (len(GRID) + 1) * GRID_SEEDS
CLOSE = 0.01
"""A chosen setting is as good as the best one if its loss is within this many nats."""

STUDY = "tuned"


# --- made-up runs ---------------------------------------------------------------------------------

_AT = (0.05, 0.2, 0.35, 0.5, 0.65, 0.75)
_CURVES = {
    "dropout2d": ((-0.001, 0.007, 0.018, 0.036, 0.055, 0.07), 0.013),
    "spatial_dropout": ((0.0, 0.0, 0.002, 0.017, 0.129, 0.25), 0.015),
    "dropconnect": ((-0.008, -0.013, -0.009, -0.001, 0.016, 0.03), 0.010),
    "stochastic_depth": ((0.004, -0.002, -0.005, 0.013, 0.043, 0.07), 0.021),
}
"""Validation loss − that of none at _AT, and its standard deviation over seeds, in nats: about
those of digits, as six seeds of each measured them."""


class MadeUpLosses:
    """Differences from none with a seed's noise, of which a part is shared along p.

    Args:
        number: of the repetition.
    """

    def __init__(self, number: int) -> None:
        self._rng = np.random.default_rng(number)
        self._shared: dict[tuple[str, int], NDArray[np.float64]] = {}
        self._own: dict[SeededCandidate, float] = {}

    def __call__(self, candidate: Candidate, seed: int) -> float:
        """Return the difference of a setting on a seed; always the same."""
        name, spread = candidate.regulariser, _CURVES[candidate.regulariser][1]
        if (name, seed) not in self._shared:
            self._shared[name, seed] = 0.6 * spread * self._rng.normal(size=2)
        if (candidate, seed) not in self._own:
            self._own[candidate, seed] = 0.75 * spread * float(self._rng.normal())
        level, slope = self._shared[name, seed]
        along = (_get_p(candidate) - 0.35) / 0.3
        return true_loss(candidate) + float(level + slope * along) + self._own[candidate, seed]


def true_loss(candidate: Candidate) -> float:
    """Return the expected difference of a setting from none, in nats."""
    return float(np.interp(_get_p(candidate), _AT, _CURVES[candidate.regulariser][0]))


def _get_p(candidate: Candidate) -> float:
    return float(dict(candidate.values)["p"])


def choose_made_up(number: int, budget: int) -> Candidate:
    """Return what a search chooses.

    Args:
        number: of the repetition.
        budget: in runs, with those of the confirmation.
    """
    losses = MadeUpLosses(number)
    asked: set[object] = set()

    def evaluate(batch: Sequence[SeededCandidate]) -> Mapping[SeededCandidate, float]:
        results = {}
        for candidate, seed in batch:
            runs = asked | {(candidate, seed), seed}
            if len(runs) > int(SEARCH_SHARE * budget):
                break
            asked.update(runs)
            results[candidate, seed] = losses(candidate, seed)
        return results

    search = run_search(SPACE, 1000 * number, evaluate)
    return (search.best or search.best_of_each[0]).candidate


def simulate(repetitions: int, budget: int) -> None:
    """Print how often a search and the full grid find a setting that is close to the best."""
    best = min(map(true_loss, GRID))

    def from_grid(number: int) -> Candidate:
        losses = MadeUpLosses(number)
        return min(GRID, key=lambda each: fmean(losses(each, s) for s in range(GRID_SEEDS)))

    ways = (
        ("full grid", GRID_RUNS, from_grid),
        ("dropexp tune", budget, partial(choose_made_up, budget=budget)),
    )
    for name, runs, choose in ways:
        above = [true_loss(choose(number)) - best for number in range(repetitions)]
        close = sum(each <= CLOSE for each in above)
        print(
            f"{name}: {runs} runs, within {CLOSE} nats of the best in {close} of {repetitions} "
            f"repetitions, mean {fmean(above):.4f} nats above it"
        )


# --- digits ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Digits:
    """The measurement on digits.

    Attributes:
        folder: of all runs; what is there already is not trained again.
        budget: of each search, as ``--budget`` takes it.
        repetitions: searches, each with seeds of its own.
        at_a_time: searches that go on together; together they use all cores.
        words: further overrides of every run.
    """

    folder: Path
    budget: str
    repetitions: int
    at_a_time: int
    words: tuple[str, ...]

    def measure(self) -> None:
        """Train what is left, and print the result."""
        with ThreadPoolExecutor(self.at_a_time) as pool:
            records = list(pool.map(self._search, range(self.repetitions)))
        grid = self._losses(GRID, range(GRID_SEEDS))
        finalists = sorted(GRID, key=lambda each: fmean(grid[each]))[:5]
        chosen = [_chosen(record) for record in records]
        seeds = range(90_000, 90_024)
        truth = self._losses(list(dict.fromkeys([*finalists, *chosen])), seeds)
        # What the grid would choose, and the best of its first five on the further seeds: with
        # these, luck on 24 seeds speaks for the grid.
        references = (fmean(truth[finalists[0]]), min(fmean(truth[each]) for each in finalists))
        close = [0, 0]
        for record, each in zip(records, chosen, strict=True):
            above = [fmean(truth[each]) - reference for reference in references]
            close = [count + (a <= CLOSE) for count, a in zip(close, above, strict=True)]
            verdict = record.confirmed[0].verdict if record.confirmed else "nothing to confirm"
            print(
                f"{record.first_seed:>6}  {each.name:<26} {above[0]:+.4f} and {above[1]:+.4f} nats "
                f"{record.runs} runs ({record.runs / GRID_RUNS:.2f} of {GRID_RUNS})  {verdict}"
            )
        print(
            f"true validation loss within {CLOSE} nats of {finalists[0].name}, which the grid "
            f"chooses: {close[0]} of {self.repetitions}; of the best of the grid's first five: "
            f"{close[1]} of {self.repetitions}"
        )

    def _search(self, number: int) -> SearchRecord:
        runs_dir = self.folder / f"search-{number}"
        threads = max(1, count_cores() // self.at_a_time)
        self._call(
            "tune",
            f"seed={2000 * number}",
            f"study={STUDY}",
            f"runs_dir={runs_dir}",
            f"hydra.launcher.n_jobs={threads}",
            "--budget",
            self.budget,
        )
        record = read_search(runs_dir, STUDY)
        assert record is not None
        return record

    def _losses(
        self, candidates: Sequence[Candidate], seeds: range
    ) -> Mapping[Candidate, list[float]]:
        """Return the validation losses of settings at the best epoch, seed by seed."""
        runs_dir = self.folder / "grid"
        for name in REGULARISERS:
            values = [_get_p(each) for each in candidates if each.regulariser == name]
            if values:
                listed = ",".join(f"{value:g}" for value in values)
                seed = f"seed=range({seeds.start},{seeds.stop})"
                place = (f"runs_dir={runs_dir}", "model.shortcut=true")
                # With none, as dropexp warns of a sweep without a baseline.
                self._call("sweep", f"regulariser=none,{name}", f"p={listed}", seed, *place)
        summaries = [
            RunSummary.from_json(json.loads(path.read_text()))
            for path in runs_dir.glob("*/summary.json")
        ]
        losses = {
            (each.regulariser, each.p, each.seed): each.best.val_loss if each.best else math.inf
            for each in summaries
        }
        return {
            each: [losses[each.regulariser, _get_p(each), seed] for seed in seeds]
            for each in candidates
        }

    def _call(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "dropexp", *arguments, *self.words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _chosen(record: SearchRecord) -> Candidate:
    """Return the setting that a search confirmed; else the best of those tried on all seeds."""
    if record.confirmed:
        one = record.confirmed[0]
        return Candidate(one.regulariser, tuple(one.values.items()))
    complete = [each for each in record.tried if each.is_complete] or list(record.tried)
    best = min(complete, key=lambda each: fmean(v or 0.0 for v in each.differences.values()))
    return Candidate(best.regulariser, tuple(best.values.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="what", required=True)
    made_up = commands.add_parser("made-up", help="made-up runs")
    made_up.add_argument("--repetitions", type=int, default=100)
    made_up.add_argument("--budget", type=int, default=150, help="runs")
    digits = commands.add_parser("digits", help="real runs")
    digits.add_argument("--folder", type=Path, required=True)
    digits.add_argument("--repetitions", type=int, default=10)
    digits.add_argument("--budget", default="150runs")
    digits.add_argument("--at-a-time", type=int, default=4, help="searches that go on together")
    digits.add_argument("words", nargs="*", help="further overrides, such as train.epochs=5")
    given = parser.parse_args()
    if given.what == "made-up":
        simulate(given.repetitions, given.budget)
    else:
        folder = given.folder.resolve()
        Digits(
            folder, given.budget, given.repetitions, given.at_a_time, tuple(given.words)
        ).measure()


if __name__ == "__main__":
    main()
