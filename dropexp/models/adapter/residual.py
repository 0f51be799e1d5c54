"""Finds the residual branches in a block's own graph.

A residual branch is computed from a value s alone and added to s, or to a projection of s by at
most one layer: He et al. 2016, "Deep residual learning for image recognition", equations 1 and 2.
"""

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import fx, nn

_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


@dataclass(frozen=True)
class Residual:
    """``addition = shortcut + branch``, both computed from ``source`` alone."""

    addition: fx.Node
    source: fx.Node
    shortcut: fx.Node
    inside: frozenset[fx.Node]  # the nodes of the branch, used by nothing else
    branch: fx.Node


def find_residuals(graph: fx.Graph, block: nn.Module) -> list[Residual]:
    """Return the residual additions of a block's own graph, in its order."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    found = (
        _match_residual(node, order, block) for node in graph.nodes if node.target in _ADDITIONS
    )
    return [residual for residual in found if residual is not None]


def _match_residual(
    addition: fx.Node, order: Mapping[fx.Node, int], block: nn.Module
) -> Residual | None:
    terms = [term for term in addition.args if isinstance(term, fx.Node)]
    if len(terms) != 2 or addition.kwargs or terms[0] is terms[1]:
        return None
    nodes = [node for node in order if order[node] < order[addition]]
    for source in reversed(nodes):
        first, second = (_find_nodes_between(term, source) for term in terms)
        if first is None or second is None:
            continue
        paths = (first, second)
        weights = [_count_weight_matrices(path, block) for path in paths]
        if min(weights) > 1 or weights[0] == weights[1]:
            return None  # of two equal paths neither is the shortcut
        branch = weights.index(max(weights))
        shortcut = 1 - branch
        inside = _add_unused(paths[branch], order)
        used_elsewhere = any(
            user not in inside and user is not addition for node in inside for user in node.users
        )
        overwritten = any(_overwrites(node, source, block) for node in inside)
        if used_elsewhere or overwritten:
            return None
        return Residual(addition, source, terms[shortcut], inside, terms[branch])
    return None


def _find_nodes_between(node: fx.Node, source: fx.Node) -> set[fx.Node] | None:
    """Return the nodes after source up to node; None if node depends on other inputs."""
    if node is source:
        return set()
    between: set[fx.Node] = set()
    left, reached = [node], False
    while left:
        each = left.pop()
        if each is source:
            reached = True
        elif each.op == "placeholder":
            return None
        elif each not in between:
            between.add(each)
            left.extend(each.all_input_nodes)
    return between if reached else None


def _add_unused(between: Collection[fx.Node], order: Mapping[fx.Node, int]) -> frozenset[fx.Node]:
    """Return the nodes, and those that use them and are used by none, such as shape checks."""
    inside = set(between)
    for node in order:
        if not node.users and node.op != "output" and set(node.all_input_nodes) & inside:
            inside.add(node)
    return frozenset(inside)


def _count_weight_matrices(nodes: Collection[fx.Node], block: nn.Module) -> int:
    """Return the number of weights of at least two dimensions in the modules that nodes call."""
    return sum(
        parameter.dim() > 1
        for node in nodes
        if node.op == "call_module"
        for parameter in block.get_submodule(str(node.target)).parameters()
    )


def _overwrites(node: fx.Node, source: fx.Node, block: nn.Module) -> bool:
    """Return whether a node overwrites the source, which the shortcut adds."""
    if source not in node.all_input_nodes:
        return False
    if node.op == "call_module":
        module = block.get_submodule(str(node.target))
        while isinstance(module, nn.Sequential) and len(module):
            module = module[0]
        return bool(getattr(module, "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return (name.endswith("_") and not name.endswith("__")) or bool(node.kwargs.get("inplace"))
