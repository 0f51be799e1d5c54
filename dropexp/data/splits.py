"""Splits of a data set into training, validation and test images, with label noise.

Test images are drawn first, then validation images, then an order of all the rest, of which the
first ``train_size`` are trained on. So, for one data seed, the test and the validation set do not
depend on ``train_size``, and a smaller training set is part of a larger one.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from dropexp.config.data_section import DataConfig, SizedTestSection
from dropexp.data.channels import compute_channel_statistics
from dropexp.data.drawing import add_label_noise, draw_stratified_order
from dropexp.errors import DataError
from dropexp.randomness import stream

ImageShape = tuple[int, int, int]
"""(C, H, W) of one image."""


class Examples(Protocol):
    """Images and their classes, of which the images may be read when they are drawn."""

    @property
    def labels(self) -> Tensor:
        """int64 (N,), from 0 to classes − 1."""

    def __len__(self) -> int:
        """Return the number of images, N."""

    def select(self, indices: Tensor) -> "Split":
        """Return some examples; see Split.select."""

    def select_all(self) -> "Split":
        """Return all examples, in their order."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes.

    Attributes:
        images: uint8 (N, C, H, W), or float32 where the user's own are floating point.
        labels: int64 (N,), from 0 to classes − 1.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of images, N."""
        return len(self.labels)

    def select(self, indices: Tensor) -> "Split":
        """Return a copy of some examples.

        Args:
            indices: int64 (n,), in the order wanted, or bool (N,).
        """
        return Split(self.images[indices], self.labels[indices])

    def select_all(self) -> "Split":
        """Return the split itself."""
        return self

    def to(self, device: torch.device | str) -> "Split":
        """Return the split on another device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Source:
    """A data set as its publisher divides it, before anything is drawn.

    Attributes:
        train: the images to train on, and to draw validation and test images from.
        val: the publisher's own validation images; None: drawn from ``train``.
        test: the publisher's own test images; None: drawn from ``train``.
        class_names: one for each label.
        test_size: the number of test images to draw; None where the config gives it.
        skipped: the files that were left out because they cannot be decoded.
        groups: int64 (N_train,), the group of each training image, from 0; the groups are divided
            among the splits as wholes. None: images are divided.
        test_groups: the number of groups whose images are the test set, if there are groups.
    """

    train: Examples
    val: Examples | None
    test: Examples | None
    class_names: tuple[str, ...]
    test_size: int | None = None
    skipped: tuple[str, ...] = ()
    groups: Tensor | None = None
    test_groups: int = 1


@dataclass(frozen=True, eq=False)
class Splits:
    """The data of a run.

    Attributes:
        train, val, test: each of at least one image.
        class_names: one for each label.
        noisy: bool (N_train,), true where the training label was set to a wrong class.
        true_labels: int64 (N_train,), the training labels before label noise; the same tensor as
            ``train.labels`` without noise.
        wrong_share: the mean of ``noisy``, in [0, 1]; evaluation needs it after every epoch.
        mean, std: float32 (C,), of the values 0–255 of the training images; a std of 0 is set to 1.
        source_index: int64 (N_train,) on the CPU, the place of each training image among the
            training images of the source.
        skipped: see Source.
    """

    train: Split
    val: Split
    test: Split
    class_names: tuple[str, ...]
    noisy: Tensor
    true_labels: Tensor
    wrong_share: float
    mean: Tensor
    std: Tensor
    source_index: Tensor
    skipped: tuple[str, ...] = ()
    _mean: Tensor = field(init=False, repr=False)
    _inverse_std: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Shape the constants of normalise once instead of for every batch."""
        object.__setattr__(self, "_mean", self.mean[:, None, None])
        object.__setattr__(self, "_inverse_std", self.std[:, None, None].reciprocal())

    @property
    def image_shape(self) -> ImageShape:
        """(C, H, W) of the images."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """The number of classes, including those without an image in some split."""
        return len(self.class_names)

    @property
    def device(self) -> torch.device:
        """Where the images and labels are."""
        return self.train.images.device

    def normalise(self, images: Tensor) -> Tensor:
        """Return (images − mean) / std, channel by channel.

        Args:
            images: (N, C, H, W), as those of a split, on the device of the splits; not changed.

        Returns:
            float32 (N, C, H, W); the training images have mean 0 and std 1 in each channel.
        """
        # Converting first, then working in place, is 1.5 to 7 times as fast as mixed types.
        return images.to(torch.float32, copy=True).sub_(self._mean).mul_(self._inverse_std)

    def to(self, device: torch.device | str) -> Self:
        """Return the splits on another device."""
        train = self.train.to(device)
        has_noise = self.true_labels is not self.train.labels
        return replace(
            self,
            train=train,
            val=self.val.to(device),
            test=self.test.to(device),
            noisy=self.noisy.to(device),
            true_labels=self.true_labels.to(device) if has_noise else train.labels,
            mean=self.mean.to(device),
            std=self.std.to(device),
        )


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Places in the training images of a source, each int64 (n,); None: a split of its own."""

    train: Tensor
    val: Tensor | None
    test: Tensor | None


