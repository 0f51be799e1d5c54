"""A run of a user's own training loop while it is recorded, epoch by epoch. Imports no torch."""

import math
import time
from collections.abc import Iterator
from typing import Any, Literal

from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.own_loops import OwnLoopConfig
from dropexp.errors import UserError
from dropexp.runs.records import (
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.runs.write import RunFolder
from dropexp.statistics import area_between, rise_after_best


class Recording:
    """A run that is being recorded, or was finished before.

    Attributes:
        run_id: the id of the run, which names its folder.
        folder: its run folder.
        is_finished: whether it was finished before, so that nothing is recorded.
    """

    def __init__(self, folder: RunFolder, config: OwnLoopConfig, *, is_finished: bool) -> None:
        self.run_id = config.run_id
        self.folder = folder.path
        self.is_finished = is_finished
        self._folder = folder
        self._config = config
        self._records: list[EpochRecord] = []
        self._best: EpochRecord | None = None
        self._tests: dict[str, tuple[float, float]] = {}
        self._last_time = time.monotonic()
        self._has_ended = False

    @property
    def epochs(self) -> Iterator[int]:
        """The epochs to train, from 1; none of a finished run, and no more after divergence.

        Raises:
            UserError: the loop has trained an epoch without logging it.
        """
        if self.is_finished:
            return
        self._last_time = time.monotonic()
        for epoch in range(1, self._config.epochs + 1):
            yield epoch
            if len(self._records) != epoch:
                raise UserError(
                    f"epoch {epoch} was not logged once: call log(…) at the end of each epoch."
                )
            if self.has_diverged:
                return

    @property
    def has_diverged(self) -> bool:
        """Whether a loss of the last epoch is not finite."""
        return bool(self._records) and not self._records[-1].is_finite

    @property
    def is_best(self) -> bool:
        """Whether the last logged epoch has the lowest validation loss so far."""
        return bool(self._records) and self._best is self._records[-1]

    def log(
        self,
        *,
        train_loss: float,
        val_loss: float,
        train_acc: float = math.nan,
        val_acc: float = math.nan,
        noisy_train_loss: float = math.nan,
        lr: float = math.nan,
        p: float | None = None,
    ) -> None:
        """Write the results of an epoch into metrics.csv; the time since the last one is its time.

        Args:
            train_loss: mean cross-entropy on the training images in nats, measured after the epoch
                in eval mode and without augmentation, as the validation loss is.
            val_loss: the same on the validation images; its lowest epoch is the best one.
            train_acc: a fraction in [0, 1]; NaN where it was not measured, as for the others.
            val_acc: likewise.
            noisy_train_loss: mean loss of the training steps, nats, with the regulariser on.
            lr: learning rate of the last step.
            p: drop probability of the epoch; None: that of the run.

        Raises:
            UserError: a value is not a number that is possible, all epochs were logged, or the run
                is finished.
            StoreError: the disk is full, or the folder cannot be written.
        """
        self._refuse_finished()
        if len(self._records) == self._config.epochs:
            raise UserError(
                f"all {self._config.epochs} epochs of {self.run_id} were logged: record(epochs=…) "
                f"says how many there are."
            )
        now = time.monotonic()
        record = EpochRecord(
            epoch=len(self._records) + 1,
            lr=_read_number("lr", lr),
            p=self._config.p if p is None else _read_number("p", p),
            noisy_train_loss=_read_number("noisy_train_loss", noisy_train_loss),
            train_loss=_read_number("train_loss", train_loss),
            train_acc=_read_share("train_acc", train_acc),
            val_loss=_read_number("val_loss", val_loss),
            val_acc=_read_share("val_acc", val_acc),
            seconds=now - self._last_time,
        )
        self._last_time = now
        self._folder.append_metrics(record)
        self._folder.log(f"epoch {record.epoch}: val_loss {record.val_loss:.4f}")
        self._records.append(record)
        self._best = find_best_epoch(self._records)

    def log_test(
        self, *, test_loss: float, test_acc: float = math.nan, at: Literal["best", "last"] = "best"
    ) -> None:
        """Note the results on the test set, with the weights of the best or of the last epoch.

        Args:
            test_loss: mean cross-entropy on the test images in nats, in eval mode.
            test_acc: a fraction in [0, 1].
            at: which weights the network had.

        Raises:
            UserError: the accuracy is no fraction, or the run is finished.
        """
        self._refuse_finished()
        if at not in ("best", "last"):
            raise UserError(f"at={at!r} is not known. Allowed: best, last.")
        self._tests[at] = _read_number("test_loss", test_loss), _read_share("test_acc", test_acc)

    def _refuse_finished(self) -> None:
        if self._has_ended:
            raise UserError(
                f"the recording of {self.run_id} has ended: call log(…) inside of the with block."
            )
        if self.is_finished:
            raise UserError(
                f"{self.run_id} is finished, and nothing more is recorded; is_finished says so, "
                f"and epochs is empty then."
            )

    def _summarise(self, parameters: int, audit: AuditOutcome) -> RunSummary:
        records, config = self._records, self._config
        last, best = records[-1], self._best
        tests = dict(self._tests)
        if best is last and tests:  # the same weights
            tests = {"best": tests.get("best", tests.get("last", _UNTESTED)), **tests}
            tests.setdefault("last", tests["best"])
        train = [record.train_loss for record in records]
        val = [record.val_loss for record in records]
        return RunSummary(
            run_id=config.run_id,
            status=RunStatus.COMPLETED if last.is_finite else RunStatus.DIVERGED,
            regulariser=config.regulariser,
            p=config.p,
            seed=config.seed,
            parameters=parameters,
            seconds=sum(record.seconds for record in records),
            peak_memory_mb=math.nan,
            audit=audit,
            best=None if best is None else _select(best, tests.get("best", _UNTESTED)),
            last=_select(last, tests.get("last", _UNTESTED)),
            config_hash=config.config_hash,
            results_version=RESULTS_VERSION,
            rise=rise_after_best(val).last,
            area=area_between(train, val),
        )

    def finish(self, parameters: int, audit: AuditOutcome) -> None:
        """Write the summary, which marks the run as finished; ``record`` does so at its end.

        Args:
            parameters: see record.
            audit: its outcome.

        Raises:
            UserError: no epoch was logged.
            StoreError: the disk is full, or the folder cannot be written.
        """
        if not self._records:
            raise UserError(
                f"no epoch of {self.run_id} was logged: call log(…) at the end of each epoch."
            )
        self._folder.write_metrics(self._records)
        summary = self._summarise(parameters, audit)
        self._folder.log(f"{summary.status} after {summary.last.epoch} epochs", is_promised=True)
        self._folder.finish(summary, keep_checkpoint=False)
        self.end()

    def end(self) -> None:
        """Refuse whatever is logged from now on, which would no longer agree with the folder."""
        self._has_ended = True


_UNTESTED = (math.nan, math.nan)


def _read_number(name: str, value: Any) -> float:
    """Return a value as a number: that of a tensor or an array with a single one, too."""
    try:
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise UserError(f"{name}={value!r:.80} is not allowed; it is a single number.") from None


def _read_share(name: str, value: Any) -> float:
    share = _read_number(name, value)
    if not math.isnan(share) and not 0 <= share <= 1:
        raise UserError(f"{name}={share:g} is not allowed; it is a fraction from 0 to 1.")
    return share


def _select(record: EpochRecord, tested: tuple[float, float]) -> SelectedEpoch:
    return SelectedEpoch.from_record(record, *tested)
