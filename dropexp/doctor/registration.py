"""Finds tensors that a network computes with but does not register.

A layer in a plain Python list, or a weight that is a plain attribute, works in the forward pass.
It is missing in ``parameters()`` and ``state_dict()``, so it is neither trained nor saved nor moved
to a device, and ``eval()`` does not reach it.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_MOST_NESTED = 6
_WEIGHT_PLACES: dict[Callable[..., Any], int] = {
    **dict.fromkeys((F.conv1d, F.conv2d, F.conv3d, F.linear, F.prelu, F.embedding), 1),
    **dict.fromkeys((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), 1),
    **dict.fromkeys((torch.conv1d, torch.conv2d, torch.conv3d, torch.convolution), 1),
}
_WEIGHT_PLACES[F.bilinear] = 2


@dataclass(frozen=True)
class UnregisteredTensor:
    """A tensor that a forward pass used and the network does not know.

    Attributes:
        name: how the network's attributes reach it, such as ``layers[0].weight``; a description
            where none does.
        shape: of the tensor.
    """

    name: str
    shape: tuple[int, ...]


def find_unregistered(
    model: nn.Module, run: Callable[[], object], inputs: Iterable[Tensor] = ()
) -> list[UnregisteredTensor]:
    """Return the tensors that a pass trains or convolves with and the network does not register.

    These are leaves that require a gradient, and weights of layers that were there before the pass
    and are neither parameters nor buffers. What is computed from registered tensors is not among
    them.

    Args:
        model: whose parameters and buffers are registered.
        run: makes one forward pass, with gradients.
        inputs: the tensors that are given to the network; they belong to nobody.
    """
    used = UsedTensors(model)
    used.ignore(inputs)
    with _Follower(used):
        run()
    return used.name_found()


class _Follower(TorchFunctionMode):
    def __init__(self, used: "UsedTensors") -> None:
        super().__init__()
        self._used = used

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._used.follow(func, args, kwargs or {}, result)
        return result


class UsedTensors:
    """Collects unregistered tensors from the calls of torch's functions; see find_unregistered."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        registered = [*model.parameters(), *model.buffers()]
        # The tensors are kept, so that no id is used twice.
        self._known = {id(tensor): tensor for tensor in registered}
        self._found: dict[int, Tensor] = {}

    def ignore(self, tensors: Iterable[Tensor]) -> None:
        """Treat these tensors as known."""
        self._known.update((id(tensor), tensor) for tensor in tensors)

    def follow(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: Any,
    ) -> None:
        """Look at the tensors of a call."""
        for tensor in iterate_tensors((args, kwargs)):
            if id(tensor) not in self._known and tensor.is_leaf and tensor.requires_grad:
                self._found[id(tensor)] = tensor
        place = _WEIGHT_PLACES.get(func) if _is_hashable(func) else None
        if place is not None:
            weight = args[place] if len(args) > place else kwargs.get("weight")
            if isinstance(weight, Tensor) and id(weight) not in self._known:
                self._found[id(weight)] = weight
        self.ignore(tensor for tensor in iterate_tensors(result) if not _is_new_leaf(tensor))

    def name_found(self) -> list[UnregisteredTensor]:
        """Return the collected tensors with their names, in the order of their use."""
        names = dict(_name_stored_tensors(self._model))
        return [
            UnregisteredTensor(
                names.get(
                    key, f"a tensor {tuple(tensor.shape)} that no attribute of the network holds"
                ),
                tuple(tensor.shape),
            )
            for key, tensor in self._found.items()
        ]


def iterate_tensors(value: object) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from iterate_tensors(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from iterate_tensors(each)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from iterate_tensors(getattr(value, each.name, None))


def _is_new_leaf(tensor: Tensor) -> bool:
    """Return whether a result is a trainable leaf: a layer that a forward pass constructs.

    A view is none, although a view of what an autograd.Function gets says that it is a leaf.
    """
    return tensor.is_leaf and tensor.requires_grad and tensor._base is None


def _is_hashable(func: object) -> bool:
    return getattr(type(func), "__hash__", None) is not None


def _name_stored_tensors(model: nn.Module) -> Iterator[tuple[int, str]]:
    """Yield the id and the name of each tensor that attributes of the modules hold."""
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if not name.startswith("_") or name not in _OWN_ATTRIBUTES:
                yield from _name_within(value, f"{prefix}.{name}" if prefix else name, seen, 0)


_OWN_ATTRIBUTES = frozenset(vars(nn.Module()))


def _name_within(value: object, name: str, seen: set[int], depth: int) -> Iterator[tuple[int, str]]:
    """Yield the tensors in a value that an attribute holds; modules in it are not registered."""
    if isinstance(value, Tensor):
        yield id(value), name
        return
    if id(value) in seen or depth > _MOST_NESTED:
        return
    if isinstance(value, nn.Module):
        seen.add(id(value))
        for inner, tensor in [*value.named_parameters(), *value.named_buffers()]:
            yield id(tensor), f"{name}.{inner}"
        for inner, module in value.named_modules():
            for attribute, each in vars(module).items():
                if attribute not in _OWN_ATTRIBUTES:
                    full = ".".join(part for part in (name, inner, attribute) if part)
                    yield from _name_within(each, full, seen, depth + 1)
        return
    if isinstance(value, Mapping):
        items: Iterable[tuple[object, object]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    elif isinstance(value, set | frozenset):
        items = enumerate(list(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not inspect.ismodule(value):
        seen.add(id(value))
        for attribute, each in vars(value).items():
            yield from _name_within(each, f"{name}.{attribute}", seen, depth + 1)
        return
    else:
        return
    seen.add(id(value))
    for key, each in items:
        yield from _name_within(each, f"{name}[{key!r}]", seen, depth + 1)
