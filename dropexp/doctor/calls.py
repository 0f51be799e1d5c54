"""Reads the calls of torch's functions that draw random numbers, or depend on the mode."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Function = Callable[..., Any]
CallKind = Literal["dropout", "attention", "recurrent", "activation", "batch_norm", "draw"]


@dataclass(frozen=True)
class FunctionCall:
    """A call of one of torch's functions, as far as noise is concerned.

    Attributes:
        kind: what it does to its input; ``draw`` for random numbers that the caller uses itself.
        function: its name, such as ``F.dropout2d``.
        p: its drop probability; None where it has none.
        is_on: whether this call draws random numbers; of batch norm, whether it normalises by the
            statistics of the batch.
        inplace: whether it overwrites its input.
        x: its input; None where it has none.
        repeat: calls it again, out of place and switched on, for another input; None where that
            says nothing.
    """

    kind: CallKind
    function: str
    p: float | None
    is_on: bool
    inplace: bool = False
    x: Tensor | None = None
    repeat: Callable[[Tensor], Tensor] | None = None


def read_call(
    func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> FunctionCall | None:
    """Return what a call of a function says; None for a function without noise."""
    try:
        reader = _READERS.get(func)
    except TypeError:  # a callable that cannot be hashed
        return None
    return None if reader is None else reader(func, args, kwargs)


_FEATURE_DIMENSIONS: Mapping[Function, tuple[int, ...]] = {
    F.dropout1d: (2, 3),
    F.dropout2d: (4,),
    F.dropout3d: (5,),
}
"""The dimensions of inputs that drop what their name says; dropout1d has an unbatched form."""


def expected_dimensions(name: str) -> tuple[int, ...]:
    """Return the numbers of dimensions that a dropout of features takes; () for any other."""
    return next((d for f, d in _FEATURE_DIMENSIONS.items() if name == f"F.{f.__name__}"), ())


def _read_dropout(func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FunctionCall:
    given = _bind(_DROPOUTS[func], args, kwargs)
    p, training = float(given["p"]), bool(given["training"])
    return FunctionCall(
        "dropout",
        _name(func),
        p,
        is_on=training and p > 0,
        inplace=bool(given.get("inplace", False)) or _name(func).endswith("_"),
        x=given["input"],
        repeat=lambda ones: _mark_dropped(_out_of_place(func), ones, p),
    )


def _mark_dropped(dropout: Function, ones: Tensor, p: float) -> Tensor:
    """Return what a dropout makes of ones, with 0 where it dropped."""
    out: Tensor = dropout(ones, p, True)
    if "alpha" in dropout.__name__:
        return (out > 0).to(out.dtype)  # it sets to SELU's saturation, which is negative
    return out


def _read_attention(
    func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> FunctionCall:
    given = _bind(("query", "key", "value", "attn_mask", "dropout_p"), args, kwargs)
    p = float(given.get("dropout_p", 0.0))
    return FunctionCall("attention", _name(func), p, is_on=p > 0, x=given["query"])


def _read_multi_head(
    func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> FunctionCall:
    given = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs).arguments
    p = float(given["dropout_p"])
    is_on = bool(given.get("training", True)) and p > 0
    return FunctionCall("attention", _name(func), p, is_on=is_on, x=given["query"])


def _read_recurrent(
    func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> FunctionCall:
    is_packed = len(args) > 1 and isinstance(args[3], list | tuple)
    first = ("data", "batch_sizes") if is_packed else ("input",)
    names = (*first, "hx", "params", "has_biases", "num_layers", "dropout", "train")
    given = _bind(names, args, kwargs)
    p = float(given["dropout"])
    is_on = bool(given["train"]) and p > 0
    return FunctionCall("recurrent", _name(func), p, is_on=is_on, x=args[0])


def _read_rrelu(func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> FunctionCall:
    given = _bind(("input", "lower", "upper", "training"), args, kwargs)
    is_on = bool(given.get("training", False))
    return FunctionCall("activation", _name(func), None, is_on=is_on, x=given["input"])


def _read_batch_norm(
    func: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> FunctionCall:
    names: tuple[str, ...] = ("input", "running_mean", "running_var", "weight", "bias", "training")
    if func == torch.batch_norm:
        names = ("input", "weight", "bias", "running_mean", "running_var", "training")
    given = _bind(names, args, kwargs)
    is_on = bool(given.get("training", False))
    return FunctionCall("batch_norm", _name(func), None, is_on=is_on, x=given["input"])


def _read_draw(func: Function, args: tuple[Any, ...], _kwargs: Mapping[str, Any]) -> FunctionCall:
    is_method = bool(args) and isinstance(args[0], Tensor)
    return FunctionCall("draw", _name(func), None, is_on=True, x=args[0] if is_method else None)


def _bind(
    names: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return arguments by name; torch's compiled functions have no signature."""
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _name(func: Function) -> str:
    name = getattr(func, "__name__", str(func))
    if getattr(F, name, None) == func:
        return f"F.{name}"
    return f"torch.{name}" if getattr(torch, name, None) == func else f"Tensor.{name}"


