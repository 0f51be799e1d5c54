"""The measurements of a run as frozen records, with their CSV and JSON forms.

Accuracies are fractions in [0, 1], losses are mean cross-entropy in nats, times are seconds.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

SUMMARY_FORMAT = 8
"""Version of the layout of summary.json.

Each format lacks what the later ones lack, and: 7 wrong_label_precision and wrong_label_lift in
today's order of equally often forgotten examples; 6 variance_shift and variance_shifts; 5
forgetting; 4 files, the checksums; 3 clean_label_train_* and noisy_label_val_*; 2 test_entropy
and mc_dropout; 1 test_ece, noisy_label_acc, rise and area."""

_READABLE_FORMATS = range(1, SUMMARY_FORMAT + 1)


class RunStatus(StrEnum):
    """How a finished run ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"


class AuditOutcome(StrEnum):
    """The outcome of the audit before training."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of one run: a row of metrics.csv.

    ``noisy_train_loss`` is the mean loss of the training steps, with the regulariser,
    augmentation and label smoothing on. ``train_*`` and ``val_*`` are measured after the epoch,
    in eval mode, on un-augmented data; ``train_*`` against the labels that were trained on,
    ``val_*`` against the true labels.

    Where training labels are noisy, the two are not comparable, and each has a counterpart:
    ``clean_label_train_*`` are the training images against their true labels, and
    ``noisy_label_val_*`` the validation images under the training labels' law. Without label
    noise they equal ``train_*`` and ``val_*``. They are None in runs of results version 1, which
    did not measure them; see ``loss_gap``.
    """

    epoch: int  # counted from 1
    lr: float  # of the epoch's last step
    p: float  # drop probability in force
    noisy_train_loss: float
    train_loss: float
    train_acc: float
    val_loss: float
    val_acc: float
    seconds: float
    clean_label_train_loss: float | None = None
    clean_label_train_acc: float | None = None
    noisy_label_val_loss: float | None = None
    noisy_label_val_acc: float | None = None

    @property
    def loss_gap(self) -> float:
        """Validation loss under the training labels' law − training loss, in nats.

        Where that was not measured (results version 1): validation loss − training loss.
        """
        return self.comparable_val_loss - self.train_loss

    @property
    def acc_gap(self) -> float:
        """Training accuracy − validation accuracy under the training labels' law.

        Where that was not measured (results version 1): training − validation accuracy.
        """
        val_acc = self.val_acc if self.noisy_label_val_acc is None else self.noisy_label_val_acc
        return self.train_acc - val_acc

    @property
    def comparable_val_loss(self) -> float:
        """The validation loss that the training loss may be subtracted from, in nats."""
        return self.val_loss if self.noisy_label_val_loss is None else self.noisy_label_val_loss

    @property
    def is_finite(self) -> bool:
        """Whether every loss of the epoch is finite; if not, the run has diverged."""
        if math.isinf(self.noisy_train_loss):
            return False
        # NaN among the training steps makes the weights NaN, and so the other losses. A loop of the
        # user's own may not record it at all: then it is NaN too.
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)

    def to_row(self) -> dict[str, int | float | None]:
        """Return the record as a row of metrics.csv, with the gaps."""
        return {column: getattr(self, column) for column in METRICS_COLUMNS}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Return the record of a row, whose values are numbers or their text.

        The columns of the gaps are not read. The columns that results version 1 lacks may be
        missing or empty.

        Raises:
            KeyError, ValueError: another column is missing, or is not a number.
        """
        values = {
            field.name: field.type(row[field.name])  # type: ignore[operator]
            for field in fields(cls)
            if field.name not in OPTIONAL_COLUMNS
        }
        optional = {name: row.get(name) for name in OPTIONAL_COLUMNS}
        values |= {
            name: float(value) for name, value in optional.items() if value not in ("", None)
        }
        return cls(**values)


METRICS_COLUMNS = (
    "epoch",
    "lr",
    "p",
    "noisy_train_loss",
    "train_loss",
    "train_acc",
    "clean_label_train_loss",
    "clean_label_train_acc",
    "val_loss",
    "val_acc",
    "noisy_label_val_loss",
    "noisy_label_val_acc",
    "loss_gap",
    "acc_gap",
    "seconds",
)

OPTIONAL_COLUMNS = (
    "clean_label_train_loss",
    "clean_label_train_acc",
    "noisy_label_val_loss",
    "noisy_label_val_acc",
)
"""The columns of metrics.csv that runs of results version 1 lack."""


@dataclass(frozen=True, slots=True)
class SelectedEpoch:
    """Train, validation and test results at one epoch: the ``best`` or the ``last``."""

    epoch: int
    train_loss: float
    train_acc: float
    val_loss: float
    val_acc: float
    test_loss: float
    test_acc: float
    loss_gap: float  # see EpochRecord
    acc_gap: float
    test_ece: float | None = None  # expected calibration error; None where it was not measured
    noisy_label_acc: float | None = None
    """Fraction of the wrong training labels that the network predicts; None without label noise."""
    test_entropy: float | None = None
    """Entropy of the predicted probabilities in nats, mean over test images."""
    clean_label_train_loss: float | None = None  # these four: see EpochRecord
    clean_label_train_acc: float | None = None
    noisy_label_val_loss: float | None = None
    noisy_label_val_acc: float | None = None
    variance_shift: float | None = None
    """Mean over the batch norm layers that train; None without one. See RunSummary."""

    @classmethod
    def from_record(
        cls,
        record: EpochRecord,
        test_loss: float,
        test_acc: float,
        test_ece: float | None = None,
        noisy_label_acc: float | None = None,
        test_entropy: float | None = None,
    ) -> Self:
        """Return an epoch's record with the measurements on the test set and wrong labels."""
        return cls(
            epoch=record.epoch,
            train_loss=record.train_loss,
            train_acc=record.train_acc,
            val_loss=record.val_loss,
            val_acc=record.val_acc,
            test_loss=test_loss,
            test_acc=test_acc,
            loss_gap=record.loss_gap,
            acc_gap=record.acc_gap,
            test_ece=test_ece,
            noisy_label_acc=noisy_label_acc,
            test_entropy=test_entropy,
            clean_label_train_loss=record.clean_label_train_loss,
            clean_label_train_acc=record.clean_label_train_acc,
            noisy_label_val_loss=record.noisy_label_val_loss,
            noisy_label_val_acc=record.noisy_label_val_acc,
        )


