"""A data set divided into training, validation and test images, with label noise.

The order of the draws gives what studies rely on. Test images are drawn first, then validation
images, then an order of all the rest of which the first ``train_size`` are trained on. So, for
one data seed, neither the test nor the validation set depends on ``train_size``, and a smaller
training set is part of a larger one.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dropexp.config.data_section import DataConfig, ImageFolderConfig
from dropexp.data.drawing import add_label_noise, stratified_order
from dropexp.errors import DataError
from dropexp.randomness import stream


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: int64 (N,), from 0 to classes − 1.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    def at(self, indices: Tensor) -> "Split":
        """The examples at these positions, in this order; a copy."""
        return Split(self.images[indices], self.labels[indices])

    def to(self, device: torch.device | str) -> "Split":
        """The same on another device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as its publisher divides it, before anything is drawn.

    Attributes:
        train: what validation images, and test images where ``test`` is None, are drawn from.
        val: the publisher's own validation images, if any.
        test: the publisher's own test images, if any.
        class_names: one for each label.
        test_size: test images to draw from ``train`` where the set's kind, not the config, says.
    """

    train: Split
    val: Split | None
    test: Split | None
    class_names: tuple[str, ...]
    test_size: int | None = None


@dataclass(frozen=True, eq=False)
class Splits:
    """What a run trains on, selects by and is tested on.

    Attributes:
        train, val, test: each of at least one image.
        class_names: one for each label.
        noisy: bool (N_train,), true where the training label was changed.
        mean, std: float32 (C,), of the training images' values, 0–255; a std of 0 is given as 1.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    noisy: Tensor
    mean: Tensor
    std: Tensor
    _mean: Tensor = field(init=False, repr=False)
    _inverse_std: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Shape the constants of normalise once, not for every batch."""
        object.__setattr__(self, "_mean", self.mean[:, None, None])
        object.__setattr__(self, "_inverse_std", self.std[:, None, None].reciprocal())

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """How many classes there are, whether or not each has an image in each split."""
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        """Where the images and labels are."""
        return self.train.images.device

    def normalise(self, images: Tensor) -> Tensor:
        """(images − mean) / std, channel by channel.

        Args:
            images: uint8 (N, C, H, W), on the device the splits are on.

        Returns:
            float32 (N, C, H, W); the training images have mean 0 and std 1 in each channel.
        """
        # A conversion and two passes in place: 1.5 to 7 times as fast as mixed-type arithmetic.
        return images.to(torch.float32).sub_(self._mean).mul_(self._inverse_std)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return replace(
            self,
            train=self.train.to(device),
            val=self.val.to(device),
            test=self.test.to(device),
            noisy=self.noisy.to(device),
            mean=self.mean.to(device),
            std=self.std.to(device),
        )


def make_splits(source: Source, config: DataConfig) -> Splits:
    """Divide a data set, and change some of the training labels, as the config says.

    A pure function of its arguments. Test images, then validation images, are taken out of
    ``source.train`` where the source has none of its own.

    Raises:
        DataError: a size is too large, or makes an empty split; or there is label noise but
            one class only.
    """
    train, val, test = _divide(source, config)
    labels, noisy = add_label_noise(
        train.labels,
        fraction=config.label_noise,
        num_classes=len(source.class_names),
        generator=stream(config.seed, "label_noise"),
    )
    mean, std = channel_statistics(train.images)
    return Splits(
        Split(train.images, labels), val, test, source.class_names, noisy, mean=mean, std=std
    )


def _divide(source: Source, config: DataConfig) -> tuple[Split, Split, Split]:
    generator = stream(config.seed, "split")
    labels, val, test = source.train.labels, source.val, source.test
    rest = torch.arange(len(labels))

    def draw(count: int) -> tuple[Tensor, Tensor]:
        # A new order for each part, of what is left, so that each is stratified by itself and
        # does not begin in the middle of a round through the classes.
        order = rest[stratified_order(labels[rest], generator)]
        return order[:count], order[count:]

    if test is None:
        size = config.test_size if isinstance(config, ImageFolderConfig) else source.test_size
        assert size is not None, "a source without test images says how many to draw"
        keep = 1 if val is not None else 2
        drawn, rest = draw(_count("test_size", size, len(rest), keep=keep))
        test = source.train.at(drawn)
    if val is None:
        drawn, rest = draw(_count("val_size", config.val_size, len(rest), keep=1))
        val = source.train.at(drawn)
    size = len(rest) if config.train_size is None else config.train_size
    drawn, _ = draw(_count("train_size", size, len(rest), keep=0))
    return source.train.at(drawn), val, test


def _count(name: str, size: int | float, available: int, *, keep: int) -> int:
    """A size as a number of images; ``keep`` of those available must be left for later parts."""
    count = size if isinstance(size, int) else round(size * available)
    limit = available - keep
    if 1 <= count <= limit:
        return count
    refused = f"data.{name}={size} is not allowed"
    if count == 0:
        raise DataError(f"{refused}: of {available} images it makes 0, and 1 is the least.")
    reason = {
        "test_size": f"of {available} images that test images can be drawn from, {keep} must be "
        "left for the other splits",
        "val_size": f"of {available} images that are not test images, {keep} must be left for "
        "training",
        "train_size": f"{available} images are left after those for testing and validation",
    }[name]
    remedy = f"it must be at most {limit} images" if limit > 0 else "this data set is too small"
    raise DataError(f"{refused}: {reason}, so {remedy}.")


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (population) standard deviation of each channel, from exact integer sums.

    Args:
        images: uint8 (N, C, H, W) on the CPU, N ≥ 1.

    Returns:
        Two tensors float32 (C,); a standard deviation of 0 is given as 1.
    """
    means, deviations = [], []
    for channel in images.unbind(1):
        counts = _histogram(channel)
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value**2 * count for value, count in enumerate(counts))
        means.append(first / total)
        deviations.append(math.sqrt((total * second - first**2) / total**2) or 1.0)
    return torch.tensor(means), torch.tensor(deviations)


def _histogram(channel: Tensor) -> list[int]:
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(channel), 1000):  # bincount makes 64-bit copies; these stay small
        some = channel[start : start + 1000].numpy()
        counts += np.bincount(some.ravel(), minlength=256)
    return [int(count) for count in counts]
