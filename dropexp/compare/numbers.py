"""A run's numbers at the epoch at which it is compared, and a setting's means of them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from dropexp.compare.results import ESTIMATES, At, Member, Metric
from dropexp.errors import UserError
from dropexp.runs.records import SelectedEpoch
from dropexp.statistics import Estimate, common_target, matched_epoch, mean_interval

Numbers = Mapping[str, float | None]
"""By the keys of ESTIMATES; None or absent where a number was not measured."""

_OF_PASSES = tuple(metric.value for metric in Metric if metric.is_sampled)
_AT_AN_EPOCH = tuple(key for key in SelectedEpoch.__dataclass_fields__ if key in ESTIMATES)


def numbers_at(
    at: At, target: float | None, *, with_passes: bool = False
) -> Callable[[Member], Numbers]:
    """How a run's numbers are read.

    Args:
        at: which epoch.
        target: the training loss for ``matched``, in nats.
        with_passes: whether to read those of mc_dropout, which are of the best epoch.
    """

    def numbers(member: Member) -> Numbers:
        best = member.summary.best
        found: dict[str, float | None] = dict(_selected(member, at, target))
        if with_passes and at is At.BEST:
            found |= _by_passes(member)
        found["best_epoch"] = None if best is None else best.epoch
        found["rise"], found["area"] = member.rise, member.area
        found["epochs"], found["seconds"] = member.summary.last.epoch, member.summary.seconds
        found["seconds_per_epoch"] = member.summary.seconds / member.summary.last.epoch
        return found

    return numbers


def target_of(members: Iterable[Member]) -> float:
    """The lowest training loss that every run reaches, in nats.

    Raises:
        UserError: there is none: a run has no finite training loss, or there are no runs.
    """
    members = list(members)
    target = common_target(member.curves["train_loss"] for member in members)
    if math.isfinite(target):
        return target
    without = [m.run_id for m in members if not np.isfinite(m.curves["train_loss"]).any()]
    if not without:
        raise UserError("--at matched needs completed runs, and there are none.")
    raise UserError(
        f"--at matched needs a training loss that every run reaches; {', '.join(without[:3])} "
        f"reached none that is a number."
    )


def estimates(numbers: Sequence[Numbers], confidence: float) -> dict[str, Estimate]:
    """The mean of each number over runs, with its t interval; see mean_interval."""
    found = {}
    for key in ESTIMATES:
        values = [value for run in numbers if (value := run.get(key)) is not None]
        if values:
            found[key] = mean_interval(values, confidence)
    return found


def _selected(member: Member, at: At, target: float | None) -> Numbers:
    if at is At.MATCHED:
        return _matched(member, math.nan if target is None else target)
    selected = member.summary.best if at is At.BEST else member.summary.last
    if selected is None:
        return {}
    return {key: getattr(selected, key) for key in _AT_AN_EPOCH}


def _by_passes(member: Member) -> Numbers:
    """A network without noise needs no passes: each would give its deterministic results."""
    summary = member.summary
    has_no_noise = summary.p == 0 and summary.mc_dropout is None
    found = summary.best if has_no_noise else summary.mc_dropout
    return {key: getattr(found, key.removeprefix("mc_"), None) for key in _OF_PASSES}


def _matched(member: Member, target: float) -> Numbers:
    """The test set was not touched at this epoch, so there are no numbers of it."""
    epoch = matched_epoch(member.curves["train_loss"], target)
    if epoch is None:
        return {}
    row = {
        key: float(member.curves[key][epoch - 1])
        for key in ("train_loss", "train_acc", "val_loss", "val_acc", "loss_gap", "acc_gap")
    }
    return {"epoch": epoch, **row}
