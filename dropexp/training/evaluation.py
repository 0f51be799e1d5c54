"""Loss and accuracy of a model on a split: in eval mode, consuming no randomness."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.data import Split, Splits
from dropexp.statistics import expected_calibration_error
from dropexp.training.modes import in_mode

_CPU_CHUNK = 128  # images that fit the caches; one batch of 1,000 took 1.6 times as long
_ACCELERATOR_CHUNK = 2048

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Measurement:
    """Results on one split."""

    loss: float  # mean cross-entropy, nats
    acc: float  # fraction in [0, 1]


@dataclass(frozen=True, slots=True)
class CleanAndNoisy:
    """Results on one split against its true labels, and against noisy labels.

    Without label noise both are the same object.

    Attributes:
        clean: against the true labels.
        noisy: of the training set, against the labels trained on; of another split, the
            expectation over labels that are drawn as the training labels were.
        fitted: bool (N,), the training images that are predicted as they are labelled; None
            where that was not asked for.
    """

    clean: Measurement
    noisy: Measurement
    fitted: Tensor | None = None


@dataclass(frozen=True, slots=True)
class FinalMeasurement:
    """Results that are measured only after training: on the test set, and on wrong labels.

    Attributes:
        test: loss and accuracy on the test set.
        test_ece: expected calibration error, in [0, 1]; None where a logit is not finite.
        test_entropy: see predictive_entropy; None where a logit is not finite.
        noisy_label_acc: the fraction of the wrong training labels that the model predicts; None
            where no label is wrong.
    """

    test: Measurement
    test_ece: float | None
    test_entropy: float | None
    noisy_label_acc: float | None


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return a context of mixed precision for ``bfloat16``, and an empty one otherwise."""
    if precision != "bfloat16":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def evaluate(
    model: nn.Module, splits: Splits, split: Split, precision: str = "float32"
) -> Measurement:
    """Measure mean cross-entropy and accuracy on a split.

    Args:
        model: takes normalised images (N, C, H, W), returns logits (N, K). Its modules are in
            eval mode meanwhile.
        splits: whose training set gives the normalisation.
        split: images to measure on, on the model's device.
        precision: ``float32``, ``tf32`` or ``bfloat16``; losses are summed in float32 or more.
    """
    with in_mode(model, training=False):
        sums = map_chunks(model, splits, split, precision, _sum_loss_and_hits)
    return _measurement(sums, len(split))


def evaluate_train(
    model: nn.Module, splits: Splits, precision: str = "float32", *, track_examples: bool = False
) -> CleanAndNoisy:
    """Measure a model on the training set, against the true labels and those trained on.

    Args:
        model: see evaluate.
        splits: on the model's device.
        precision: see evaluate.
        track_examples: whether to return which images are predicted as they are labelled.
    """
    fitted: list[Tensor] = []

    def measure(logits: Tensor, labels: Tensor, true_labels: Tensor | None = None) -> Tensor:
        is_hit = logits.argmax(dim=1) == labels
        if track_examples:
            fitted.append(is_hit)
        sums = _sum_loss(logits, labels, is_hit)
        if true_labels is None:
            return sums
        return torch.cat((sums, _sum_loss_and_hits(logits, true_labels)))

    other_labels = [splits.true_labels] if splits.wrong_share else []
    with in_mode(model, training=False):
        sums = map_chunks(model, splits, splits.train, precision, measure, *other_labels)
    noisy_loss, noisy_hits, *clean_sums = _total(sums)
    clean_loss, clean_hits = clean_sums or (noisy_loss, noisy_hits)
    count = len(splits.train)
    noisy = Measurement(noisy_loss / count, noisy_hits / count)
    return CleanAndNoisy(
        clean=Measurement(clean_loss / count, clean_hits / count) if clean_sums else noisy,
        noisy=noisy,
        fitted=torch.cat(fitted).cpu() if fitted else None,
    )


