"""Summaries of a run's curves, the columns of metrics.csv, as single numbers.

Epochs are counted from 1: the value at index i of a curve is that of epoch i + 1.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dropexp.statistics.arguments import as_vector


@dataclass(frozen=True, slots=True)
class Rise:
    """How far the validation loss rose after its best epoch.

    Attributes:
        best_epoch: the first epoch with the lowest loss; None without a finite loss.
        last: the loss of the last epoch − the lowest, nats, at least 0.
        highest: the highest loss from the best epoch on − the lowest, nats, at least ``last``.
    """

    best_epoch: int | None
    last: float
    highest: float


def area_between(train_loss: ArrayLike, val_loss: ArrayLike) -> float:
    """Return the area between the validation and the training curve, by the trapezoidal rule.

    The area is the gap val − train summed over training: it is larger for a gap that opened
    earlier. Where the training curve is above, the area counts as negative.

    Args:
        train_loss: shape (epochs,), nats.
        val_loss: shape (epochs,), nats.

    Returns:
        The area, in nat·epochs. Steps from or to an epoch without a finite gap are left out. The
        area is 0 for a single finite epoch, and NaN without a finite epoch.

    Raises:
        ValueError: the shapes differ or are not (epochs,).
    """
    train, val = as_vector(train_loss, "train_loss"), as_vector(val_loss, "val_loss")
    if train.shape != val.shape:
        raise ValueError(
            f"train_loss has {len(train)} epochs and val_loss {len(val)}; allowed: equal lengths"
        )
    with np.errstate(invalid="ignore"):  # inf − inf
        gap = val - train
    if not np.isfinite(gap).any():
        return math.nan
    steps = (gap[:-1] + gap[1:]) / 2
    return float(steps[np.isfinite(steps)].sum())


def rise_after_best(val_loss: ArrayLike) -> Rise:
    """Return how far the validation loss rises after its best epoch, a sign of overfitting.

    Args:
        val_loss: shape (epochs,), nats. The best epoch is the first of the lowest finite value.

    Returns:
        The rise up to the last epoch, and the highest rise. ``last`` is NaN or infinite if the
        last loss is; ``highest`` ignores NaN. Without a finite loss, both are NaN and
        ``best_epoch`` is None.

    Raises:
        ValueError: the curve is not one-dimensional.
    """
    losses = as_vector(val_loss, "val_loss")
    finite = np.where(np.isfinite(losses), losses, np.inf)
    if not np.isfinite(finite).any():
        return Rise(None, math.nan, math.nan)
    best = int(finite.argmin())
    rises = losses[best:] - losses[best]
    return Rise(best + 1, float(rises[-1]), float(np.nanmax(rises)))


def common_target(train_losses: Iterable[ArrayLike]) -> float:
    """Return the lowest training loss that every curve reaches: the highest of their minima.

    A regulariser slows fitting, so a smaller gap at the same epoch may only mean a worse fit.
    Compared at the first epoch that reaches a common training loss (see matched_epoch), settings
    fit equally well.

    Args:
        train_losses: clean training losses, each of shape (epochs,), nats; lengths may differ.

    Returns:
        The loss, in nats; NaN without curves, and where a curve has no finite value.

    Raises:
        ValueError: a curve is not one-dimensional.
    """
    lowest = [_find_lowest(as_vector(curve, "a curve")) for curve in train_losses]
    return math.nan if not lowest or any(map(math.isnan, lowest)) else max(lowest)


def matched_epoch(train_loss: ArrayLike, target: float) -> int | None:
    """Return the first epoch whose clean training loss is at most the target.

    Args:
        train_loss: shape (epochs,), nats, measured in eval mode.
        target: nats; see common_target.

    Returns:
        The epoch, counted from 1; None if the curve never reaches the target or the target is NaN.

    Raises:
        ValueError: the curve is not one-dimensional.
    """
    reached = as_vector(train_loss, "train_loss") <= target
    return int(reached.argmax()) + 1 if reached.any() else None


def _find_lowest(curve: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    finite = curve[np.isfinite(curve)]
    return float(finite.min()) if len(finite) else math.nan
