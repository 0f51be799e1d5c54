"""Fills a network's sites with a regulariser's answers, and removes them again.

The network stores all that removing needs, so a copy, a part or an unpickled network can be made
plain too.
"""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.models.adapter.finding import NetworkSites, Site, SiteKind, find_sites
from dropexp.models.adapter.gated import GatedForward
from dropexp.models.adapter.layouts import apply_channels_last
from dropexp.regularisers import Regulariser, find_noise_modules

_KINDS: tuple[SiteKind, ...] = ("weight", "activation", "branch")
_PLAIN_LAYER = "_plain_layer"
_MOST_NAMES = 6


class _AddNoise:
    """A forward hook that passes a module's output through one of its children."""

    def __init__(self, child: str, *, channels_last: bool = False) -> None:
        self.child = child
        self.channels_last = channels_last

    def __call__(self, module: nn.Module, _arguments: Any, output: Tensor) -> Tensor:
        noise = module.get_submodule(self.child)
        if self.channels_last:
            return apply_channels_last(noise, output)
        noisy: Tensor = noise(output)
        return noisy


def fill_sites(
    model: nn.Module,
    regulariser: Regulariser,
    sites: Sequence[str] | None = None,
    network_sites: NetworkSites | None = None,
) -> int:
    """Insert a regulariser's answers at the sites of a network; return how many it filled.

    The depth of a site is l/L for the l-th of the L sites of its kind that the regulariser fills,
    in the order of execution. Plain answers change nothing.

    Args:
        model: any network without noise modules; it is changed in place. Layers, blocks and
            parameters keep their names.
        regulariser: answers as it does to dropexp's own models.
        sites: patterns such as ``layer4.*`` of the names of sites, or of the modules they act on;
            None: all sites.
        network_sites: the result of find_sites for this network; None: they are found here.

    Returns:
        The number of filled sites.

    Raises:
        ConfigError: the network has noise modules already, or a pattern matches no site.
    """
    if find_noise_modules(model):
        raise ConfigError(
            "this network has a regulariser already; dropexp.plain(model) removes it."
        )
    network_sites = find_sites(model) if network_sites is None else network_sites
    chosen = _choose_sites(network_sites, model, sites)
    count = 0
    for kind in _KINDS:
        offered = [site for site in chosen if site.kind == kind]
        filled = [site for site in offered if _is_noisy(_ask(model, site, regulariser, 1.0))]
        for number, site in enumerate(filled, start=1):
            _insert(
                model,
                site,
                _ask(model, site, regulariser, number / len(filled)),
                network_sites,
                channels_last=_needs_map(site, regulariser),
            )
        count += len(filled)
    return count


def plain(model: nn.Module) -> None:
    """Remove a regulariser from a network, in place, and restore the modules it replaced.

    Parameters keep their present values and modules their modes. A plain network is not changed.

    Args:
        model: a network that ``regularise`` changed, or a copy, a part or an unpickled one.
    """
    for module in model.modules():
        for key, hook in list(module._forward_hooks.items()):
            if isinstance(hook, _AddNoise):
                del module._forward_hooks[key]
                delattr(module, hook.child)
        forward = vars(module).get("forward")
        if isinstance(forward, GatedForward):
            del module.forward
            for gate in forward.gates:
                delattr(module, gate)
    for layer in list(model.modules()):
        if _PLAIN_LAYER in vars(layer):
            before: nn.Module = vars(layer)[_PLAIN_LAYER]
            before._parameters.update(layer._parameters)
            before.training = layer.training
            _replace(model, layer, before)


def name_sites(network_sites: NetworkSites, model: nn.Module) -> dict[Site, str]:
    """Return the name of each site, which is the name of its noise module."""
    return {site: _name(site, network_sites, model) for site in network_sites.sites}


def _name(site: Site, network_sites: NetworkSites, model: nn.Module) -> str:
    if site.kind == "weight":
        return site.module
    prefix = f"{site.module}." if site.module else ""
    return prefix + _child_name(site, network_sites, model.get_submodule(site.module))


