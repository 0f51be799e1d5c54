"""Follows random numbers from where they are drawn to where they meet the network's values.

Code such as ``x * (torch.rand_like(x) > p)`` draws its mask itself. What is computed from random
numbers alone is such a mask; the first operation that joins it with another tensor applies it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dropexp.doctor.registration import iterate_tensors

_OF_TRUE = (Tensor.masked_fill, Tensor.masked_fill_, torch.masked_fill, Tensor.__setitem__)
"""Operations that drop where the mask is true."""


class MaskTracker:
    """The masks of the calls that draw.

    Attributes:
        of_call: the index of a call → its mask, 0 or False where it drops, and the shape of what
            it is applied to.
    """

    def __init__(self) -> None:
        self.of_call: dict[int, tuple[Tensor, tuple[int, ...]]] = {}
        self._drawn: dict[int, tuple[Tensor, int]] = {}  # the tensors are kept for their ids

    def follow(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: object,
        drawn_by: int | None,
    ) -> None:
        """Look at a call of a function of torch's.

        Args:
            func: what was called.
            args: its arguments.
            kwargs: its keyword arguments.
            result: what it returned.
            drawn_by: the index of the call if it draws.
        """
        if drawn_by is not None:
            self._mark(result, drawn_by)
            return
        if not self._drawn:
            return
        # A single number, such as a learned p, is nothing that a mask could be applied to.
        tensors = [
            each
            for each in iterate_tensors((args, kwargs))
            if id(each) in self._drawn or each.numel() != 1
        ]
        masks = [self._drawn[id(each)] for each in tensors if id(each) in self._drawn]
        if not masks:
            return
        mask, index = masks[-1]
        if len(masks) == len(tensors):
            self._mark(result, index)
        elif index not in self.of_call:
            kept = ~mask.bool() if func in _OF_TRUE else mask.detach().clone()
            target = next(each for each in tensors if id(each) not in self._drawn)
            self.of_call[index] = kept, tuple(target.shape)

    def forget_tensors(self) -> None:
        """Release what was kept to recognise tensors."""
        self._drawn.clear()

    def _mark(self, result: object, index: int) -> None:
        for tensor in iterate_tensors(result):
            self._drawn[id(tensor)] = (tensor, index)
