"""From a comparison to learning curves: one for each setting without its training-set size."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.estimates import MetricValues, estimate_mean
from dropexp.compare.learning.results import (
    SIZE_KEY,
    CurvePoint,
    LearningCurve,
    LearningCurves,
)
from dropexp.compare.learning.worth import (
    FEWEST_SEEDS,
    SizeTable,
    describe_law,
    measure_worths,
    pool_variances,
)
from dropexp.compare.results import Comparison, Row
from dropexp.compare.rules import TestKind
from dropexp.config.setting import name_settings, setting_key
from dropexp.errors import UserError
from dropexp.runs.metric_types import Metric, Unit
from dropexp.runs.metrics import deciding_metrics
from dropexp.statistics import FEWEST_SIZES
from dropexp.terminal.numbers import format_count, list_few


def measure_learning_curves(
    comparison: Comparison, answer_size: int | None = None
) -> LearningCurves:
    """Measure the learning curves of a comparison.

    Args:
        comparison: of settings with several values of data.train_size.
        answer_size: the size at which worth is answered; None: the middle one of those that a
            setting with a baseline has.

    Raises:
        UserError: the metric is no result on unseen images, the sizes are too few, or no setting
            was trained on ``answer_size`` images.
    """
    _refuse_metric(comparison.metric)
    lines, notes = _collect_lines(comparison)
    sizes = sorted({size for line in lines for size in line.rows})
    if not any(len(line.rows) >= FEWEST_SIZES for line in lines):
        raise UserError(
            f"learning-curve needs a setting with at least {FEWEST_SIZES} values of {SIZE_KEY}; "
            f"found: {', '.join(map(str, sizes)) or 'none'}. Train more: dropexp sweep "
            f"study=learning_curve"
        )
    if answer_size is not None and answer_size not in sizes:
        raise UserError(
            f"--images {answer_size} is no value of {SIZE_KEY} in these runs. Allowed: "
            f"{', '.join(map(str, sizes))}."
        )
    tables = [line.read(comparison) for line in lines]
    variances = pool_variances(
        [
            (list(line.rows), values)
            for line, (seeds, values) in zip(lines, tables, strict=True)
            if len(seeds) >= 2
        ]
    )
    measured = {
        line.name: _Measured(line, seeds, _make_table(line, values, variances))
        for line, (seeds, values) in zip(lines, tables, strict=True)
    }
    curves = [_measure_curve(each, comparison) for each in measured.values()]
    curves = [_add_worths(curve, measured, curves, comparison) for curve in curves]
    return LearningCurves(
        tuple(curves),
        comparison,
        answer_size or _choose_size(curves, sizes),
        (*notes, *_describe_seeds(lines, curves), *_describe_looks(comparison)),
    )


def count_learning_curves(comparison: Comparison) -> int:
    """Return how many curves measure_learning_curves would return, without the time it takes."""
    return len(_collect_lines(comparison)[0])


@dataclass(frozen=True)
class _Line:
    """The rows of a comparison that differ in their size only, by size."""

    name: str
    rows: Mapping[int, Row]

    @property
    def seeds_of_any(self) -> set[int]:
        return {seed for row in self.rows.values() for seed in row.setting.runs.seeds}

    def read(self, comparison: Comparison) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """Return the seeds with a result at every size, and the results, shape (seeds, sizes)."""
        values = MetricValues(
            [row.setting for row in self.rows.values()], comparison.at, comparison.target
        )
        columns = [values.by_seed(row.setting, comparison.metric) for row in self.rows.values()]
        common = sorted(set.intersection(*(set(column) for column in columns)))
        table = [[column[seed] for column in columns] for seed in common]
        known = [seed for seed, row in zip(common, table, strict=True) if None not in row]
        numbers = np.array([row for row in table if None not in row], dtype=np.float64)
        numbers = numbers.reshape(len(known), len(columns))
        return tuple(known), 1 - numbers if comparison.metric.sign < 0 else numbers


@dataclass(frozen=True)
class _Measured:
    """A line with its seeds and, where they are two or more, the table of its results."""

    line: _Line
    seeds: tuple[int, ...]
    table: SizeTable

    def restrict(self, seeds: Sequence[int]) -> SizeTable:
        """Return the table of some of its seeds, in their order."""
        places = [self.seeds.index(seed) for seed in seeds]
        return replace(self.table, values=self.table.values[places])


def _refuse_metric(metric: Metric) -> None:
    """Raise UserError unless the metric is a loss or an accuracy on unseen images."""

    def can_fall_to_a_limit(each: Metric) -> bool:
        return not each.results and each.unit in (Unit.NATS, Unit.FRACTION)

    if can_fall_to_a_limit(metric):
        return
    allowed = ", ".join(each.key for each in deciding_metrics() if can_fall_to_a_limit(each))
    raise UserError(
        f"--metric {metric.key} has no learning curve: it is no loss or accuracy on unseen images. "
        f"Allowed: {allowed}."
    )


def _collect_lines(comparison: Comparison) -> tuple[list[_Line], list[str]]:
    """Return the lines, and sentences on the settings whose size is no number of images."""
    by_key: dict[str, dict[int, Row]] = {}
    left_out = []
    for row in comparison.rows:
        fields = row.setting.fields
        size = fields.get(SIZE_KEY)
        if not isinstance(size, int):
            left_out.append(row.setting.name)
            continue
        by_key.setdefault(_key_without_size(fields), {})[size] = row
    groups = [dict(sorted(rows.items())) for rows in by_key.values()]
    fields_of = [
        {k: v for k, v in next(iter(rows.values())).setting.fields.items() if k != SIZE_KEY}
        for rows in groups
    ]
    lines = [_Line(name, rows) for name, rows in zip(name_settings(fields_of), groups, strict=True)]
    if not left_out:
        return lines, []
    return lines, [
        f"{list_few(left_out, noun='setting')} {'is' if len(left_out) == 1 else 'are'} left out: "
        f"{SIZE_KEY} is no number of images there."
    ]


def _make_table(
    line: _Line, values: NDArray[np.float64], variances: Mapping[int, float]
) -> SizeTable:
    sizes = np.array(list(line.rows), dtype=np.float64)
    return SizeTable(sizes, values, np.array([variances.get(size, 1.0) for size in line.rows]))


def _measure_curve(measured: _Measured, comparison: Comparison) -> LearningCurve:
    line, seeds, table = measured.line, measured.seeds, measured.table
    law = band = None
    fitted = [math.nan] * len(line.rows)
    if len(seeds) >= 2 and len(line.rows) >= FEWEST_SIZES:
        law, band = describe_law(table, comparison.confidence)
        fitted = [law.a + law.b * size**-law.c.value for size in line.rows]
    gap_key = "acc_gap" if comparison.metric.unit is Unit.FRACTION else "loss_gap"
    points = tuple(
        CurvePoint(
            size,
            estimate_mean(column, comparison.metric, comparison.confidence),
            row.estimates.get(gap_key),
            value,
        )
        for (size, row), column, value in zip(
            line.rows.items(), table.values.T.tolist(), fitted, strict=True
        )
    )
    first = next(iter(line.rows.values())).setting
    return LearningCurve(
        line.name, first, seeds, points, law, band, _find_baseline(line, comparison)
    )


def _key_without_size(fields: Mapping[str, Any]) -> str:
    """Return a key that is equal for settings that differ in their size only."""
    return setting_key({name: value for name, value in fields.items() if name != SIZE_KEY})


def _find_baseline(line: _Line, comparison: Comparison) -> str | None:
    """Return the key of the one other line that all baselines of a line belong to."""
    baselines = [row.baseline for row in line.rows.values() if row.baseline is not None]
    keys = {_key_without_size(comparison.row(name).setting.fields) for name in baselines}
    own = _key_without_size(next(iter(line.rows.values())).setting.fields)
    return keys.pop() if len(keys) == 1 and own not in keys else None


def _add_worths(
    curve: LearningCurve,
    measured: Mapping[str, _Measured],
    curves: Sequence[LearningCurve],
    comparison: Comparison,
) -> LearningCurve:
    """Return a curve with the name of its baseline, and its worths or why it has none."""
    if curve.baseline is None:
        return curve
    others = {_key_without_size(each.setting.fields): each for each in curves}
    baseline = others[curve.baseline]
    curve = replace(curve, baseline=baseline.name)
    common = [seed for seed in curve.seeds if seed in baseline.seeds]
    reason = _refuse_worth(curve, baseline, len(common))
    if reason:
        return replace(curve, no_worth=reason)
    worths = measure_worths(
        measured[curve.name].restrict(common),
        measured[baseline.name].restrict(common),
        [point.size for point in curve.points],
        comparison.confidence,
    )
    return replace(curve, worths=tuple(worths))


def _refuse_worth(curve: LearningCurve, baseline: LearningCurve, seeds: int) -> str:
    """Return why a worth cannot be said; empty where it can."""
    if seeds < FEWEST_SEEDS:
        return (
            f"{curve.name} and {baseline.name} have {format_count(seeds, 'seed')} with a result at "
            f"every size in common; a worth needs {FEWEST_SEEDS}."
        )
    for each in (baseline, curve):
        if each.law is None:
            return (
                f"{each.name} was trained on {format_count(len(each.points), 'size')}; a power law "
                f"needs {FEWEST_SIZES}."
            )
        if each.law.misfit is not None:
            return (
                f"The power law does not fit {each.name}: at {each.law.misfit:,} images it is "
                f"{each.law.miss:+.3g} from the mean. Leave the sizes out where the law does not "
                f"hold, such as '{SIZE_KEY}>{each.points[0].size}'."
            )
    return ""


def _choose_size(curves: Sequence[LearningCurve], sizes: Sequence[int]) -> int:
    compared = {point.size for curve in curves if curve.baseline for point in curve.points}
    choices = sorted(compared) or sizes
    return choices[len(choices) // 2]


def _describe_seeds(lines: Sequence[_Line], curves: Sequence[LearningCurve]) -> list[str]:
    """Return a sentence on each curve that leaves seeds out."""
    return [
        f"{curve.name} leaves out {format_count(missing, 'seed')} without a result at every size."
        for line, curve in zip(lines, curves, strict=True)
        if (missing := len(line.seeds_of_any) - len(curve.seeds))
    ]


def _describe_looks(comparison: Comparison) -> list[str]:
    if comparison.test.kind is not TestKind.ANYTIME:
        return []
    return [
        "The intervals here are for a number of seeds that was chosen before any result was seen. "
        f"That is not known, {comparison.test.reason}: they may be too narrow. The verdicts of "
        "dropexp compare hold however often results are looked at."
    ]
