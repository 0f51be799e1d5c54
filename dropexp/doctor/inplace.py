"""Finds in-place dropout that breaks the backward pass, or overwrites what is used elsewhere."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from dropexp.doctor.recording import RecordedCall, Recorder
from dropexp.doctor.report import Finding
from dropexp.terminal.numbers import list_few

INPLACE_ERROR = "modified by an inplace operation"
"""What torch says when a value that the backward pass needs was overwritten."""

_LEAF_ERROR = "is being used in an in-place operation"
_SEED = 0

Run = Callable[[], Tensor | None]


def find_inplace_mistakes(model: nn.Module, run: Run) -> list[Finding]:
    """Return what is wrong with the in-place dropout of a network.

    Each such call is made out of place in turn, with the same random numbers: if the backward pass
    works only then, or the outputs differ, the call is to blame.

    Args:
        model: the network.
        run: makes a forward pass in training mode with gradients, and returns a scalar.
    """
    calls, broken, value = _attempt(model, run, ())
    if not calls:
        return []
    every = range(len(calls))
    if broken:
        blamed = [i for i in every if not _attempt(model, run, [i])[1]]
        if not blamed and not _attempt(model, run, every)[1]:
            blamed = list(every)
        return [_explain_backward([calls[i] for i in blamed])] if blamed else []
    _, _, expected = _attempt(model, run, every)
    if value is None or expected is None or torch.allclose(value, expected, rtol=1e-4):
        return []
    blamed = [i for i in every if not _is_close(value, _attempt(model, run, [i])[2])]
    return [_explain_overwriting([calls[i] for i in blamed or every])]


def _attempt(
    model: nn.Module, run: Run, out_of_place: Iterable[int]
) -> tuple[list[RecordedCall], bool, Tensor | None]:
    """Return the in-place calls of a pass, whether its backward pass fails, and its value."""
    torch.manual_seed(_SEED)
    value: Tensor | None = None
    broken = False
    with Recorder(model, out_of_place) as recorder:
        try:
            value = run()
            if value is not None and value.requires_grad:
                value.backward()
        except RuntimeError as error:
            if INPLACE_ERROR not in str(error) and _LEAF_ERROR not in str(error):
                raise
            broken = True
    model.zero_grad(set_to_none=True)
    calls = [each for each in recorder.calls if each.call.inplace]
    return calls, broken, None if value is None else value.detach()


def _is_close(value: Tensor, other: Tensor | None) -> bool:
    return other is not None and torch.allclose(value, other, rtol=1e-4)


def _explain_backward(calls: list[RecordedCall]) -> Finding:
    return Finding(
        "inplace_backward",
        "error",
        f"{list_few([each.place for each in calls])}: in-place dropout overwrites a value that "
        f"the backward pass needs. Write inplace=False.",
    )


def _explain_overwriting(calls: list[RecordedCall]) -> Finding:
    return Finding(
        "inplace_overwrites",
        "error",
        f"{list_few([each.place for each in calls])}: in-place dropout overwrites a value that "
        f"is used elsewhere, for example in a shortcut, so it is dropped there too. Write "
        f"inplace=False.",
    )
