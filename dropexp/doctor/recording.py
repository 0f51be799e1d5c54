"""Records what the modules of a network do in a pass: the calls that draw, by module and line.

The recorder is a torch function mode, the place that torch offers to see calls of its functions.
Hooks say which module is running. Nothing is replaced, and all of it is gone afterwards.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import get_ident
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dropexp.doctor.calls import FunctionCall, describe_module, read_call
from dropexp.doctor.kinds import is_dropout_like
from dropexp.doctor.masks import MaskTracker
from dropexp.errors import ConfigError

_OWN_FOLDERS = tuple(f"{Path(file).parent}{os.sep}" for file in (torch.__file__, __file__))


@dataclass(frozen=True)
class RecordedCall:
    """A call that draws or depends on the mode, and where it was made.

    Attributes:
        call: what was called.
        module: name of the innermost registered module that was running.
        owner: that module.
        owner_input: the shape of the owner's input, if that is a single tensor.
        was_training: whether the owner was in training mode.
        line: where the user's code made the call: ``nets/mine.py:31``.
        stray: the module that made the call if the network does not register it.
    """

    call: FunctionCall
    module: str
    owner: nn.Module
    owner_input: tuple[int, ...] | None
    was_training: bool
    line: str
    stray: nn.Module | None = None

    def without_tensors(self) -> "RecordedCall":
        """Return the call without what it was given, so that it can be kept."""
        x = None if self.call.x is None else self.call.x.detach().new_empty((len(self.call.x), 0))
        return replace(self, call=replace(self.call, x=x, repeat=None))

    @property
    def is_by_module(self) -> bool:
        """Whether the owner is a module for noise, or one of torch's, and not the user's code."""
        of_torch = type(self.owner).__module__.startswith("torch.nn.modules")
        return is_dropout_like(self.owner) or (of_torch and not _is_container(self.owner))

    @property
    def what(self) -> str:
        """The class of the module that made the call, or the function with its line."""
        if self.is_by_module:
            return describe_module(self.owner)
        return f"{self.call.function} ({self.line})"

    @property
    def place(self) -> str:
        """The module, or the function with its line and module, for messages."""
        if self.is_by_module:
            return f"{self.module} ({describe_module(self.owner)})"
        return f"{self.call.function} at {self.line}{f' in {self.module}' if self.module else ''}"


def _is_container(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.container"


class Recorder(TorchFunctionMode):
    """Records the calls that are made while a module of the network runs.

    Args:
        model: whose modules are observed.
        out_of_place: indices of calls, counted over all that overwrite their input, that are made
            out of place instead.

    A subclass may keep something else than all calls: see keep, begin_pass and end_pass.

    Attributes:
        calls: in the order in which they were made.
        masks: what the draws of the user's own code multiply, by the index of the call.
        ran: the modules that have run.
        is_in_other_thread: whether a module has run in another thread, where nothing is recorded.
    """

    def __init__(self, model: nn.Module, out_of_place: Iterable[int] = ()) -> None:
        super().__init__()
        self.calls: list[RecordedCall] = []
        self.masks = MaskTracker()
        self.ran: set[nn.Module] = set()
        self._out_of_place = set(out_of_place)
        self._inplace_calls = 0
        self._names = {module: name for name, module in model.named_modules()}
        self._running: list[tuple[nn.Module, tuple[int, ...] | None]] = []
        self._hooks: list[Any] = []
        self._uncompiled: AbstractContextManager[Any] = nullcontext()
        self._thread = get_ident()
        self.is_in_other_thread = False

    def __enter__(self) -> Self:
        refuse_scripted(self._names)
        self._uncompiled = _run_uncompiled()
        self._uncompiled.__enter__()
        for module in self._names:
            self._hooks.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
            self._hooks.append(module.register_forward_hook(self._after, always_call=True))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._uncompiled.__exit__(exc_type, exc_val, exc_tb)
        self.masks.forget_tensors()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function, and record the call if it draws or depends on the mode."""
        kwargs = dict(kwargs or {})
        call = read_call(func, args, kwargs) if self._running else None
        if call is not None and call.inplace and call.x is not None:
            if self._inplace_calls in self._out_of_place:
                args = (call.x.clone(), *args[1:])
            self._inplace_calls += 1
        result = func(*args, **kwargs)
        if call is not None:
            self.keep(self._locate(call))
        if self._running:
            self.follow(
                func, args, kwargs, result, is_draw=call is not None and call.kind == "draw"
            )
        return result

    def keep(self, recorded: RecordedCall) -> None:
        """Take in a call that was made just now."""
        self.calls.append(recorded)

    def follow(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: object,
        *,
        is_draw: bool,
    ) -> None:
        """Take in any call of a function of torch's, after ``keep``."""
        self.masks.follow(func, args, kwargs, result, len(self.calls) - 1 if is_draw else None)

    def begin_pass(self, name: str, module: nn.Module, inputs: object) -> None:
        """Take in that a module is called from outside of the network."""

    def end_pass(self, output: object) -> None:
        """Take in what the module that was called from outside has returned."""

    def _locate(self, call: FunctionCall) -> RecordedCall:
        owner, shape = self._running[-1]
        return RecordedCall(
            call,
            self._names[owner],
            owner,
            shape,
            owner.training,
            find_user_line(),
            self._find_stray_module(),
        )

    def _find_stray_module(self) -> nn.Module | None:
        """Return the module whose forward makes a call if the network does not register it."""
        frame = sys._getframe(1)
        while frame.f_back is not None:
            module = frame.f_locals.get("self")
            if isinstance(module, nn.Module):
                return None if module in self._names else module
            frame = frame.f_back
        return None

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return itself: a copy of the network, such as an average of its weights, has the hooks.

        They do nothing there, as its modules are not those of the network.
        """
        return self

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if module not in self._names:
            return
        if get_ident() != self._thread:
            self.is_in_other_thread = True  # where no mode of torch's sees the calls
            return
        if not self._running:
            self.begin_pass(self._names[module], module, (args, kwargs))
        is_single = len(args) == 1 and not kwargs and isinstance(args[0], Tensor)
        self._running.append((module, tuple(args[0].shape) if is_single else None))
        self.ran.add(module)

    def _after(self, module: nn.Module, _arguments: Any, output: Any) -> None:
        if module not in self._names or get_ident() != self._thread:
            return
        # A forward that raised may have left modules above it.
        while self._running and self._running.pop()[0] is not module:
            pass
        if not self._running:
            self.end_pass(output)


def refuse_scripted(modules: Mapping[nn.Module, str]) -> None:
    """Refuse a network whose calls Python does not see.

    Raises:
        ConfigError: names the first module of TorchScript.
    """
    for module, name in modules.items():
        if isinstance(module, torch.jit.ScriptModule):
            raise ConfigError(
                f"{name or 'the network'} is compiled by TorchScript, which hides its calls: give "
                f"the module that was scripted or traced."
            )


def _run_uncompiled() -> AbstractContextManager[Any]:
    """Let networks of torch.compile run as their Python says, as compiled code hides its calls."""
    if "torch._dynamo" not in sys.modules:  # whose import takes seconds: nothing is compiled
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


def find_user_line() -> str:
    """Return the innermost line of code that is neither torch's nor the doctor's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN_FOLDERS):
        frame = frame.f_back
    return f"{shorten_path(Path(frame.f_code.co_filename))}:{frame.f_lineno}"


def shorten_path(path: Path) -> str:
    """Return a file relative to the current folder, or to where packages are installed."""
    for parent in path.parents:
        if parent.name in ("site-packages", "dist-packages"):
            return str(path.relative_to(parent))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
