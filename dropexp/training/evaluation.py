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
from dropexp.regularisers import noise_modules, preserve_modes
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
    test_entropy: float | None  # see predictive_entropy; None where logits are infinite
    noisy_label_acc: float | None  # wrong training labels that are given back; None without any


@contextmanager
def mode(model: nn.Module, *, training: bool, noise: bool | None = None) -> Iterator[None]:
    """Every module in training or in eval mode inside; afterwards each in the mode it was in.

    Args:
        model: whose modules to switch.
        training: the mode.
        noise: that of the noise modules themselves, where it is to be another.

    Raises:
        AuditError: a module does not take the mode (its ``train`` method was overridden, say),
            or has left it by the end.
    """
    with preserve_modes(model):
        model.train(training)
        if noise is not None:
            for module in _noise_in(model):
                module.training = noise  # not train(), which would take what it holds along
        check_mode(model, training=training, noise=noise)
        yield
        check_mode(model, training=training, noise=noise)


def check_mode(model: nn.Module, *, training: bool, noise: bool | None = None) -> None:
    """Refuse a model in which some module is in the other mode; see mode.

    Raises:
        AuditError: names the first such module.
    """
    others = set() if noise is None else _noise_in(model)
    for name, module in model.named_modules():
        asked = noise if module in others else training
        if module.training is not asked:
            wanted = "training" if asked else "eval"
            raise AuditError(
                f"{name or 'the model'} ({type(module).__name__}) is not in {wanted} mode."
            )


def _noise_in(model: nn.Module) -> set[nn.Module]:
    return {model.get_submodule(name) for name in noise_modules(model)}


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
    with mode(model, training=False):
        found = over_chunks(model, splits, split, precision, _loss_and_hits)
    return _measurement(found, len(split))


def evaluate_finally(
    model: nn.Module, splits: Splits, precision: str = "float32"
) -> FinalMeasurement:
    """What there is to know of the test set, and how many wrong labels are memorised.

    Args:
        model: see evaluate.
        splits: its test images, and its training images with a wrong label, are measured on.
        precision: see evaluate.
    """

    def both(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return _loss_and_hits(logits, labels), logits.float().softmax(dim=1)

    with mode(model, training=False):
        found = over_chunks(model, splits, splits.test, precision, both)
    probabilities = torch.cat([each for _, each in found]).cpu()
    memorised = None
    if splits.noisy.any():
        memorised = evaluate(model, splits, splits.train.at(splits.noisy), precision).acc
    return FinalMeasurement(
        test=_measurement([sums for sums, _ in found], len(splits.test)),
        test_ece=calibration_error(probabilities, splits.test.labels.cpu()),
        test_entropy=predictive_entropy(probabilities),
        noisy_label_acc=memorised,
    )


def calibration_error(probabilities: Tensor, labels: Tensor) -> float | None:
    """See expected_calibration_error; None where a probability of (N, K) is not a number."""
    if not probabilities.isfinite().all():
        return None
    return expected_calibration_error(probabilities.numpy(), labels.numpy())


def predictive_entropy(probabilities: Tensor) -> float | None:
    """The mean over images of the entropy −Σ p log p of the predicted classes.

    Args:
        probabilities: floats (N, K), rows of sum 1.

    Returns:
        Nats, in [0, log K]; None where a probability is not a number.
    """
    if not probabilities.isfinite().all():
        return None
    return float(torch.special.entr(probabilities.double()).sum(dim=1).mean())


def over_chunks(
    model: nn.Module,
    splits: Splits,
    split: Split,
    precision: str,
    measure: Callable[[Tensor, Tensor], Found],
) -> list[Found]:
    """What ``measure`` says of the logits (n, classes) and labels (n,) of each chunk.

    The model stays in the mode it is in.
    """
    device = split.images.device
    chunk = _CPU_CHUNK if device.type == "cpu" else _ACCELERATOR_CHUNK
    with torch.inference_mode(), autocast(device, precision):
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
