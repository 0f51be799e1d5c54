"""Loss and accuracy of a model on a split: in eval mode, consuming no randomness.

Also the one place where a model's mode is switched, for training as for measuring.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.data import Split, Splits
from dropexp.errors import AuditError
from dropexp.statistics import expected_calibration_error

_CPU_CHUNK = 128  # fits the caches; one batch of 1,000 took 1.6 times as long
_ACCELERATOR_CHUNK = 2048

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results on one split."""

    loss: float  # mean cross-entropy, nats
    acc: float  # fraction in [0, 1]


@dataclass(frozen=True, slots=True)
class FinalMeasurement:
    """What is measured at a selected epoch only, as the test set is touched nowhere else."""

    test: Measurement
    test_ece: float | None  # expected calibration error, in [0, 1]; None where logits are infinite
    noisy_label_acc: float | None  # wrong training labels that are given back; None without any


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Every module in training or in eval mode inside; afterwards each in the mode it was in.

    Raises:
        AuditError: a module does not take the mode (its ``train`` method was overridden, say),
            or has left it by the end.
    """
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        check_mode(model, training=training)
        yield
        check_mode(model, training=training)
    finally:
        for module, was_training in modes.items():
            module.training = was_training


def check_mode(model: nn.Module, *, training: bool) -> None:
    """Refuse a model in which some module is in the other mode.

    Raises:
        AuditError: names the first such module.
    """
    for name, module in model.named_modules():
        if module.training is not training:
            wanted = "training" if training else "eval"
            raise AuditError(
                f"{name or 'the model'} ({type(module).__name__}) is not in {wanted} mode."
            )


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Mixed precision for ``bfloat16``; nothing for ``float32``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def evaluate(
    model: nn.Module, splits: Splits, split: Split, precision: str = "float32"
) -> Measurement:
    """Mean cross-entropy and accuracy over a split.

    Args:
        model: takes normalised images (N, C, H, W), gives logits (N, classes); its modules are
            put in eval mode for the duration.
        splits: gives the normalisation of the training set.
        split: images to measure on, on the model's device.
        precision: ``float32`` or ``bfloat16``; losses are summed in float32 at the least.
    """
    return _measurement(_over_chunks(model, splits, split, precision, _loss_and_hits), len(split))


def evaluate_finally(
    model: nn.Module, splits: Splits, precision: str = "float32"
) -> FinalMeasurement:
    """Loss, accuracy and calibration on the test set, and how many wrong labels are memorised.

    Args:
        model: see evaluate.
        splits: its test images, and its training images with a wrong label, are measured on.
        precision: see evaluate.
    """

    def both(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return _loss_and_hits(logits, labels), logits.float().softmax(dim=1)

    found = _over_chunks(model, splits, splits.test, precision, both)
    probabilities = torch.cat([each for _, each in found]).cpu()
    memorised = None
    if splits.noisy.any():
        memorised = evaluate(model, splits, splits.train.at(splits.noisy), precision).acc
    return FinalMeasurement(
        test=_measurement([sums for sums, _ in found], len(splits.test)),
        test_ece=_calibration_error(probabilities, splits.test.labels.cpu()),
        noisy_label_acc=memorised,
    )


def _calibration_error(probabilities: Tensor, labels: Tensor) -> float | None:
    if not probabilities.isfinite().all():
        return None
    return expected_calibration_error(probabilities.numpy(), labels.numpy())


def _over_chunks(
    model: nn.Module,
    splits: Splits,
    split: Split,
    precision: str,
    measure: Callable[[Tensor, Tensor], Found],
) -> list[Found]:
    """What ``measure`` says of the logits (n, classes) and labels (n,) of each chunk."""
    device = split.images.device
    chunk = _CPU_CHUNK if device.type == "cpu" else _ACCELERATOR_CHUNK
    with mode(model, training=False), torch.inference_mode(), autocast(device, precision):
        return [
            measure(model(splits.normalise(images)), labels)
            for images, labels in zip(
                split.images.split(chunk), split.labels.split(chunk), strict=True
            )
        ]


def _measurement(sums: list[Tensor], count: int) -> Measurement:
    loss, hits = torch.stack(sums).cpu().double().sum(dim=0).tolist()
    return Measurement(loss=loss / count, acc=hits / count)


def _loss_and_hits(logits: Tensor, labels: Tensor) -> Tensor:
    loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    return torch.stack((loss, (logits.argmax(dim=1) == labels).sum().float()))
