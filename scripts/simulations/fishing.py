"""Part "fishing": false alarms of the best of many filters, by the real command's functions."""

import tempfile
from pathlib import Path

import numpy as np

from dropexp.compare import compare, find_runs
from dropexp.statistics import sign_flip_p_value, step_down_max_t
from simulations.checking import find_claims
from simulations.folders import STUDY, StudyFolder
from simulations.laws import Array
from simulations.replay import ALPHA, score_planned
from simulations.text import format_alarms, format_share, format_table
from simulations.work import Work

ROWS, SEEDS = 20, 12  # with fewer seeds the anytime test of 20 rows cannot claim anything
SHARE = 0.5
"""Of the repetitions: each table is two calls of the command on 252 run folders."""

INTRODUCTION = f"""\
Planned studies of {ROWS} rows and {SEEDS} seeds in which nothing differs, as run folders with a
ledger, and somebody who tries every filter and reports the one that looks best. False alarms in
percent, nominal 5. *As if the filter had been the question* takes the filtered runs alone into the
test. The command corrects for the whole study that the runs belong to, and if seeds are filtered
away, lets the anytime test speak, up to the first seed that is left out."""
_NAMES = (
    "the row with the smallest p: `study=NAME p=0,P`",
    "all rows without one seed: `study=NAME seed!=S`",
)


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    hits = work.simulate(simulate_cell, ["null"], SHARE)["null"]
    head = ("filter", "`dropexp compare`", "as if the filter had been the question")
    body = [
        (name, format_alarms(hits[:, 2 * k], speaks=True), format_share(hits[:, 2 * k + 1]))
        for k, name in enumerate(_NAMES)
    ]
    return [f"{INTRODUCTION} {len(hits)} studies.", "", *format_table(head, body)]


def simulate_cell(cell: str, generator: np.random.Generator, tables: int) -> Array:
    """Return false alarms, shape (tables, 4): for each filter the command's, and the naive ones."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / cell
        study = StudyFolder(folder, ROWS, SEEDS)
        hits = []
        for _ in range(tables):
            values = generator.standard_normal((1 + ROWS, SEEDS))
            study.write_results(values, values)
            row, p_of_row = _find_best_row(values)
            seed, p_of_seeds = _find_best_seeds(values)
            hits.append(
                [
                    _claims(folder, f"p=0,{study.strengths[row]:g}"),
                    p_of_row <= ALPHA,
                    _claims(folder, f"seed!={seed}"),
                    p_of_seeds <= ALPHA,
                ]
            )
    return np.array(hits, dtype=float)


def _claims(runs_dir: Path, text: str) -> bool:
    """Return whether ``dropexp compare study=… FILTER`` claims a difference."""
    return bool(find_claims(compare(find_runs([f"study={STUDY}", text], runs_dir))))


def _find_best_row(values: Array) -> tuple[int, float]:
    p_values = [sign_flip_p_value(row) for row in score_planned(values)]
    row = int(np.argmin(p_values))
    return row, p_values[row]


def _find_best_seeds(values: Array) -> tuple[int, float]:
    """Return the seed without which the planned test's smallest p-value is smallest, and that."""
    p_values = [
        float(step_down_max_t(np.delete(score_planned(values), seed, axis=1)).min())
        for seed in range(SEEDS)
    ]
    seed = int(np.argmin(p_values))
    return seed, p_values[seed]
