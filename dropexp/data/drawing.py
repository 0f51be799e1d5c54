"""What is drawn about a data set: which examples come first, and which labels are made wrong."""

import torch
from torch import Tensor

from dropexp.errors import DataError


def stratified_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """A random order of all examples of which every beginning is stratified.

    The r-th example of a class of size s (r = 0, 1, …; which example that is, is drawn) comes at
    (r + 1/2) / s of the way, and equal places are in random order: the order in which Sainte-Laguë
    apportionment hands out seats. With classes of equal size, the numbers of two classes in a
    beginning differ by at most 1; else a class is at most 1/2 off its size times some common
    fraction, which is as near as whole numbers can be.

    Args:
        labels: int64 (N,), non-negative.
        generator: on the CPU; one permutation is drawn.

    Returns:
        int64 (N,), a permutation.
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    classes = labels[shuffled]
    sizes = torch.bincount(classes)
    by_class = torch.argsort(classes, stable=True)
    first = (sizes.cumsum(0) - sizes)[classes[by_class]]
    rank = torch.empty_like(shuffled)
    rank[by_class] = torch.arange(len(labels)) - first
    place = (rank.double() + 0.5) / sizes[classes]
    # A stable sort leaves equal places in the order of the permutation, which is random.
    return shuffled[torch.argsort(place, stable=True)]


def add_label_noise(
    labels: Tensor, *, fraction: float, num_classes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Set a share of the labels to a wrong class: symmetric noise that is always wrong.

    Args:
        labels: int64 (N,), from 0 to num_classes − 1.
        fraction: round(fraction × N) labels are changed, drawn uniformly; each becomes one of
            the other classes, drawn uniformly.
        num_classes: how many classes there are.
        generator: on the CPU.

    Returns:
        The labels, int64 (N,), and which of them were changed, bool (N,).

    Raises:
        DataError: there is noise, but no other class.
    """
    noisy = torch.zeros(len(labels), dtype=torch.bool)
    if fraction == 0:
        return labels, noisy
    if num_classes < 2:
        raise DataError(
            f"data.label_noise={fraction:g} is not allowed: with one class there is no wrong label."
        )
    count = round(fraction * len(labels))
    changed = torch.randperm(len(labels), generator=generator)[:count]
    shift = torch.randint(1, num_classes, (count,), generator=generator)
    noisy[changed] = True
    return labels.index_copy(0, changed, (labels[changed] + shift) % num_classes), noisy
