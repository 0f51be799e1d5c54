"""Assert on random tables that the fast tests of replay.py say what the real compare() says."""

import numpy as np

from dropexp.compare import Question, compare
from dropexp.compare.results import Comparison
from dropexp.compare.rules import TestKind
from dropexp.runs.question_types import TestChoice
from dropexp.statistics import Verdict
from simulations import replay
from simulations.laws import LAWS, SKEWED, Array
from simulations.runs import make_found_runs
from simulations.work import Work

TABLES = 20
_P_TOLERANCE = 1e-4  # the fast test calculates in single precision


def find_claims(comparison: Comparison) -> list[Verdict]:
    """Return the verdicts better and worse of a table."""
    verdicts = [row.verdict for row in comparison.rows]
    return [each for each in verdicts if each in (Verdict.BETTER, Verdict.WORSE)]


def check_against_compare(work: Work) -> str:
    """Raise AssertionError if a fast test differs from compare(); return what was checked.

    Raises:
        AssertionError: says on which table.
    """
    share = TABLES / work.repetitions if work.repetitions else 1.0
    claims = work.simulate(compare_random_tables, ["tables"], share)["tables"]
    return (
        f"The fast tests and the real `compare()` agree on {len(claims)} random tables, looked at "
        f"once and again after more seeds, in {int(claims.sum())} of which something was claimed."
    )


def compare_random_tables(cell: str, generator: np.random.Generator, tables: int) -> Array:
    """Return for random tables whether compare() claims something; raise where replay differs."""
    claims = np.zeros((tables, 1))
    laws = (*LAWS, SKEWED)
    for table in range(tables):
        law = laws[generator.integers(len(laws))]
        rows, seeds = int(generator.choice([1, 4, 20])), int(generator.choice([8, 12, 18, 40]))
        values = law.draw(generator, (1, 1 + rows, seeds))[0]
        if generator.random() < 0.5:
            values[1:] -= generator.choice([0.0, 1.0, 2.0], size=(rows, 1))
        claims[table] = _check_table(values, f"table {table} of {cell} ({law.name})")
    return claims


def _check_table(values: Array, name: str) -> bool:
    """Return whether something is claimed once more seeds have been added."""
    found = make_found_runs(values, looks=(6,))
    planned = compare(found, Question(test=TestChoice.PLANNED))
    scores = replay.score_planned(values)
    p = replay.smallest_p([row.adjusted_p for row in planned.rows])
    assert abs(p - replay.planned_p_value(scores)) < _P_TOLERANCE, f"planned p of {name}"
    alarms = replay.find_planned_alarms(values)
    assert bool(find_claims(planned)) == alarms[-1], f"planned claims of {name}"
    anytime = compare(found)
    assert anytime.test.kind is TestKind.ANYTIME, f"{name}: seeds were added after a look"
    evidence = replay.find_evidence(values)[:, -1]
    shown = [row.evidence or 0.0 for row in anytime.rows[1:]]
    assert np.allclose(shown, evidence), f"evidence of {name}"
    alarms = replay.find_anytime_alarms(values)
    assert bool(find_claims(anytime)) == alarms[-1], f"anytime claims of {name}"
    once = compare(make_found_runs(values))
    assert once.test.kind is TestKind.PLANNED, f"{name}: all runs were asked for first"
    assert find_claims(once) == find_claims(planned), f"claims at one look of {name}"
    return bool(find_claims(anytime))
