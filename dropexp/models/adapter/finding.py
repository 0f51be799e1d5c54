"""Finds the sites of a network by the types of its modules and by how it uses them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeGuard

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from dropexp.models.adapter.gated import Program, make_program
from dropexp.models.adapter.layouts import is_channels_last
from dropexp.models.adapter.tracing import (
    LAYERS,
    NORMS,
    is_elementary,
    trace_calls,
    trace_own_forward,
)

SiteKind = Literal["activation", "weight", "branch"]

_RELU = (nn.ReLU, F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")
_NONLINEARITIES = (
    *_RELU,
    *(nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Hardswish, nn.Hardtanh, nn.Softplus, nn.Softsign, nn.Tanh, nn.Threshold),
    *(F.relu6, F.leaky_relu, F.prelu, F.rrelu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish),
    *(F.hardswish, F.hardtanh, F.softplus, F.softsign, F.tanh, torch.tanh, "tanh", "tanh_"),
)
_SQUASHING = (
    *(nn.Sigmoid, nn.Hardsigmoid, F.sigmoid, F.hardsigmoid, torch.sigmoid, "sigmoid", "sigmoid_"),
)
_TRANSPARENT = (
    *(nn.Identity, nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AvgPool2d),
    *(F.dropout, F.dropout2d, F.max_pool2d, F.avg_pool2d),
)
"""Modules and functions that may lie between a layer and its non-linearity."""


@dataclass(frozen=True)
class Site:
    """A place where noise can enter.

    Attributes:
        kind: of the site; see dropexp.regularisers.base.
        module: name of the layer or normalisation that noise acts on, or of the block.
        spatial: for an activation, whether it is a map (N, C, H, W).
        channels_last: for an activation, whether it is a map (N, H, W, C) or tokens (N, L, C).
        rectified: for a weight, whether a ReLU is applied directly to the layer's output.
        branch: for a branch, the index of the block's residual addition, from 0.
    """

    kind: SiteKind
    module: str
    spatial: bool = True
    channels_last: bool = False
    rectified: bool = False
    branch: int = 0


@dataclass
class NetworkSites:
    """The sites of a network, each kind in the order of execution.

    Attributes:
        sites: of all kinds.
        programs: for each block with residual branches, its forward with gates, by mode.
        untraced: names of modules whose forward cannot be traced; their children are read in the
            order of registration.
        heads: names of the layers that compute the logits; they stay plain.
    """

    sites: list[Site] = field(default_factory=list)
    programs: dict[str, dict[bool, Program]] = field(default_factory=dict)
    untraced: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


def find_sites(
    model: nn.Module, dimensions: Mapping[str, int] = MappingProxyType({})
) -> NetworkSites:
    """Return the sites of a network, without changing it.

    Args:
        model: any network.
        dimensions: of the outputs of its modules, see observe_dimensions; without them the outputs
            of linear layers count as vectors (N, F).
    """
    network_sites = NetworkSites()
    own = {
        name: trace_own_forward(module, training=True)
        for name, module in model.named_modules()
        if _has_own_forward(module)
    }
    network_sites.untraced = [name for name, graph in own.items() if graph is None]
    opaque = {id(model.get_submodule(name)) for name in network_sites.untraced}
    layers = _LayerReader(model, opaque).read()
    network_sites.heads = [layer.name for layer in layers if layer.is_head]
    offered = [layer for layer in layers if not layer.is_head]
    network_sites.sites += [
        Site(
            "activation",
            layer.noise_after,
            spatial=layer.spatial,
            channels_last=not layer.spatial
            and is_channels_last(dimensions.get(layer.noise_after, 0)),
        )
        for layer in offered
        if layer.noise_after is not None
    ]
    network_sites.sites += [
        Site("weight", layer.name, rectified=layer.rectified)
        for layer in offered
        if _is_replaceable(model.get_submodule(layer.name))
    ]
    for name, graph in own.items():
        programs = _make_programs(model.get_submodule(name), graph)
        if programs is not None:
            network_sites.programs[name] = programs
            branches = programs[True].branches
            network_sites.sites += [Site("branch", name, branch=index) for index in range(branches)]
    return network_sites


def _has_own_forward(module: nn.Module) -> bool:
    """Return whether a module has a forward that is not one of torch's."""
    return type(module).forward is not nn.Module.forward and not (
        is_elementary(module) or type(module).forward is nn.Sequential.forward
    )


