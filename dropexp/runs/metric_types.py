"""What a metric is: its unit, its direction, where its value is found and how it is shown."""

import math
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from dropexp.terminal.numbers import format_decimals, format_number


class EpochChoice(StrEnum):
    """The epoch of each run at which runs are compared."""

    BEST = "best"  # the lowest validation loss
    LAST = "last"
    MATCHED = "matched"  # the first with a training loss that every run reaches


class Unit(StrEnum):
    """The unit of a metric."""

    NATS = "nats"
    FRACTION = "fraction"  # in [0, 1], a difference in [-1, 1]; documents show percent
    EPOCHS = "epochs"
    NAT_EPOCHS = "nat·epochs"
    SECONDS = "seconds"
    EVENTS = "events per image"
    TIMES = "times"
    UNKNOWN = ""  # of another program's numbers


class Direction(Enum):
    """Which values of a metric are better."""

    LOWER = 1
    HIGHER = -1
    NEITHER = 0


class MetricSource(Enum):
    """Where the value of a metric is found."""

    EPOCH = auto()  # a column of metrics.csv: known after every epoch
    SELECTED_EPOCH = auto()  # a field of SelectedEpoch: measured at the best and the last epoch
    MC_DROPOUT = auto()  # a field of SampledTest behind the prefix mc_: the best epoch only
    FORGETTING = auto()  # a field of ForgettingSummary: one value for the whole run
    RUN = auto()  # an attribute of ComparedRun: one value for the whole run


class Notation(Enum):
    """How numbers are written."""

    TERMINAL = auto()  # fractions, which filters take too
    DOCUMENT = auto()  # percent, and a minus sign as wide as the plus sign


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry of the registry.

    Attributes:
        key: its name for ``--metric``, in CSV, in JSON, and where it is stored.
        heading: of a column; its last word stands in a second line on a terminal.
        name: in sentences and on charts.
        meaning: what is measured, in one phrase.
        unit: of its values.
        direction: which values are better.
        source: where its value is found.
        digits: decimals of a value in its unit.
        is_signed: whether positive values are written with a plus sign.
        can_decide: whether ``--metric`` accepts it; other metrics are shown and not tested.
        shows_interval: whether tables show its interval, as they do for the deciding metric.
        improvement: what a change in the metric's direction means.
        caveat: what a reader must know of such a change; empty for nothing.
        results: for a metric that does not measure a result on unseen images, the keys of
            metrics that do, the preferred first; they tell whether a run underfits.
    """

    key: str
    heading: str
    name: str
    meaning: str
    unit: Unit
    direction: Direction
    source: MetricSource
    digits: int = 3
    is_signed: bool = False
    can_decide: bool = False
    shows_interval: bool = False
    improvement: str = "better"
    caveat: str = ""
    results: tuple[str, ...] = ()

    @property
    def sign(self) -> int:
        """1 where lower is better, -1 where higher is, 0 where neither is."""
        return self.direction.value

    @property
    def epochs(self) -> tuple[EpochChoice, ...]:
        """The epochs at which its value is known."""
        return _KNOWN_AT[self.source]

    @property
    def is_of_whole_run(self) -> bool:
        """Whether a run has one value of it, whatever the epoch."""
        return self.source in (MetricSource.RUN, MetricSource.FORGETTING)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest value that it can have, in its unit; may be infinite."""
        if self.is_signed:  # a difference
            size = 1.0 if self.unit is Unit.FRACTION else math.inf
            return -size, size
        if self.unit in (Unit.NAT_EPOCHS, Unit.UNKNOWN):  # the first: between curves that may cross
            return -math.inf, math.inf
        return 0.0, 1.0 if self.unit is Unit.FRACTION else math.inf

    @property
    def stored_as(self) -> str:
        """The field that holds it in the block of summary.json that its source names."""
        return self.key.removeprefix("mc_") if self.source is MetricSource.MC_DROPOUT else self.key

    def format(
        self,
        value: float,
        notation: Notation = Notation.TERMINAL,
        *,
        is_signed: bool | None = None,
    ) -> str:
        """Return a value as text, without its unit.

        Args:
            value: in the metric's unit; fractions in [-1, 1].
            notation: DOCUMENT writes fractions in percent.
            is_signed: whether a positive value has a plus sign; None for the metric's own rule.
        """
        is_percent = notation is Notation.DOCUMENT and self.unit is Unit.FRACTION
        sign = "+" if (self.is_signed if is_signed is None else is_signed) else ""
        if is_percent:
            text = f"{100 * value:{sign}.{max(self.digits - 2, 0)}f}"
        elif self.digits == 3:
            text = format_number(value, sign)
        else:
            text = format_decimals(value, self.digits, sign)
        return text.replace("-", "−") if notation is Notation.DOCUMENT else text

    def describe_size(self, value: float) -> str:
        """Return a size with its unit for a sentence: ``0.123 nats``, ``6.1 points``."""
        unit = "points" if self.unit is Unit.FRACTION else self.unit.value
        return f"{self.format(value, Notation.DOCUMENT, is_signed=False)} {unit}".rstrip()

    def describe_value(self, value: float) -> str:
        """Return a value with its unit for a sentence: ``0.123 nats``, ``83.0%``."""
        unit = "%" if self.unit is Unit.FRACTION else f" {self.unit.value}"
        return f"{self.format(value, Notation.DOCUMENT)}{unit}".rstrip()

    def document_heading(self) -> str:
        """Return the heading with the unit where a document shows another than the files hold."""
        return f"{self.heading} (%)" if self.unit is Unit.FRACTION else self.heading


_KNOWN_AT: dict[MetricSource, tuple[EpochChoice, ...]] = {
    MetricSource.EPOCH: tuple(EpochChoice),
    MetricSource.SELECTED_EPOCH: (EpochChoice.BEST, EpochChoice.LAST),
    MetricSource.MC_DROPOUT: (EpochChoice.BEST,),
    MetricSource.FORGETTING: (EpochChoice.BEST, EpochChoice.LAST),
    MetricSource.RUN: tuple(EpochChoice),
}
