"""The result types of a comparison: one row for each setting, and what a reader needs to know.

They are frozen values. Tables, files, charts and reports are made from them. Imports no torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dropexp.compare.question import Question
from dropexp.compare.rules import Rule, TestInForce
from dropexp.compare.settings import Setting
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.statistics import Estimate, SeedForecast, Verdict


class Pair(NamedTuple):
    """The values of the deciding metric for a setting and for its baseline, with one seed.

    A value is None where the run diverged or the metric is not finite: that run loses the pair.
    A seed for which the metric was not measured has no pair.

    Attributes:
        seed: the run seed of both.
        baseline: the value of the baseline, in the metric's unit.
        value: the value of the setting, in the metric's unit.
    """

    seed: int
    baseline: float | None
    value: float | None

    @property
    def difference(self) -> float:
        """The setting's value − the baseline's; NaN where one of them is None."""
        if self.value is None or self.baseline is None:
            return math.nan
        return self.value - self.baseline


@dataclass(frozen=True, slots=True)
class Half:
    """The difference to the baseline at another epoch than the compared one, tested likewise.

    Attributes:
        at: the epoch: the last one where runs are compared at their best one, and the reverse.
        difference: the mean of setting − baseline, in the metric's unit and direction.
        verdict: what may be claimed.
    """

    at: EpochChoice
    difference: Estimate
    verdict: Verdict


@dataclass(frozen=True)
class Row:
    """One setting: its means over seeds, and its paired comparison with its baseline.

    Attributes:
        setting: the setting with its runs.
        estimates: metric key → the mean over completed runs with its t interval; a key is absent
            where no run of the setting has the number.
        parameters: how many numbers of the network are trained; 0 where that is not known.
        baseline: the name of the baseline; None where there is none, and then the attributes
            below keep their defaults.
        pairs: the values of the deciding metric, in the order of seeds.
        difference: the mean of setting − baseline over the pairs in which both have a value, in
            the metric's unit and direction, with the interval of the test that spoke.
        better: the probability that the setting is better with a new seed.
        pairs_better: in how many pairs it is better; a diverged run loses its pair.
        mean_score: the mean difference that the test uses, diverged runs included; below 0 is
            better.
        selection_score: the same in the validation metric that chooses the headline's setting.
        selection_pairs: the pairs in that metric.
        p_value: the p-value of the test of this row alone.
        adjusted_p: the p-value after the correction over the table.
        smallest_p: the smallest adjusted p-value that the row can have, whatever the data.
        verdict: what may be claimed.
        evidence: the largest evidence so far against no difference; None for the planned test.
        evidence_needed: the evidence that is enough for a verdict; None likewise.
        forecast: how many more seeds would decide an open row; None where that is unknown, where
            any effect is small, and where nothing more is needed.
        is_small: whether the row is open and its interval excludes all but small effects.
        other_half: the difference at the last epoch where the best one is compared, and the
            reverse; None where the metric is known at one of them only.
        uncounted: in how many pairs the anytime test does not trust the order; see RowRuns.
        seeds_outside: how many seeds with results, asked for before some in the table, are
            outside of it.
        underfits: whether a clearly worse result comes with a clearly worse fit, in loss and in
            accuracy, and not with a clearly larger loss gap, which would be overfitting. Never
            where the training labels are fitted.
        is_opposed: whether the same test says the opposite of it in the accuracy that belongs to
            the deciding loss, or in the loss that belongs to the deciding accuracy.
    """

    setting: Setting
    estimates: Mapping[str, Estimate]
    parameters: int
    baseline: str | None = None
    pairs: tuple[Pair, ...] = ()
    difference: Estimate | None = None
    better: Estimate | None = None
    pairs_better: int = 0
    mean_score: float = math.nan
    selection_score: float = math.nan
    selection_pairs: tuple[Pair, ...] = ()
    p_value: float | None = None
    adjusted_p: float | None = None
    smallest_p: float | None = None
    verdict: Verdict | None = None
    evidence: float | None = None
    evidence_needed: float | None = None
    forecast: SeedForecast | None = None
    is_small: bool = False
    other_half: Half | None = None
    uncounted: int = 0
    seeds_outside: int = 0
    underfits: bool = False
    is_opposed: bool = False

    @property
    def n(self) -> int:
        """How many completed runs the estimates rest on."""
        return len(self.setting.completed)


@dataclass(frozen=True)
class Comparison:
    """A table of settings, and what a reader needs to interpret it.

    Attributes:
        rows: one for each setting, in the table's order.
        metric: the deciding metric, which is tested.
        at: the epoch at which runs are compared.
        test: the test that spoke, and why.
        rule: how rows were decided: the test, its correction, level and margin.
        tests: how many rows the correction counts: those of the table and, where a filter shows a
            part of a study only, those of the whole study.
        studies: the names of the studies that first asked for the runs in the table.
        named_study: the one study that a filter names; empty without one.
        sentences: how epochs were selected, what was tested and how it was corrected.
        left_out: sentences on which runs were left out, and why, and on runs that are old.
        unlike_processors: sentences on pairs that were trained on different processors.
        shared: the fields that have one value in all settings.
        axes: the fields that have several values, each with its values in order: regulariser.p,
            and the fields of no regulariser.
        target: the training loss at which runs are matched, nats; None without matching.
        sorted_by: what the rows are sorted by; see dropexp.compare.sorting.
        source: the file of another program's results; empty for runs of dropexp. Of such runs only
            the deciding metric is known.
        question: what was asked of runs of dropexp; None of other results.
    """

    rows: tuple[Row, ...]
    metric: Metric
    at: EpochChoice
    test: TestInForce
    rule: Rule
    tests: int
    studies: tuple[str, ...]
    sentences: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    unlike_processors: tuple[str, ...] = ()
    named_study: str = ""
    shared: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    target: float | None = None
    sorted_by: str = "name"
    source: str = ""
    question: Question | None = None

    @property
    def alpha(self) -> float:
        """The level of the test, after correction."""
        return self.rule.alpha

    @property
    def confidence(self) -> float:
        """The coverage of each interval."""
        return self.rule.confidence

    @property
    def classics(self) -> tuple[str, ...]:
        """The classics that some settings have on and others off."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.setting.classics))

    @property
    def baselines(self) -> frozenset[str]:
        """The names of the settings that others are compared with."""
        return frozenset(row.baseline for row in self.rows if row.baseline is not None)

    def row(self, name: str) -> Row:
        """Return the row of a setting.

        Raises:
            KeyError: there is no setting of this name.
        """
        for row in self.rows:
            if row.setting.name == name:
                return row
        raise KeyError(name)
