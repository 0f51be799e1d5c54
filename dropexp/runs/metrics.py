"""What decides between settings, and at which epoch: names that the command line takes too."""

from enum import StrEnum


class At(StrEnum):
    """The epoch of a run at which it is compared."""

    BEST = "best"  # of the lowest validation loss
    LAST = "last"
    MATCHED = "matched"  # the first with a training loss that every run reaches


class Metric(StrEnum):
    """What decides."""

    TEST_LOSS = "test_loss"
    TEST_ACC = "test_acc"
    VAL_LOSS = "val_loss"
    VAL_ACC = "val_acc"
    TRAIN_LOSS = "train_loss"
    TRAIN_ACC = "train_acc"
    LOSS_GAP = "loss_gap"
    ACC_GAP = "acc_gap"
    MC_TEST_LOSS = "mc_test_loss"  # by the passes of mc_dropout, as those below
    MC_TEST_ACC = "mc_test_acc"
    MC_TEST_ECE = "mc_test_ece"
    MC_TEST_ENTROPY = "mc_test_entropy"

    @property
    def sign(self) -> int:
        """1 where lower is better, −1 where higher is."""
        return -1 if self.is_acc else 1

    @property
    def is_acc(self) -> bool:
        """Whether it is an accuracy."""
        return self.value.endswith("_acc")

    @property
    def is_sampled(self) -> bool:
        """Whether it is measured by the passes of mc_dropout, which are of the best epoch."""
        return self.value.startswith("mc_")

    @property
    def is_result(self) -> bool:
        """Whether it says how good a result is; a gap and a network's certainty do not."""
        return not self.is_gap and self is not Metric.MC_TEST_ENTROPY

    @property
    def is_gap(self) -> bool:
        """Whether it says nothing of how good a result is, only how far it is from training."""
        return self in (Metric.LOSS_GAP, Metric.ACC_GAP)

    @property
    def is_of_training(self) -> bool:
        """Whether it says how well the training images are fitted, not how good a result is."""
        return self in (Metric.TRAIN_LOSS, Metric.TRAIN_ACC)

    @property
    def words(self) -> str:
        """As in a sentence: ``test loss``, ``MC test ECE``."""
        return in_words(self.value)


_SHORT = {"mc": "MC", "ece": "ECE"}


def in_words(key: str) -> str:
    """A metric's or another estimate's key as in a sentence."""
    return " ".join(_SHORT.get(word, word) for word in key.split("_"))
