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

    @property
    def sign(self) -> int:
        """1 where lower is better, −1 where higher is."""
        return -1 if self in (Metric.TEST_ACC, Metric.VAL_ACC, Metric.TRAIN_ACC) else 1

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
        """As in a sentence: ``test loss``."""
        return self.value.replace("_", " ")
