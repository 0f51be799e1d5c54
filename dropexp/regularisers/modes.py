"""Switching a module between training and eval mode for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def preserve_modes(module: nn.Module) -> Iterator[None]:
    """Give the module and every module in it their present mode back at the end.

    Inside, modes may be switched at will. Flags are restored one by one: a frozen part in eval
    mode stays frozen, and an overridden ``train`` method is not called.
    """
    modes = [(each, each.training) for each in module.modules()]
    try:
        yield
    finally:
        for each, was_training in modes:
            each.training = was_training


def run_in_both_modes(module: nn.Module, probe: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """Return a probe's results with the module in eval and in training mode; no gradients.

    Args:
        module: has the mode it had before afterwards.
        probe: calls the module.
    """
    with preserve_modes(module), torch.no_grad():
        module.eval()
        evaluated = probe()
        module.train()
        trained = probe()
    return evaluated, trained
