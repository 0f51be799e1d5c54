"""What comparing runs comes to: settings with their runs, and one row for each.

Plain frozen values that tables, files, charts and reports are made from. Imports no torch.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dropexp.config.classics import describe_classic
from dropexp.config.setting import describe_regulariser, is_p_key
from dropexp.runs.metrics import At, Metric
from dropexp.runs.records import METRICS_COLUMNS, RunStatus, RunSummary
from dropexp.statistics import Estimate, Verdict

__all__ = [
    "ESTIMATES",
    "At",
    "Comparison",
    "Curves",
    "Member",
    "Metric",
    "Pair",
    "Row",
    "Setting",
]

ESTIMATES = (
    "train_loss",
    "train_acc",
    "val_loss",
    "val_acc",
    "test_loss",  # which is also the negative log-likelihood of the test set
    "test_acc",
    "loss_gap",
    "acc_gap",
    "epoch",  # the one compared at
    "epochs",  # that were trained
    "best_epoch",  # of the lowest validation loss
    "rise",  # of the validation loss from its lowest to its last value, nats
    "area",  # between the validation and the training loss curve, nat·epochs
    "test_ece",  # expected calibration error on the test set
    "test_entropy",  # of the predicted probabilities, nats
    "mc_test_loss",  # by the passes of mc_dropout, as those below
    "mc_test_acc",
    "mc_test_ece",
    "mc_test_entropy",
    "noisy_label_acc",  # on the training images with a wrong label, against that label
    "seconds_per_epoch",
    "seconds",  # of all epochs
)
"""The keys of Row.estimates; one is absent where no run of the setting has the number."""


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """A run's metrics.csv.

    Attributes:
        table: float64 (epochs, len(METRICS_COLUMNS)).
    """

    table: NDArray[np.float64]

    def __getitem__(self, column: str) -> NDArray[np.float64]:
        """A column by its name in METRICS_COLUMNS, shape (epochs,)."""
        return self.table[:, METRICS_COLUMNS.index(column)]

    def __len__(self) -> int:
        """How many epochs there are."""
        return len(self.table)


@dataclass(frozen=True, slots=True)
class Member:
    """One finished run of a setting."""

    run_id: str
    seed: int
    summary: RunSummary
    curves: Curves
    rise: float  # of the validation loss after its best epoch, nats; NaN without a finite loss
    area: float  # between the validation and the training curve, nat·epochs

    @property
    def p(self) -> float:
        """The drop probability."""
        return self.summary.p

    @property
    def is_completed(self) -> bool:
        """Whether the run came to its end; if not, it diverged."""
        return self.summary.status is RunStatus.COMPLETED


@dataclass(frozen=True)
class Setting:
    """All runs that differ in their seed only."""

    name: str  # as the table shows it
    fields: Mapping[str, Any]  # scientific and flat, without the seed: {"model.width": 64, …}
    members: tuple[Member, ...]  # the completed runs, by seed
    diverged: tuple[Member, ...] = ()  # by seed
    missing_seeds: tuple[int, ...] = ()  # that settings with the same data and model have
    unproven: tuple[int, ...] = ()  # seeds whose audit did not pass or was off
    options: Mapping[str, Any] = field(default_factory=dict)
    """The regulariser's own fields, without p, in which it differs from others of its name."""
    classics: tuple[str, ...] = ()  # those that are on, of those that other settings have off

    @property
    def method(self) -> str:
        """What regularises, without any strength: the regulariser, or else the classics."""
        return self.regulariser if self.has_regulariser else "+".join(self.classics) or "none"

    @property
    def kind(self) -> str:
        """The regulariser with its options and the classics: ``dropconnect mask=batch``; no p."""
        words = [self.regulariser] if self.has_regulariser else []
        return " ".join([*words, *self._options(self.options), *self._classics()]) or "none"

    @property
    def label(self) -> str:
        """The regulariser with its p and options and the classics; not what else the name has."""
        words = [describe_regulariser(self.fields)] if self.has_regulariser else []
        told = [key for key in self.options if not is_p_key(key)]
        return " ".join([*words, *self._options(told), *self._classics()]) or "none"

    def _options(self, keys: Collection[str]) -> list[str]:
        return [f"{key.partition('.')[2]}={self.options[key]}" for key in keys]

    def _classics(self) -> list[str]:
        return [describe_classic(name, self.fields) for name in self.classics]

    def without(self, classics: Collection[str]) -> "Setting":
        """The same setting, called as if these classics were not in question."""
        return replace(self, classics=tuple(n for n in self.classics if n not in classics))

    @property
    def has_regulariser(self) -> bool:
        """Whether there is one, classics aside, and so a p."""
        return self.regulariser != "none"

    @property
    def is_plain(self) -> bool:
        """Whether there is neither a regulariser nor a classic in question."""
        return not self.has_regulariser and not self.classics

    @property
    def regulariser(self) -> str:
        """Its name; ``none`` is the plain network."""
        return str(self.fields["regulariser.name"])

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.fields["regulariser.p"])

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """The seeds with which training diverged."""
        return tuple(member.seed for member in self.diverged)


