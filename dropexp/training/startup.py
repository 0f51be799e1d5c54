"""Start-up tricks: costs of torch that a short command does not have to pay.

Each saving is processor time of ``dropexp train train.epochs=2``, which takes 2.3 s with all of
these tricks (torch 2.13 on two x86 cores). This module imports no torch by itself.

A deferred import is a plain ``import`` in the function that needs it:

====================  =======  ========================================================
torch                 1.20 s   saved by every command that trains nothing
torchvision           0.30 s   by runs whose data and model are not torchvision's
Hydra and pydantic    0.26 s   by commands that compose no config
altair                0.19 s   by commands that draw no chart
TensorBoard's writer  0.15 s   by runs that are refused before they train
====================  =======  ========================================================
"""

import inspect
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from torch.optim import Optimizer


def exit_process(code: int) -> NoReturn:
    """End the process; where torch was imported, without Python's teardown.

    Saves 0.75 s: freeing torch's modules one by one.
    """
    if "torch" not in sys.modules:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def refuse_nondeterminism(is_refused: bool) -> None:
    """Make operations without a deterministic implementation raise an error, or allow them.

    Saves 1.2 s: ``torch.use_deterministic_algorithms`` does the same and imports torch's compiler.
    """
    import torch

    torch.set_deterministic_debug_mode("error" if is_refused else "default")


def keep_compiler_out_of_optimisers() -> None:
    """Let optimisers be built without importing torch's compiler.

    Saves 1.2 s, together with ``take_step``. Methods of optimisers are wrapped so that
    torch.compile leaves them alone. The wrapper asks the compiler for that on its first call and
    stores the answer in the attribute set here. If a version of torch renames that attribute,
    nothing breaks; only the time is lost.
    """
    from torch.optim import Optimizer

    for method in vars(Optimizer).values():
        plain = getattr(method, "__wrapped__", None)
        if inspect.isfunction(plain) and not hasattr(plain, "__dynamo_disable"):
            plain.__dynamo_disable = plain  # type: ignore[attr-defined]


def take_step(optimiser: "Optimizer") -> None:
    """Take one step of an optimiser, with the arithmetic of ``optimiser.step()``.

    Saves 1.2 s, together with ``keep_compiler_out_of_optimisers``: torch wraps ``step`` in
    profiling and in switches for torch.compile, whose first call imports the compiler.
    """
    import torch

    with torch.no_grad():
        inspect.unwrap(type(optimiser).step)(optimiser)