def _make_programs(block: nn.Module, graph: fx.Graph | None) -> dict[bool, Program] | None:
    """Return a block's program in both modes, given its graph in training; None without one."""
    in_training = make_program(graph, block) if graph is not None else None
    graph = trace_own_forward(block, training=False) if in_training is not None else None
    in_eval = make_program(graph, block) if graph is not None else None
    # A gate serves both modes, so both must have the same branches.
    if in_training is None or in_eval is None or in_training.branches != in_eval.branches:
        return None
    return {True: in_training, False: in_eval}


def _is_replaceable(module: nn.Module) -> TypeGuard[nn.Linear | nn.Conv2d]:
    """Return whether a layer has torch's own forward and no hooks or parametrizations."""
    plain = (
        type(module).forward in (nn.Linear.forward, nn.Conv2d.forward)
        and getattr(type(module), "_conv_forward", nn.Conv2d._conv_forward)
        is nn.Conv2d._conv_forward
    )
    hooked = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks
    return plain and not hooked and not parametrize.is_parametrized(module)


# --- layers and what follows them ---------------------------------------------------------


@dataclass(frozen=True)
class _CalledLayer:
    """A convolution or linear layer whose input depends on the images."""

    name: str
    spatial: bool
    noise_after: str | None  # the module whose output noise acts on; None: no non-linearity follows
    rectified: bool
    is_head: bool


def _merge_calls(calls: Sequence[_CalledLayer]) -> _CalledLayer:
    """Return the call with the fewest sites, as a layer has the sites of all its calls only."""
    heads = [call for call in calls if call.is_head]
    without_activation = [call for call in calls if call.noise_after is None]
    merged = [*heads, *without_activation, *calls][0]
    return replace(merged, rectified=all(call.rectified for call in calls))


class _LayerReader:
    """Reads a model's layers off its graph, in the order of execution."""

    def __init__(self, model: nn.Module, opaque: set[int]) -> None:
        self._model = model
        self._opaque = opaque

    def read(self) -> list[_CalledLayer]:
        """Return each layer once, however often it is called."""
        calls: dict[str, list[_CalledLayer]] = {}
        for layer in self._read_layers("", is_last=True):
            calls.setdefault(layer.name, []).append(layer)
        return [_merge_calls(of_layer) for of_layer in calls.values()]

    def _read_layers(self, name: str, *, is_last: bool) -> Iterator[_CalledLayer]:
        """Yield the layers of a module; ``is_last``: the logits are computed from its output."""
        module = self._model.get_submodule(name)
        graph = None
        if id(module) not in self._opaque and type(module).forward is not nn.Module.forward:
            graph = trace_calls(module, lambda child: id(child) in self._opaque)
        if graph is None:
            yield from self._read_in_registration_order(name, module, is_last=is_last)
        else:
            yield from self._read_in_execution_order(name, graph, is_last=is_last)

    def _read_in_execution_order(
        self, name: str, graph: fx.Graph, *, is_last: bool
    ) -> Iterator[_CalledLayer]:
        def full_name(node: fx.Node) -> str:
            return _join_names(name, str(node.target))

        def module_of(node: fx.Node) -> nn.Module | None:
            return self._model.get_submodule(full_name(node)) if node.op == "call_module" else None

        heads = _find_last(graph, lambda node: self._holds_layers(module_of(node)))
        of_images = _find_dependent(graph)
        for node in graph.nodes:
            module = module_of(node)
            if module is None or node not in of_images:
                continue
            if isinstance(module, LAYERS):
                end = _find_noise_place(node, module_of)
                yield _CalledLayer(
                    full_name(node),
                    spatial=isinstance(module, nn.Conv2d),
                    noise_after=None if end is None else full_name(end),
                    rectified=_all_users_match(node, module_of, _RELU),
                    is_head=is_last and node in heads,
                )
            elif not is_elementary(module):
                yield from self._read_layers(full_name(node), is_last=is_last and node in heads)

    def _read_in_registration_order(
        self, name: str, module: nn.Module, *, is_last: bool
    ) -> Iterator[_CalledLayer]:
        """Yield layers as registered, each with the normalisation that is registered after it."""
        children = [(_join_names(name, child), each) for child, each in module.named_children()]
        holding = [child for child, each in children if self._holds_layers(each)]
        for index, (child, each) in enumerate(children):
            last = is_last and child == holding[-1] if holding else False
            if isinstance(each, LAYERS):
                after, norm = (*children[index + 1 : index + 2], ("", None))[0]
                yield _CalledLayer(
                    child,
                    spatial=isinstance(each, nn.Conv2d),
                    noise_after=after if isinstance(norm, NORMS) else child,
                    rectified=False,
                    is_head=last,
                )
            elif not is_elementary(each):
                yield from self._read_layers(child, is_last=last)

    def _holds_layers(self, module: nn.Module | None) -> bool:
        return module is not None and any(isinstance(each, LAYERS) for each in module.modules())