@dataclass(frozen=True, slots=True)
class Pair:
    """One seed, with the baseline and with this setting; None for a run that has lost the pair.

    That is one that diverged, or whose metric is not finite. A seed without a measurement makes
    no pair at all.
    """

    seed: int
    baseline: float | None
    value: float | None

    @property
    def difference(self) -> float:
        """This setting's value − the baseline's; NaN where a run has none."""
        if self.value is None or self.baseline is None:
            return math.nan
        return self.value - self.baseline


@dataclass(frozen=True)
class Row:
    """One setting: what was measured, and how it compares with its baseline.

    Estimates are means over the completed runs with t intervals. Where there is no baseline (and
    for a baseline itself), ``baseline`` and everything after it is empty.
    """

    setting: Setting
    estimates: Mapping[str, Estimate]  # by the keys of ESTIMATES
    parameters: int
    baseline: str | None = None  # that setting's name
    pairs: tuple[Pair, ...] = ()  # the metric of both, by seed
    difference: Estimate | None = None  # mean of this − baseline over pairs that both completed
    better: Estimate | None = None  # the probability that it is better on a new seed
    pairs_better: int = 0  # of the pairs, a diverged run having lost its own
    mean_score: float = math.nan  # as the test sees it, diverged runs included; below 0 is better
    p_value: float | None = None  # of the sign-flip test
    adjusted_p: float | None = None  # after Holm's correction over the table
    verdict: Verdict | None = None
    pairs_needed: int | None = None  # in total, to settle a difference of this size
    underfits: bool = False  # a clearly worse test result with a smaller gap

    @property
    def n(self) -> int:
        """How many completed runs the estimates rest on."""
        return len(self.setting.members)


@dataclass(frozen=True)
class Comparison:
    """A table of settings and all that is needed to read it."""

    rows: tuple[Row, ...]  # in the table's order
    metric: Metric
    at: At
    alpha: float
    confidence: float
    sentences: tuple[str, ...]  # how epochs were selected, tested and corrected; left out not
    left_out: tuple[str, ...] = ()  # what was left out, and why, in sentences
    shared: Mapping[str, Any] = field(default_factory=dict)  # the fields all settings share
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """The fields with several values, in order: those not the regulariser's, and regulariser.p."""
    target: float | None = None  # the training loss that all are matched at, nats

    @property
    def classics(self) -> tuple[str, ...]:
        """Those that some settings have on and others off."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.setting.classics))

    @property
    def baselines(self) -> frozenset[str]:
        """The names of the settings that others are compared with."""
        return frozenset(row.baseline for row in self.rows if row.baseline is not None)

    def row(self, name: str) -> Row:
        """The row of a setting's name.

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.setting.name == name:
                return row
        raise KeyError(name)
