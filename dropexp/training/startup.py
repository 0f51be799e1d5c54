"""Start-up tricks: costs of torch that a command does not have to pay.

Each saving is processor time of ``dropexp train train.epochs=2``, which takes 2.1 s with all of
these tricks (torch 2.13 on two x86 cores). This module imports no torch by itself.

A deferred import is a plain ``import`` in the function that needs it:

====================  =======  ========================================================
torch                 1.20 s   saved by every command that trains nothing
torchvision           0.30 s   by runs whose data and model are not torchvision's
Hydra and pydantic    0.26 s   by commands that compose no config
the other commands    0.09 s   by every command, and by the help of all of them
altair                0.19 s   by commands that draw no chart
TensorBoard's writer  0.15 s   by runs that are refused before they train
====================  =======  ========================================================
"""

import gc
import inspect
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

if TYPE_CHECKING:
    from torch.optim import Optimizer

Value = TypeVar("Value")

SHORT_WAITS = {"GOMP_SPINCOUNT": "4000", "KMP_BLOCKTIME": "1"}
"""Settings of GNU's, and of Intel's and LLVM's OpenMP: how long a waiting thread keeps its core."""

_SETTINGS_OF_WAITS = (*SHORT_WAITS, "OMP_WAIT_POLICY", "KMP_LIBRARY")

_FREED_MEMORY_KEPT = 2**31 - 1  # bytes; the largest that mallopt takes
_OLDEST_LARGE_BLOCK = 32 * 2**20  # bytes; older versions of glibc take no more
_LARGE_BLOCK = 2**30
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of malloc.h


def shorten_waits() -> None:
    """Let torch's waiting threads give up their cores soon; call it before torch is imported.

    At the end of each parallel operation a thread waits for the others. OpenMP lets it spin for
    milliseconds by default, on a core that a busy machine needs for the very thread that is waited
    for. On two cores beside two busy processes an epoch of ResNet-20 on 128 images of 28×28 takes
    6.9 s with the default and 0.5 s with this; alone 0.23 and 0.32 s. Nothing is changed where the
    user has set one of these variables.
    """
    if not any(name in os.environ for name in _SETTINGS_OF_WAITS):
        os.environ.update(SHORT_WAITS)


def keep_out_current_folder() -> None:
    """Let no Python that this process starts import modules of the current folder by their names.

    ``python -c`` and ``python -m`` look there first, so that a received ``selectors.py`` would run
    in place of Python's own. A network of the user's own is still found: see module_search_path.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    source = os.path.realpath(Path(__file__).parents[2])
    try:
        first, here = (os.path.realpath(path) for path in (sys.path[0], os.curdir))
    except FileNotFoundError:  # the current folder was deleted
        return
    if first == source:  # dropexp's own source, which may not be installed
        paths = filter(None, (source, os.environ.get("PYTHONPATH")))
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    elif first == here:  # python -m dropexp
        del sys.path[0]


def describe_waits() -> dict[str, str]:
    """Return the environment variables that say how long OpenMP's waiting threads spin."""
    return {name: os.environ[name] for name in _SETTINGS_OF_WAITS if name in os.environ}


def keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next tensors; elsewhere than on glibc do nothing.

    A training step frees tensors of megabytes and asks for the same again. By default glibc gives
    such blocks back to the kernel, which has to clear them for each step. Saves 14 % of an epoch
    of the default job, and 28 % of one of the small CNN at 28×28 with batches of 128. The process
    holds up to a fifth more memory.
    """
    if sys.platform != "linux":
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return
    if not mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK):
        mallopt(_M_MMAP_THRESHOLD, _OLDEST_LARGE_BLOCK)
    mallopt(_M_TRIM_THRESHOLD, _FREED_MEMORY_KEPT)
    mallopt(_M_ARENA_MAX, 1)  # the arenas of other threads give memory back whatever is set


def pause_collector() -> None:
    """Stop looking for garbage, of which importing modules makes none, until resume_collector.

    Saves 7 % of the time until the first epoch.
    """
    gc.disable()


def resume_collector() -> None:
    """Look for garbage again, if that was stopped, but not among what has been imported."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


_kept: list[object] | None = None


def begin_keeping() -> None:
    """Collect no garbage from now on, and let keep keep things, as the process ends soon.

    Saves 15 % of a table of many runs: what is read stays until the end.
    """
    global _kept
    gc.disable()
    _kept = []


def keep(thing: Value) -> Value:
    """Return a thing, which is never freed if begin_keeping was called.

    Saves 0.2 s of ``dropexp compare`` with 100,000 runs: freeing them one by one.
    """
    if _kept is not None:
        _kept.append(thing)
    return thing


def exit_process(code: int) -> NoReturn:
    """End the process; where torch was imported or things are kept, without Python's teardown.

    Saves 0.75 s: freeing torch's modules one by one. Elsewhere the teardown looks for no garbage,
    which saves 0.2 s of the 1.1 s of a sweep that has nothing to train, and 0.06 s of the help.
    """
    if "torch" not in sys.modules and not _kept:
        gc.freeze()
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