def make_splits(source: Source, config: DataConfig) -> Splits:
    """Return the splits of a data set, with label noise: a pure function of the arguments.

    Test images, then validation images, are drawn from
    ``source.train`` where the source has none of its own.

    Raises:
        DataError: a split would be empty, a size exceeds the images there are, or there is label
            noise with a single class.
    """
    drawn = _draw_splits(source, config)
    train = source.train.select(drawn.train)
    labels, noisy = _add_noise(train.labels, source, config)
    mean, std = compute_channel_statistics(train.images)
    return Splits(
        train=Split(train.images, labels),
        val=_select(source, source.val, drawn.val),
        test=_select(source, source.test, drawn.test),
        class_names=source.class_names,
        noisy=noisy,
        true_labels=train.labels,
        wrong_share=int(noisy.sum()) / len(noisy),
        mean=mean,
        std=std,
        source_index=drawn.train,
        skipped=source.skipped,
    )


def refuse_sizes(source: Source, config: DataConfig) -> None:
    """Check that make_splits would return splits; it looks at no pixel.

    Raises:
        DataError: as make_splits, but for images that cannot be read.
    """
    drawn = _draw_splits(source, config)
    _add_noise(source.train.labels[drawn.train], source, config)


def _select(source: Source, own: Examples | None, places: Tensor | None) -> Split:
    """Return the publisher's own split, or the training images at some places."""
    if own is not None:
        return own.select_all()
    assert places is not None, "a split that is not the publisher's own is drawn"
    return source.train.select(places)


def _add_noise(labels: Tensor, source: Source, config: DataConfig) -> tuple[Tensor, Tensor]:
    return add_label_noise(
        labels,
        fraction=config.label_noise,
        num_classes=len(source.class_names),
        generator=stream(config.seed, "label_noise"),
    )


def _draw_splits(source: Source, config: DataConfig) -> _Drawn:
    """Return the places of the images of each split in ``source.train``."""
    generator = stream(config.seed, "split")
    if source.groups is not None:
        return _draw_groups(source, source.groups, config, generator)
    labels = source.train.labels
    val = test = None
    rest = torch.arange(len(labels))

    def draw(count: int) -> tuple[Tensor, Tensor]:
        # A new order of the remaining images for each split, so that each split is stratified.
        order = rest[draw_stratified_order(labels[rest], generator)]
        return order[:count], order[count:]

    if source.test is None:
        size = config.test_size if isinstance(config, SizedTestSection) else source.test_size
        assert size is not None, "a source without test images must have a test_size"
        keep = 1 if source.val is not None else 2
        test, rest = draw(_resolve_size("test_size", size, len(rest), keep=keep))
    if source.val is None:
        val, rest = draw(_resolve_size("val_size", config.val_size, len(rest), keep=1))
    size = len(rest) if config.train_size is None else config.train_size
    train, _ = draw(_resolve_size("train_size", size, len(rest), keep=0))
    return _Drawn(train, val, test)


def _draw_groups(
    source: Source, groups: Tensor, config: DataConfig, generator: torch.Generator
) -> _Drawn:
    """Return the places of a source whose groups are divided as wholes; see _draw_splits.

    The test set is all images of its groups. Validation takes the fewest groups that have
    ``val_size`` images, and that many of them; training draws from all other groups.
    """
    order = torch.randperm(int(groups.max()) + 1, generator=generator)
    test = torch.isin(groups, order[: source.test_groups])
    rest = order[source.test_groups :]
    available = int((~test).sum())
    size = _resolve_size("val_size", config.val_size, available, keep=1)
    counts = torch.bincount(groups)[rest].cumsum(0)
    taken = int(torch.searchsorted(counts, size)) + 1

    def draw(among: Tensor, name: str, size: int | float | None) -> Tensor:
        places = torch.isin(groups, among).nonzero().squeeze(1)
        places = places[draw_stratified_order(source.train.labels[places], generator)]
        wanted = len(places) if size is None else size
        return places[: _resolve_size(name, wanted, len(places), keep=0)]

    val = draw(rest[:taken], "val_size", size)
    train = draw(rest[taken:], "train_size", config.train_size)
    return _Drawn(train, val, test.nonzero().squeeze(1))


def _resolve_size(name: str, size: int | float, available: int, *, keep: int) -> int:
    """Return a size as a number of images.

    Args:
        name: the field of the data section, for messages.
        size: a number of images, or a fraction of those available.
        available: the number of images to draw from.
        keep: how many of them must remain for the other splits.

    Raises:
        DataError: the number is 0 or above ``available − keep``.
    """
    count = size if isinstance(size, int) else round(size * available)
    limit = available - keep
    if 1 <= count <= limit:
        return count
    refused = f"data.{name}={size} is not allowed"
    if count == 0:
        raise DataError(f"{refused}: that is 0 of {available} images; it must be at least 1.")
    reason = {
        "test_size": f"of {available} images to draw test images from, {keep} must remain for the "
        "other splits",
        "val_size": f"of {available} images that are not test images, {keep} must remain for "
        "training",
        "train_size": f"{available} images remain after those for testing and validation",
    }[name]
    remedy = f"it must be at most {limit} images" if limit > 0 else "this data set is too small"
    raise DataError(f"{refused}: {reason}, so {remedy}.")
