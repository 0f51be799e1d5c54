"""Random draws about a data set: the order of its examples, and label noise."""

import torch
from torch import Tensor

from dropexp.errors import DataError


def draw_stratified_order(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random order of all examples whose first n are stratified, for every n.

    The examples of a class of size s are shuffled, and the r-th (r = 0, 1, …) is placed at
    (r + 1/2) / s; equal places are in random order. This is the order in which Sainte-Laguë
    apportionment allocates seats. The counts of equally large classes among the first n differ by
    at most 1. In general there is a fraction, common to all classes, such that each count is
    within 1/2 of that fraction of the class.

    Args:
        labels: int64 (N,), non-negative.
        generator: on the CPU; one permutation is drawn.

    Returns:
        Indices of examples, int64 (N,), a permutation.
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
    """Return the labels with a fraction set to a wrong class (symmetric label noise).

    Args:
        labels: int64 (N,), from 0 to num_classes − 1.
        fraction: in [0, 1]. round(fraction × N) labels, drawn uniformly, are set to one of the
            other classes, drawn uniformly.
        num_classes: the number of classes.
        generator: on the CPU.

    Returns:
        The labels, int64 (N,), and whether each was changed, bool (N,).

    Raises:
        DataError: the fraction is above 0 and there is a single class.
    """
    noisy = torch.zeros(len(labels), dtype=torch.bool)
    if fraction == 0:
        return labels, noisy
    if num_classes < 2:
        raise DataError(
            f"data.label_noise={fraction:g} is not allowed: with one class no label can be wrong; "
            f"use data.label_noise=0."
        )
    count = round(fraction * len(labels))
    changed = torch.randperm(len(labels), generator=generator)[:count]
    shift = torch.randint(1, num_classes, (count,), generator=generator)
    noisy[changed] = True
    return labels.index_copy(0, changed, (labels[changed] + shift) % num_classes), noisy
