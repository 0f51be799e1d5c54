"""Part "headline": how much the named setting looks better than it is, by how it was chosen."""

import math

import numpy as np

from dropexp.compare import Question, compare
from dropexp.compare.headline import describe_choice
from dropexp.compare.results import Row
from simulations.laws import Array
from simulations.runs import make_found_runs
from simulations.text import format_table
from simulations.work import Work

ROWS, SEEDS = 20, 8
SHARE = 0.25
"""Of the repetitions: each table is a call of compare() with forecasts."""
BEST = (0.5, 1.0, 1.5)
CORRELATIONS = (0.0, 0.7)
Cell = tuple[float, float]

INTRODUCTION = f"""\
Studies of {ROWS} rows and {SEEDS} seeds whose true effects rise to a best one and fall again: the
mean difference on test images that is reported, divided by the mean true effect of the settings
named, with its standard error; 1 is honest. *Shared* is the correlation of the paired differences
on validation and on test images within a setting: 0.67 in 120 pairs of default runs on digits
(November 2026). A network that came out well is better on both, so that choosing on validation
results removes the luck of the test images only. The report therefore also gives the *held-out*
size, in which each seed measures the setting that the other seeds choose."""


def simulate(work: Work) -> list[str]:
    """Return the part's lines of Markdown."""
    cells = [(best, shared) for best in BEST for shared in CORRELATIONS]
    results = work.simulate(simulate_headlines, cells, SHARE)
    head = ["best true effect, shared", "chosen on test", "headline: chosen on validation"]
    head += ["held-out size of the headline", "true effect of the headline ÷ the best one"]
    body = []
    for best, shared in cells:
        pairs = results[best, shared].reshape(-1, 3, 2)
        ratios = [_format_ratio(pairs[:, k]) for k in range(3)]
        share = pairs[:, 1, 1].mean() / best
        body.append([f"{best:g} SD, {shared:g}", *ratios, f"{share:.2f}"])
    return [INTRODUCTION, "", *format_table(head, body)]


def _format_ratio(pairs: Array) -> str:
    """Return mean reported ÷ mean true with its standard error by the delta method."""
    reported, true = pairs.mean(axis=0)
    ratio = reported / true
    error = np.std(pairs[:, 0] - ratio * pairs[:, 1]) / true / math.sqrt(len(pairs))
    return f"{ratio:.2f} ± {error:.2f}"


def simulate_headlines(cell: Cell, generator: np.random.Generator, tables: int) -> Array:
    """Return what is reported and what is true for three reports, in SD, shape (tables, 6)."""
    best, shared = cell
    places = np.linspace(-1, 1, ROWS)
    effects = np.concatenate([[0.0], best * (1 - 1.5 * (places - 0.2) ** 2)])
    results = []
    for _ in range(tables):
        common, on_test, on_validation = generator.standard_normal((3, 1 + ROWS, SEEDS))
        # A difference of two runs has a variance of 1.
        signal = math.sqrt(shared / 2) * common - effects[:, None]
        test = signal + math.sqrt((1 - shared) / 2) * on_test
        validation = signal + math.sqrt((1 - shared) / 2) * on_validation
        found = make_found_runs(test, validation=validation)
        comparison = compare(found, Question())
        rows = [row for row in comparison.rows if row.pairs]
        by_name = {row.setting.name: effect for row, effect in zip(rows, effects[1:], strict=True)}
        best_on_test = min(rows, key=lambda row: row.mean_score)
        headline = describe_choice(comparison)
        assert headline is not None
        true = by_name[headline.row.setting.name]
        results.append(
            [
                *(_report(best_on_test), by_name[best_on_test.setting.name]),
                *(_report(headline.row), true),
                *(-headline.held_out.value, true),
            ]
        )
    return np.array(results)


def _report(row: Row) -> float:
    assert row.difference is not None
    return -row.difference.value
