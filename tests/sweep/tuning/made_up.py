"""A made-up network for searches: losses over p with seeds' noise; nothing is trained."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dropexp.config.overrides import Interval
from dropexp.sweep.tuning.candidates import Candidate, Dimension, SeededCandidate, Space

SPACE = Space(
    {name: (Dimension("p", Interval(0.05, 0.7)),) for name in ("good", "middling", "harmful")}
)
_CURVES = {"good": (-0.05, 0.3), "middling": (-0.02, 0.2), "harmful": (0.03, 0.1)}
"""The lowest difference from none in nats, and the p at which it is."""

NOISE = 0.012
"""Standard deviation over seeds, in nats, about that of digits."""

Loss = Callable[[Candidate, int], float]


def get_p(candidate: Candidate) -> float:
    return float(dict(candidate.values)["p"])


def true_loss(candidate: Candidate) -> float:
    """The expected difference from none, in nats."""
    low, place = _CURVES[candidate.regulariser]
    return low + 0.3 * (get_p(candidate) - place) ** 2


def measured_loss(candidate: Candidate, seed: int) -> float:
    """The difference from none on one seed; always the same, as a run's result is."""
    key = [seed, round(100 * get_p(candidate)), sorted(_CURVES).index(candidate.regulariser)]
    return true_loss(candidate) + NOISE * float(np.random.default_rng(key).normal())


class MadeUpRuns:
    """Trains nothing: looks results up, and counts what was asked for.

    Args:
        most: runs that the budget pays for, without those of none.
        loss: the result of a run.
    """

    def __init__(self, most: int, loss: Loss = measured_loss) -> None:
        self.batches: list[tuple[SeededCandidate, ...]] = []
        self._most = most
        self._loss = loss

    @property
    def runs(self) -> list[SeededCandidate]:
        return [each for batch in self.batches for each in batch]

    def evaluate(self, batch: Sequence[SeededCandidate]) -> Mapping[SeededCandidate, float]:
        paid = tuple(batch[: self._most - len(self.runs)])
        self.batches.append(paid)
        return {each: self._loss(*each) for each in paid}
