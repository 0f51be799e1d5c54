"""Traces a module's forward into a graph by torch.fx, with some modules as single calls.

A graph is of one mode, as a forward may read ``self.training``. Tracing runs the forward on proxies
of tensors: it needs no data, computes nothing and draws no random numbers. It fails where control
flow depends on values.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import fx, nn

from dropexp.regularisers import preserve_modes

LAYERS = (nn.Conv2d, nn.Linear)
NORMS = (
    nn.modules.batchnorm._NormBase,  # of any dimension, and instance normalisation
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)

IsLeaf = Callable[[nn.Module], bool]


def is_elementary(module: nn.Module) -> bool:
    """Return whether a module is torch's own, or a subclass of a layer or normalisation."""
    if isinstance(module, (*LAYERS, *NORMS)):
        return True
    of_torch = type(module).__module__.startswith("torch.nn")
    return of_torch and not isinstance(module, nn.Sequential)


def trace_own_forward(module: nn.Module, *, training: bool) -> fx.Graph | None:
    """Return the graph of how a module calls its children; None if tracing fails."""
    return _trace(module, lambda child: child is not module, training)


def trace_calls(module: nn.Module, opaque: IsLeaf) -> fx.Graph | None:
    """Return the graph down to elementary and opaque modules; None if tracing fails.

    The graph is that of training mode.
    """

    def is_leaf(child: nn.Module) -> bool:
        return is_elementary(child) or opaque(child)

    return _trace(module, is_leaf, training=True)


def list_required_arguments(forward: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default, except for self."""
    _, *parameters = inspect.signature(forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind in kinds]


class _Tracer(fx.Tracer):
    proxy_buffer_attributes = True  # otherwise results of buffers would become constants

    def __init__(self, is_leaf: IsLeaf) -> None:
        super().__init__()
        self._is_leaf = is_leaf

    def create_args_for_root(
        self,
        root_fn: Callable[..., Any],
        is_module: bool,  # noqa: ARG002
        concrete_args: Any = None,  # noqa: ARG002
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Return the forward and proxies for its required arguments.

        Optional arguments have their defaults, as in most calls: a proxy would not be None.
        """
        names = list_required_arguments(root_fn)
        return root_fn, [self.root, *(self.create_proxy("placeholder", n, (), {}) for n in names)]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        return self._is_leaf(m)


def _trace(module: nn.Module, is_leaf: IsLeaf, training: bool) -> fx.Graph | None:
    with preserve_modes(module), _restore_attributes(module):
        for each in module.modules():
            each.training = training  # not by train(), which a user may have overridden
        try:
            return _Tracer(is_leaf).trace(module)
        except Exception:  # a forward may raise anything when it gets proxies
            return None


@contextmanager
def _restore_attributes(module: nn.Module) -> Iterator[None]:
    """Restore at the end the attributes of all modules.

    Tracing adds constants, and a forward that counts its calls sets a buffer to a proxy.
    """
    stores: list[Any] = [
        own for each in module.modules() for own in (vars(each), each._buffers, each._parameters)
    ]
    before = [dict(own) for own in stores]
    try:
        yield
    finally:
        for own, old in zip(stores, before, strict=True):
            own.clear()
            own.update(old)