@dataclass(frozen=True, slots=True)
class SampledTest:
    """Test results at the best epoch from the mean probabilities of passes with noise on.

    See training/mc_dropout.py.
    """

    passes: int  # at least 1
    test_loss: float  # negative log-likelihood of the mean probabilities, nats
    test_acc: float
    test_ece: float | None  # expected calibration error; None where logits are not finite
    test_entropy: float | None  # predictive entropy, mean over images, nats; None likewise


@dataclass(frozen=True, slots=True)
class ForgettingSummary:
    """What became of the training examples, as means over them; see statistics/forgetting.py."""

    forgetting_events: float
    right_label_forgetting_events: float | None
    wrong_label_forgetting_events: float | None
    never_learned: float  # fraction of the examples whose label was predicted after no epoch
    wrong_label_precision: float | None
    """Fraction of wrong labels among the most forgotten examples, as many as there are wrong
    labels; of equally often forgotten ones the later learned first. None without label noise, and
    in summaries up to format 7, whose order was another one."""
    wrong_label_lift: float | None  # that fraction, divided by the fraction of wrong labels


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The results of a finished run: summary.json.

    ``best`` is the epoch of the lowest validation loss; None if the run diverged before it had a
    finite one. ``last`` is the last epoch; its losses are null in the file where they are not
    finite. ``seconds`` is the time spent in the recorded epochs. ``files`` has the SHA-256 of the
    run's files by name, and of these values themselves as ``summary.json``; it is empty in older
    formats. ``variance_shifts`` has that of each batch norm layer at the last epoch, at least 1.
    See training/variance_shift.py. The index has neither of the two.
    """

    run_id: str
    status: RunStatus
    regulariser: str
    p: float
    seed: int
    parameters: int
    seconds: float
    peak_memory_mb: float
    audit: AuditOutcome
    best: SelectedEpoch | None
    last: SelectedEpoch
    config_hash: str  # SHA-256 of the scientific part of the config
    results_version: int
    rise: float | None = None  # of the validation loss after its best epoch, nats; None if unknown
    area: float | None = None  # the loss gap summed over epochs, nat·epochs
    mc_dropout: SampledTest | None = None  # None where not requested, or without noise
    forgetting: ForgettingSummary | None = None  # None without track_examples
    variance_shifts: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)
    files: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    format: int = SUMMARY_FORMAT

    def lacks_mc_dropout(self, passes: int) -> bool:
        """Return whether ``mc_dropout=passes`` asks for a measurement that this summary lacks.

        A network without a regulariser is deterministic in evaluation and needs none.
        """
        if not passes or self.p == 0 or self.best is None:
            return False
        return self.mc_dropout is None or self.mc_dropout.passes != passes

    def to_json(self) -> dict[str, Any]:
        """Return plain values; numbers that JSON cannot hold become null."""
        plain: dict[str, Any] = _replace_non_finite(asdict(self))
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Return the summary of plain values, as ``to_json`` returns them.

        Raises:
            KeyError, TypeError, ValueError: they are not a summary of a readable format.
        """
        if plain["format"] not in _READABLE_FORMATS:
            raise ValueError(
                f"its format is {plain['format']}, this dropexp reads up to {SUMMARY_FORMAT}"
            )
        values = dict(plain)
        files = values.get("files", {})
        values["files"] = {str(name): str(digest) for name, digest in files.items()}
        values["status"] = RunStatus(values["status"])
        values["audit"] = AuditOutcome(values["audit"])
        values["last"] = SelectedEpoch(**_restore_non_finite(values["last"]))
        if values["best"] is not None:
            values["best"] = SelectedEpoch(**_restore_non_finite(values["best"]))
        if values.get("mc_dropout") is not None:
            values["mc_dropout"] = SampledTest(**_restore_non_finite(values["mc_dropout"]))
        if values.get("forgetting") is not None:
            # Up to format 7, equally often forgotten examples had no order. Those values are not
            # averaged with today's.
            absent = dict.fromkeys(_IN_ANOTHER_ORDER) if plain["format"] < 8 else {}
            values["forgetting"] = ForgettingSummary(**{**values["forgetting"], **absent})
        shifts = values.get("variance_shifts") or {}
        values["variance_shifts"] = {name: each for name, each in shifts.items() if each}
        return cls(**values)


_IN_ANOTHER_ORDER = ("wrong_label_precision", "wrong_label_lift")

_MAY_BE_ABSENT = (
    *("test_ece", "noisy_label_acc", "test_entropy", "variance_shift"),
    *OPTIONAL_COLUMNS,
)


def find_best_epoch(records: Iterable[EpochRecord]) -> EpochRecord | None:
    """Return the record of the lowest validation loss; of equal ones the first."""
    finite = [record for record in records if record.is_finite]
    return min(finite, key=lambda record: record.val_loss, default=None)


def _replace_non_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _restore_non_finite(block: Mapping[str, Any]) -> dict[str, Any]:
    if None not in block.values():
        return dict(block)
    return {
        key: math.nan if value is None and key not in _MAY_BE_ABSENT else value
        for key, value in block.items()
    }