def _join_names(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


ModuleOf = Callable[[fx.Node], nn.Module | None]


def _matches(node: fx.Node, module_of: ModuleOf, kinds: Sequence[object]) -> bool:
    module = module_of(node)
    if module is not None:
        if kinds is _NONLINEARITIES and _is_fused(module):
            return True
        return isinstance(module, tuple(kind for kind in kinds if isinstance(kind, type)))
    return node.op in ("call_function", "call_method") and node.target in kinds


def _is_fused(module: nn.Module) -> bool:
    """Return whether a module is a normalisation with a non-linearity in it, as timm's are."""
    modules = tuple(kind for kind in _NONLINEARITIES if isinstance(kind, type))
    return isinstance(module, NORMS) and any(
        isinstance(each, modules) for each in module.children()
    )


def _all_users_match(node: fx.Node, module_of: ModuleOf, kinds: Sequence[object]) -> bool:
    return bool(node.users) and all(_matches(user, module_of, kinds) for user in node.users)


def _find_noise_place(layer: fx.Node, module_of: ModuleOf) -> fx.Node | None:
    """Return the layer, or its normalisation, if its output goes into a non-linearity only."""
    end = last = layer
    while not _all_users_match(last, module_of, _NONLINEARITIES):
        if len(last.users) != 1:
            return None
        last = next(iter(last.users))
        if end is layer and _matches(last, module_of, NORMS):
            end = last
        elif not _matches(last, module_of, _TRANSPARENT):
            return None
    return None if _feeds_sigmoid_gate(last, module_of) else end


def _feeds_sigmoid_gate(end: fx.Node, module_of: ModuleOf) -> bool:
    """Return whether a layer and a sigmoid follow: squeeze and excitation, which scales maps."""
    activations = [after for user in end.users for after in user.users]
    return bool(activations) and all(
        _matches(after, module_of, LAYERS) and _all_users_match(after, module_of, _SQUASHING)
        for after in activations
    )


def _find_last(graph: fx.Graph, condition: Callable[[fx.Node], bool]) -> set[fx.Node]:
    """Return the last nodes on every path to the output that meet a condition."""
    last: set[fx.Node] = set()
    left = [node for node in graph.nodes if node.op == "output"]
    seen: set[fx.Node] = set()
    while left:
        for node in left.pop().all_input_nodes:
            if condition(node):
                last.add(node)
            elif node not in seen:
                seen.add(node)
                left.append(node)
    return last


def _find_dependent(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that depend on the module's arguments."""
    reached: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder" or any(each in reached for each in node.all_input_nodes):
            reached.add(node)
    return reached
