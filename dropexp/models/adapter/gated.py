"""A block's forward with gates around its residual branches.

It consists of plain values, so that it can be copied and pickled with the block, and it calls the
block's children by their names, so that they may be replaced.
"""

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from dropexp.errors import SitesError
from dropexp.models.adapter.residual import Residual, find_residuals


@dataclass(frozen=True)
class _Slot:
    """A placeholder in a step's arguments for the value of another step."""

    place: int


@dataclass(frozen=True)
class _Step:
    """One operation of a graph."""

    place: int
    operation: str  # the op of an fx.Node
    target: Any
    args: Any
    kwargs: Any


@dataclass(frozen=True)
class _GatedAddition:
    """The sum of a shortcut and a gated branch."""

    place: int
    gate: int
    source: int
    shortcut: int
    branch: tuple["_Step | _GatedAddition", ...]
    result: int  # of the branch


_Steps = tuple[_Step | _GatedAddition, ...]


@dataclass(frozen=True)
class Program:
    """A block's forward in one mode, with its residual additions as steps of their own."""

    inputs: tuple[tuple[int, str], ...]
    steps: _Steps
    output: Any
    branches: int


def make_program(graph: fx.Graph, block: nn.Module) -> Program | None:
    """Return a block's program; None if it has no branch or its forward cannot be repeated.

    The program is for calls in which optional arguments have their defaults. A forward that creates
    a constant may create another one at the next call, so it has no program.

    Args:
        graph: the graph of the block's own forward, see trace_own_forward.
        block: the block.
    """
    nodes = list(graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    if not all(_has_attribute(block, str(node.target)) for node in nodes if node.op == "get_attr"):
        return None
    residuals = find_residuals(graph, block)
    if not residuals:
        return None
    places = {node: place for place, node in enumerate(nodes)}
    gates = {residual.addition: (i, residual) for i, residual in enumerate(residuals)}
    rest = [node for node in nodes if node.op not in ("placeholder", "output")]
    output = next(node for node in nodes if node.op == "output")
    return Program(
        inputs=tuple((places[node], str(node.target)) for node in inputs),
        steps=_make_steps(rest, places, gates),
        output=_insert_slots(output.args[0], places),
        branches=len(residuals),
    )


def _has_attribute(block: nn.Module, attribute: str) -> bool:
    owner, _, name = attribute.rpartition(".")
    return hasattr(block.get_submodule(owner), name)


def _make_steps(
    nodes: Sequence[fx.Node],
    places: Mapping[fx.Node, int],
    gates: Mapping[fx.Node, tuple[int, Residual]],
) -> _Steps:
    """Return the nodes outside branches as steps, with each branch inside its addition."""
    inside_of = [gates[node][1].inside for node in nodes if node in gates]
    in_branches = frozenset[fx.Node]().union(*inside_of)
    steps: list[_Step | _GatedAddition] = []
    for node in nodes:
        if node in in_branches:
            continue
        if node in gates:
            gate, residual = gates[node]
            inside = [each for each in nodes if each in residual.inside]
            steps.append(
                _GatedAddition(
                    places[node],
                    gate,
                    places[residual.source],
                    places[residual.shortcut],
                    _make_steps(inside, places, gates),
                    places[residual.branch],
                )
            )
        else:
            args, kwargs = _insert_slots(node.args, places), _insert_slots(node.kwargs, places)
            steps.append(_Step(places[node], node.op, node.target, args, kwargs))
    return tuple(steps)


def _insert_slots(argument: Any, places: Mapping[fx.Node, int]) -> Any:
    return _replace_in(argument, fx.Node, lambda node: _Slot(places[node]))


def _replace_in(argument: Any, kind: type, replace: Callable[[Any], Any]) -> Any:
    """Return an argument, nested or not, with all objects of a type replaced."""
    if isinstance(argument, kind):
        return replace(argument)
    if isinstance(argument, tuple) and not hasattr(argument, "_fields"):
        return tuple(_replace_in(each, kind, replace) for each in argument)
    if isinstance(argument, list):
        return [_replace_in(each, kind, replace) for each in argument]
    if isinstance(argument, dict):
        return {key: _replace_in(each, kind, replace) for key, each in argument.items()}
    if isinstance(argument, slice):
        ends = (argument.start, argument.stop, argument.step)
        return slice(*(_replace_in(end, kind, replace) for end in ends))
    return argument


class GatedForward:
    """A block's forward whose residual branches go through gates: ``shortcut + gate(f, s)``.

    A branch is computed for the rows that its gate asks for. For one row of several, batch
    normalisation in the branch uses its running statistics, since a single row has no statistics.

    Args:
        block: the module; its children, gates included, are looked up at each call.
        programs: by mode: True for training, False for eval.
        gates: names of the children that are gates, in the order of the additions.
    """

    def __init__(
        self, block: nn.Module, programs: Mapping[bool, Program], gates: Sequence[str]
    ) -> None:
        self.block = block
        self.programs = dict(programs)
        self.gates = tuple(gates)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the block's output for the arguments of its forward."""
        program = self.programs[self.block.training]
        names = [name for _, name in program.inputs]
        is_plain_call = len(args) == len(names) and not kwargs
        given = dict(zip(names, args, strict=True)) if is_plain_call else self._bind(args, kwargs)
        values = {place: given[name] for place, name in program.inputs}
        self._run(program.steps, values)
        return _replace_in(program.output, _Slot, lambda slot: values[slot.place])

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by name, after checking that optional ones have their defaults."""
        signature = inspect.signature(type(self.block).forward)
        bound = signature.bind(self.block, *args, **kwargs).arguments
        required = {name for _, name in self.programs[self.block.training].inputs}
        for name, value in list(bound.items())[1:]:
            default = signature.parameters[name].default
            if name not in required and value is not default:
                raise SitesError(
                    f"{type(self.block).__name__} has a regulariser around its residual branches, "
                    f"which were found for {name}={default}; it cannot be called with another "
                    f"{name}. Leave this block out of sites."
                )
        return bound

    def _run(self, steps: _Steps, values: dict[int, Any]) -> None:
        for step in steps:
            if isinstance(step, _GatedAddition):
                contribution = self._run_branch(step, values)
                values[step.place] = values[step.shortcut] + contribution
            else:
                values[step.place] = self._run_step(step, values)

    def _run_branch(self, step: _GatedAddition, values: dict[int, Any]) -> Tensor:
        source: Tensor = values[step.source]

        def branch(rows: Tensor) -> Tensor:
            inside = {**values, step.source: rows}
            alone = self.block.training and len(rows) == 1 < len(source)
            with _use_running_statistics(self._called_modules(step.branch) if alone else ()):
                self._run(step.branch, inside)
            out: Tensor = inside[step.result]
            return out

        gate = self.block.get_submodule(self.gates[step.gate])
        contribution: Tensor = gate(branch, source)
        return contribution

    def _run_step(self, step: _Step, values: Mapping[int, Any]) -> Any:
        args = _replace_in(step.args, _Slot, lambda slot: values[slot.place])
        kwargs = _replace_in(step.kwargs, _Slot, lambda slot: values[slot.place])
        match step.operation:
            case "call_module":
                return self.block.get_submodule(step.target)(*args, **kwargs)
            case "call_method":
                return getattr(args[0], step.target)(*args[1:], **kwargs)
            case "get_attr":
                return operator.attrgetter(step.target)(self.block)
            case _:
                return step.target(*args, **kwargs)

    def _called_modules(self, steps: _Steps) -> Iterator[nn.Module]:
        for step in steps:
            if isinstance(step, _GatedAddition):
                yield from self._called_modules(step.branch)
            elif step.operation == "call_module":
                yield from self.block.get_submodule(step.target).modules()


@contextmanager
def _use_running_statistics(modules: Iterator[nn.Module] | tuple[()]) -> Iterator[None]:
    norms = [
        module
        for module in modules
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
    ]
    for norm in norms:
        norm.training = False
    try:
        yield
    finally:
        for norm in norms:
            norm.training = True