def evaluate_val(model: nn.Module, splits: Splits, precision: str = "float32") -> CleanAndNoisy:
    """Measure a model on the validation set, also under the law of the training labels.

    A fraction ε of the training labels is wrong, each by one of the K − 1 other classes with
    equal probability. The expectation over validation labels of that law is exact: for one image
    (1 − ε) · l + ε · (s − l) / (K − 1), with l the loss of the true class and s the sum of the
    losses of all classes; the expected accuracy likewise.

    Args:
        model: see evaluate.
        splits: on the model's device.
        precision: see evaluate.
    """
    share, others = splits.wrong_share, splits.num_classes - 1
    if not share:
        measured = evaluate(model, splits, splits.val, precision)
        return CleanAndNoisy(clean=measured, noisy=measured)

    def measure(logits: Tensor, labels: Tensor) -> Tensor:
        of_all_classes = -logits.float().log_softmax(dim=1).sum()
        return torch.cat((_sum_loss_and_hits(logits, labels), of_all_classes[None]))

    with in_mode(model, training=False):
        sums = map_chunks(model, splits, splits.val, precision, measure)
    loss, acc, of_all_classes = (total / len(splits.val) for total in _total(sums))
    return CleanAndNoisy(
        clean=Measurement(loss, acc),
        noisy=Measurement(
            loss=(1 - share) * loss + share * (of_all_classes - loss) / others,
            acc=(1 - share) * acc + share * (1 - acc) / others,
        ),
    )


def evaluate_final(
    model: nn.Module, splits: Splits, precision: str = "float32"
) -> FinalMeasurement:
    """Measure a model on the test set and on the training images with a wrong label.

    Args:
        model: see evaluate.
        splits: on the model's device.
        precision: see evaluate.
    """

    def measure(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return _sum_loss_and_hits(logits, labels), logits.float().softmax(dim=1)

    with in_mode(model, training=False):
        chunks = map_chunks(model, splits, splits.test, precision, measure)
    probabilities = torch.cat([probabilities for _, probabilities in chunks]).cpu()
    noisy_label_acc = None
    if splits.noisy.any():
        noisy_label_acc = evaluate(model, splits, splits.train.select(splits.noisy), precision).acc
    return FinalMeasurement(
        test=_measurement([sums for sums, _ in chunks], len(splits.test)),
        test_ece=calibration_error(probabilities, splits.test.labels.cpu()),
        test_entropy=predictive_entropy(probabilities),
        noisy_label_acc=noisy_label_acc,
    )


def calibration_error(probabilities: Tensor, labels: Tensor) -> float | None:
    """Return the expected calibration error; None where a probability is not finite.

    Args:
        probabilities: floats (N, K) on the CPU, rows of sum 1.
        labels: int64 (N,) on the CPU.
    """
    if not probabilities.isfinite().all():
        return None
    return expected_calibration_error(probabilities.numpy(), labels.numpy())


def predictive_entropy(probabilities: Tensor) -> float | None:
    """Return the mean over images of the entropy −Σ p log p of the predicted classes.

    Args:
        probabilities: floats (N, K), rows of sum 1.

    Returns:
        Nats, in [0, log K]; None where a probability is not finite.
    """
    if not probabilities.isfinite().all():
        return None
    return float(torch.special.entr(probabilities.double()).sum(dim=1).mean())


def map_chunks(
    model: nn.Module,
    splits: Splits,
    split: Split,
    precision: str,
    measure: Callable[..., Value],
    *more_labels: Tensor,
) -> list[Value]:
    """Return what ``measure`` returns for each chunk's logits (n, K) and labels (n,), in order.

    The mode of the model is not changed.

    Args:
        model: see evaluate.
        splits: see evaluate.
        split: see evaluate.
        precision: see evaluate.
        measure: takes the logits, the labels, and the chunk of each of ``more_labels``.
        more_labels: other labels of the same images, each (N,).
    """
    device = split.images.device
    chunk = _CPU_CHUNK if device.type == "cpu" else _ACCELERATOR_CHUNK
    with torch.inference_mode(), autocast(device, precision):
        return [
            measure(model(splits.normalise(images)), *labels)
            for images, *labels in zip(
                split.images.split(chunk),
                split.labels.split(chunk),
                *(labels.split(chunk) for labels in more_labels),
                strict=True,
            )
        ]


def _measurement(sums: list[Tensor], count: int) -> Measurement:
    loss, hits = _total(sums)
    return Measurement(loss=loss / count, acc=hits / count)


def _total(sums: list[Tensor]) -> list[float]:
    """Return the sum over chunks of each number, of tensors (numbers,); waits for the device."""
    totals: list[float] = torch.stack(sums).cpu().double().sum(dim=0).tolist()
    return totals


def _sum_loss_and_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return (2,): the sum of the losses, and how many predictions are right."""
    return _sum_loss(logits, labels, logits.argmax(dim=1) == labels)


def _sum_loss(logits: Tensor, labels: Tensor, is_hit: Tensor) -> Tensor:
    loss = F.cross_entropy(logits.float(), labels, reduction="sum")
    return torch.stack((loss, is_hit.sum().float()))
