"""The result types of a comparison: settings with their runs, and one row for each setting.

They are frozen values. Tables, files, charts and reports are made from them. Imports no torch.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.rules import Rule, TestInForce
from dropexp.config.classics import describe_classic
from dropexp.config.setting import P_KEY, describe_regulariser, is_p_key
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.records import METRICS_COLUMNS, RunStatus, RunSummary
from dropexp.statistics import Estimate, SeedForecast, Verdict


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """The curves of a run: its metrics.csv.

    Attributes:
        table: float64 of shape (epochs, len(METRICS_COLUMNS)).
    """

    table: NDArray[np.float64]

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        """Return a column of METRICS_COLUMNS, shape (epochs,)."""
        return self.table[:, METRICS_COLUMNS.index(column)]

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self.table)


@dataclass(frozen=True, eq=False, slots=True)
class ComparedRun:
    """One finished run of a setting.

    Attributes:
        run_id: the name of its folder.
        seed: its run seed.
        summary: the content of summary.json.
        curves: the content of metrics.csv.
        rise: the rise of the validation loss after its best epoch, nats; NaN without a finite
            loss.
        area: the loss gap summed over epochs, nats × epochs; NaN without a finite loss.
        threads: the CPU threads of its config; None for torch's own choice. Times of runs are
            comparable only if threads and device are equal.
        device: the device of its config.
    """

    run_id: str
    seed: int
    summary: RunSummary
    curves: Curves
    rise: float
    area: float
    threads: int | None = None
    device: str | None = None

    @property
    def p(self) -> float:
        """The drop probability."""
        return self.summary.p

    @property
    def is_completed(self) -> bool:
        """Whether the run completed; if not, it diverged."""
        return self.summary.status is RunStatus.COMPLETED

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss; None without a finite one."""
        return None if self.summary.best is None else self.summary.best.epoch

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return self.summary.last.epoch

    @property
    def seconds(self) -> float:
        """The time of all epochs, training and evaluation."""
        return self.summary.seconds

    @property
    def seconds_per_epoch(self) -> float:
        """The mean time of an epoch, training and evaluation."""
        return self.seconds / self.epochs


@dataclass(frozen=True)
class Setting:
    """All runs that differ in their seed only.

    Attributes:
        name: its name in tables.
        fields: the scientific fields, flat and without the seed: ``{"model.width": 64, …}``.
        completed: its completed runs, by seed.
        diverged: its diverged runs, by seed.
        missing_seeds: the seeds that it lacks and other settings with the same data and model
            have.
        unproven_seeds: the seeds of runs whose audit failed or was skipped.
        options: the regulariser's own fields, without p, in which it differs from other settings
            with the same regulariser.
        classics: the classics that are on here and off in other settings.
    """

    name: str
    fields: Mapping[str, Any]
    completed: tuple[ComparedRun, ...]
    diverged: tuple[ComparedRun, ...] = ()
    missing_seeds: tuple[int, ...] = ()
    unproven_seeds: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    classics: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """The regulariser, or without one the classics; without strength."""
        return self.regulariser if self.has_regulariser else "+".join(self.classics) or "none"

    @property
    def kind(self) -> str:
        """The regulariser without p, its options and the classics: ``dropconnect mask=batch``."""
        names = [self.regulariser] if self.has_regulariser else []
        return " ".join([*names, *self._options(self.options), *self._classics()]) or "none"

    @property
    def label(self) -> str:
        """The regulariser with p, its options and the classics: no other field."""
        names = [describe_regulariser(self.fields)] if self.has_regulariser else []
        options = [key for key in self.options if not is_p_key(key)]
        return " ".join([*names, *self._options(options), *self._classics()]) or "none"

    def _options(self, keys: Collection[str]) -> list[str]:
        return [f"{key.partition('.')[2]}={self.options[key]}" for key in keys]

    def _classics(self) -> list[str]:
        return [describe_classic(name, self.fields) for name in self.classics]

    def without_classics(self, classics: Collection[str]) -> "Setting":
        """Return the setting without these classics in its kind and label."""
        return replace(self, classics=tuple(n for n in self.classics if n not in classics))

    @property
    def runs(self) -> tuple[ComparedRun, ...]:
        """All its runs, the completed ones first."""
        return (*self.completed, *self.diverged)

    @property
    def has_regulariser(self) -> bool:
        """Whether it has a regulariser, and so a p; classics do not count."""
        return self.regulariser != "none"

    @property
    def is_plain(self) -> bool:
        """Whether it has neither a regulariser nor a classic that other settings have off."""
        return not self.has_regulariser and not self.classics

    @property
    def regulariser(self) -> str:
        """The name of its regulariser; ``none`` is the plain network."""
        return str(self.fields["regulariser.name"])

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.fields[P_KEY])

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """The seeds with which training diverged."""
        return tuple(run.seed for run in self.diverged)


@dataclass(frozen=True, slots=True)
class Pair:
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
        parameters: how many numbers of the network are trained.
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
        underfits: whether a clearly worse result comes with a smaller gap.
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
    underfits: bool = False

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
        sentences: how epochs were selected, what was tested and how it was corrected.
        left_out: sentences on which runs were left out, and why, and on runs that are old.
        shared: the fields that have one value in all settings.
        axes: the fields that have several values, each with its values in order: regulariser.p,
            and the fields of no regulariser.
        target: the training loss at which runs are matched, nats; None without matching.
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
    shared: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    target: float | None = None

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
