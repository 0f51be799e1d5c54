"""The forward passes of a network in somebody's loop: their mode, and what became of them."""

import weakref
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from dropexp.doctor.recording import RecordedCall
from dropexp.doctor.registration import iterate_tensors


@dataclass(eq=False)
class ForwardPass:
    """A call of the network, or of a part of it, from outside.

    Attributes:
        module: name of the outermost module that was called; empty for the network itself.
        training: the mode of that module.
        is_repeated: whether it was given the same tensors as the pass before, unchanged.
        has_batch_norm: whether a batch norm in training mode took part.
        has_dropout: whether a dropout was on.
        is_backpropagated: whether a gradient has come back to its output.
    """

    module: str
    training: bool
    is_repeated: bool
    has_batch_norm: bool = False
    has_dropout: bool = False
    is_backpropagated: bool = False


@dataclass
class PassLog:
    """All passes of a network, and the steps of its optimisers.

    Attributes:
        passes: in their order.
        steps: how many steps an optimiser of the network's parameters has made.
        wrong_steps: how many of them used gradients of passes in eval mode only, while a layer
            that is trained has a training mode.
    """

    passes: list[ForwardPass] = field(default_factory=list)
    steps: int = 0
    wrong_steps: int = 0
    _since_step: list[ForwardPass] = field(default_factory=list)
    _last_inputs: list[tuple["weakref.ref[Tensor]", int]] = field(default_factory=list)

    def begin(self, name: str, module: nn.Module, inputs: object) -> None:
        """Begin a pass."""
        tensors = list(iterate_tensors(inputs))
        is_repeated = _are_same(self._last_inputs, tensors)
        self._last_inputs = [(weakref.ref(tensor), tensor._version) for tensor in tensors]
        self.passes.append(ForwardPass(name, module.training, is_repeated))

    def note(self, recorded: RecordedCall) -> None:
        """Take in a call of the pass that is running."""
        if not recorded.call.is_on:
            return
        if recorded.call.kind == "batch_norm":
            self.passes[-1].has_batch_norm |= recorded.was_training
        else:
            self.passes[-1].has_dropout = True

    def end(self, output: object) -> None:
        """End the pass; a gradient of its output will say that it is one of training."""
        current = self.passes[-1]

        def mark(_: Tensor) -> None:
            if not current.is_backpropagated:
                current.is_backpropagated = True
                self._since_step.append(current)

        for tensor in iterate_tensors(output):
            if tensor.requires_grad and torch.is_grad_enabled():
                tensor.register_hook(mark)

    def step(self, *, needs_training_mode: bool) -> None:
        """Take in a step of an optimiser of the network's parameters.

        Args:
            needs_training_mode: whether a layer that is trained acts otherwise in training mode,
                and is in eval mode.
        """
        used, self._since_step = self._since_step, []
        self.steps += 1
        if used and needs_training_mode and not any(each.training for each in used):
            self.wrong_steps += 1


def _are_same(last: list[tuple["weakref.ref[Tensor]", int]], tensors: list[Tensor]) -> bool:
    return (
        bool(tensors)
        and len(last) == len(tensors)
        and all(
            reference() is tensor and version == tensor._version
            for (reference, version), tensor in zip(last, tensors, strict=True)
        )
    )