def _child_name(site: Site, network_sites: NetworkSites, module: nn.Module) -> str:
    name = "noise"
    if site.kind == "branch":
        several = network_sites.programs[site.module][True].branches > 1
        name = f"gate{site.branch + 1}" if several else "gate"
    while hasattr(module, name) and name not in _inserted_gates(module):
        name += "_"
    return name


def _inserted_gates(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the gates that have been inserted into this block."""
    forward = vars(module).get("forward")
    return forward.gates if isinstance(forward, GatedForward) else ()


def _choose_sites(
    network_sites: NetworkSites, model: nn.Module, patterns: Sequence[str] | None
) -> list[Site]:
    if patterns is None:
        return network_sites.sites
    patterns = [patterns] if isinstance(patterns, str) else patterns
    names = name_sites(network_sites, model)
    chosen: set[Site] = set()
    for pattern in patterns:
        matched = {
            site
            for site, name in names.items()
            if fnmatchcase(name, pattern) or fnmatchcase(site.module, pattern)
        }
        if not matched:
            raise ConfigError(
                f"sites={pattern} matches no site of this network; {_list_some(names.values())}."
            )
        chosen |= matched
    return [site for site in network_sites.sites if site in chosen]


def _list_some(names: Iterable[str]) -> str:
    every = list(names)
    if not every:
        return "it has none"
    step = max(1, len(every) // _MOST_NAMES)
    shown = every[::step][:_MOST_NAMES]
    return f"it has {', '.join(shown)}{' and others' if len(shown) < len(every) else ''}"


def _ask(model: nn.Module, site: Site, regulariser: Regulariser, depth: float) -> nn.Module:
    if site.kind == "activation":
        is_map = site.spatial or _needs_map(site, regulariser)
        return regulariser.activation(depth, spatial=is_map)
    if site.kind == "branch":
        return regulariser.branch(depth)
    layer = model.get_submodule(site.module)
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return regulariser.weight(layer, depth, nonlinearity="relu" if site.rectified else None)


def _needs_map(site: Site, regulariser: Regulariser) -> bool:
    """Return whether an activation with its features last must be given as a map.

    What acts on single activations, and needs no map, gets them as they are.
    """
    if not site.channels_last:
        return False
    of_map = find_noise_modules(regulariser.activation(1.0, spatial=True))
    if not of_map:
        return True
    of_vectors = find_noise_modules(regulariser.activation(1.0, spatial=False))
    return len(of_map) > len(of_vectors)


def _is_noisy(answer: nn.Module) -> bool:
    return bool(find_noise_modules(answer))


def _insert(
    model: nn.Module,
    site: Site,
    answer: nn.Module,
    network_sites: NetworkSites,
    *,
    channels_last: bool,
) -> None:
    module = model.get_submodule(site.module)
    answer.train(module.training)
    # Learned parameters must be on the network's device.
    reference = next(model.parameters(), None)
    if reference is not None and site.kind != "weight":
        answer.to(reference.device)
    if site.kind == "weight":
        vars(answer)[_PLAIN_LAYER] = module  # in vars, as a child would be in the state_dict
        _replace(model, module, answer)
        return
    child = _child_name(site, network_sites, module)
    if site.kind == "activation":
        module.add_module(child, answer)
        module.register_forward_hook(_AddNoise(child, channels_last=channels_last))
        return
    _make_gated(module, network_sites, site.module)
    module.add_module(child, answer)


def _make_gated(block: nn.Module, network_sites: NetworkSites, name: str) -> None:
    """Give a block a forward that calls gates, unless it has one."""
    if "forward" in vars(block):
        return
    sites = [site for site in network_sites.sites if site.kind == "branch" and site.module == name]
    gates = [_child_name(site, network_sites, block) for site in sites]
    block.forward = GatedForward(block, network_sites.programs[name], gates)
    for gate in gates:
        block.add_module(gate, Regulariser().branch(1.0))


def _replace(model: nn.Module, before: nn.Module, after: nn.Module) -> None:
    """Replace a module in every place where it is a child."""
    for parent, name in list(_find_parents(model, before)):
        parent.add_module(name, after)


def _find_parents(model: nn.Module, child: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for parent in model.modules():
        for name, module in parent._modules.items():
            if module is child:
                yield parent, name
