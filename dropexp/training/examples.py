"""Which training examples a run fits, epoch by epoch, while it trains: ``track_examples``.

The evaluation after each epoch finds them anyway; a bit is kept of each.
"""

import numpy as np
import torch
from torch import Tensor

from dropexp.data import Splits
from dropexp.runs.examples import ExampleHistory
from dropexp.runs.files import EXAMPLES
from dropexp.runs.records import ForgettingSummary
from dropexp.runs.write import RunFolder
from dropexp.statistics import precision_at_top
from dropexp.terminal.numbers import format_count


class FittedExamples:
    """The examples that are fitted after each epoch so far, one bit each.

    Args:
        count: the number of training examples, N.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: list[Tensor] = []  # each uint8 (⌈N/8⌉,), never changed in place

    def __len__(self) -> int:
        """Return the number of epochs."""
        return len(self._rows)

    def append(self, is_fitted: Tensor) -> None:
        """Add an epoch: bool (N,) on the CPU, whether each label is predicted."""
        self._rows.append(torch.from_numpy(np.packbits(is_fitted.numpy())))

    def copy(self) -> "FittedExamples":
        """Return the epochs so far, to which later ones are not added."""
        copied = FittedExamples(self._count)
        copied._rows = list(self._rows)
        return copied

    def to_tensor(self) -> Tensor:
        """Return all epochs, uint8 (epochs, ⌈N/8⌉)."""
        width = -(-self._count // 8)
        return torch.stack(self._rows) if self._rows else torch.empty(0, width, dtype=torch.uint8)

    def restore(self, rows: Tensor, *, epochs: int) -> None:
        """Replace the epochs by those that to_tensor has returned.

        Raises:
            ValueError: they are of another shape or type.
        """
        expected = (epochs, -(-self._count // 8))
        if rows.dtype != torch.uint8 or tuple(rows.shape) != expected:
            raise ValueError("its fitted examples are not those of this run")
        self._rows = list(rows)

    def to_history(self, splits: Splits) -> ExampleHistory:
        """Return the epochs with the labels of the examples, for the run's folder."""
        return ExampleHistory(
            fitted_bits=self.to_tensor().numpy(),
            labels=splits.train.labels.cpu().numpy(),
            true_labels=splits.true_labels.cpu().numpy(),
            source_index=splits.source_index.numpy(),
        )


def explain_untracked(epochs: int) -> str:
    """Return a sentence on a run whose first epochs trained without track_examples."""
    return (
        f"{format_count(epochs, 'epoch')} of this run trained without track_examples=true, and "
        f"which images were learned after each cannot be measured later; force=true trains it "
        f"from its start and keeps them"
    )


def summarise_examples(history: ExampleHistory) -> ForgettingSummary:
    """Return the means over examples, and how well forgetting finds the wrong labels."""
    forgetting, is_wrong = history.forgetting, history.is_wrong
    events = forgetting.events
    has_wrong = bool(is_wrong.any())
    precision = precision_at_top(forgetting.scores, is_wrong) if has_wrong else None
    return ForgettingSummary(
        forgetting_events=float(events.mean()),
        right_label_forgetting_events=None if is_wrong.all() else float(events[~is_wrong].mean()),
        wrong_label_forgetting_events=float(events[is_wrong].mean()) if has_wrong else None,
        never_learned=float((~forgetting.is_learned).mean()),
        wrong_label_precision=precision,
        wrong_label_lift=None if precision is None else precision / float(is_wrong.mean()),
    )


def write_examples(folder: RunFolder, history: ExampleHistory | None) -> None:
    """Write what became of the examples; None removes what an earlier training has left.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    if history is None:
        folder.remove_examples()
    else:
        folder.write(EXAMPLES, history.to_bytes(), is_promised=False)