_OUT_OF_PLACE: Mapping[Function, Function] = {
    torch.dropout_: torch.dropout,
    torch.feature_dropout_: torch.feature_dropout,
    torch.alpha_dropout_: torch.alpha_dropout,
    torch.feature_alpha_dropout_: torch.feature_alpha_dropout,
}


def _out_of_place(func: Function) -> Function:
    if func == torch.native_dropout:
        return torch.dropout
    return _OUT_OF_PLACE.get(func, func)


_F_ARGUMENTS = ("input", "p", "training", "inplace")
_DROPOUTS: Mapping[Function, tuple[str, ...]] = {
    **dict.fromkeys((F.dropout, F.dropout1d, F.dropout2d, F.dropout3d), _F_ARGUMENTS),
    **dict.fromkeys((F.alpha_dropout, F.feature_alpha_dropout), _F_ARGUMENTS),
    **dict.fromkeys((torch.native_dropout, *_OUT_OF_PLACE, *_OUT_OF_PLACE.values()), _F_ARGUMENTS),
}
"""Functions that drop → the names of their arguments, where torch's compiled ones say ``train``."""

_DRAWS: tuple[Function, ...] = (
    *(torch.rand, torch.rand_like, torch.randn, torch.randn_like, torch.randint, torch.randperm),
    *(torch.randint_like, torch.bernoulli, torch.multinomial, torch.normal, torch.poisson),
    *(Tensor.bernoulli, Tensor.bernoulli_, Tensor.uniform_, Tensor.normal_, Tensor.random_),
    *(Tensor.exponential_, Tensor.geometric_, Tensor.cauchy_, Tensor.log_normal_),
    *(Tensor.multinomial, F.gumbel_softmax, F.fractional_max_pool2d),
)

_READERS: Mapping[
    Function, Callable[[Function, tuple[Any, ...], Mapping[str, Any]], FunctionCall]
] = {
    **dict.fromkeys(_DROPOUTS, _read_dropout),
    F.scaled_dot_product_attention: _read_attention,
    F.multi_head_attention_forward: _read_multi_head,
    **dict.fromkeys((torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu), _read_recurrent),
    **dict.fromkeys((F.rrelu, torch.rrelu, torch.rrelu_), _read_rrelu),
    **dict.fromkeys((F.batch_norm, torch.batch_norm), _read_batch_norm),
    **dict.fromkeys(_DRAWS, _read_draw),
}


def describe_module(module: nn.Module) -> str:
    """Return the class of a module as code names it: ``nn.Dropout2d``, ``DropPath``."""
    prefix = "nn." if type(module).__module__.startswith("torch.nn.modules") else ""
    return prefix + type(module).__name__
