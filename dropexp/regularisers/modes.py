"""Switching a module between training and eval mode for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def preserve_modes(module: nn.Module) -> Iterator[None]:
    """Restore the present modes of a module and of all its submodules at the end.

    The modes are restored one by one: a frozen submodule in eval mode stays frozen, and an
    overridden ``train`` method is not called.
    """
    modes = [(each, each.training) for each in module.modules()]
    try:
        yield
    finally:
        for each, was_training in modes:
            each.training = was_training


def run_in_both_modes(module: nn.Module, probe: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
    """Return a probe's results in eval mode and in training mode, without gradients.

    Args:
        module: its modes are restored afterwards.
        probe: calls the module and returns its output.
    """
    with preserve_modes(module), torch.no_grad():
        module.eval()
        evaluated = probe()
        module.train()
        trained = probe()
    return evaluated, trained
