"""A network with every kind of site, and all variants of the regularisers."""

from dropexp.contracts.network import Network, make_network
from dropexp.contracts.network import make_probe as probe
from dropexp.contracts.network import run_under_seed as under_seed
from dropexp.regularisers import REGISTRY, build

__all__ = ["NOISY", "ON_INPUTS", "VARIANTS", "Network", "network", "probe", "under_seed"]

VARIANTS: list[tuple[str, dict[str, object]]] = [
    *((name, {}) for name in REGISTRY),
    ("dropout2d", {"inplace": True}),
    ("dropconnect", {"mask": "batch"}),
    ("stochastic_depth", {"mode": "batch", "depth_schedule": "uniform"}),
    ("stochastic_depth", {"scaling": "eval", "depth_schedule": "uniform"}),
    ("shakedrop", {"mode": "batch", "depth_schedule": "uniform"}),
    ("shakedrop", {"scaling": "eval", "depth_schedule": "uniform"}),
    ("dropblock", {"block_size": 3}),
    ("dropblock", {"block_size": 2, "mask": "shared"}),
    ("alpha_dropout", {"featurewise": True}),
    ("cutout", {"size": 0.3}),
]
"""Every regulariser with its defaults, and with options that change what it does."""

NOISY = [variant for variant in VARIANTS if variant[0] != "none"]
ON_INPUTS = [name for name, each in REGISTRY.items() if each(0.1).input(4) is not None]


def network(name: str, p: float, **options: object) -> Network:
    """Return the network with a regulariser; its initial weights are always the same."""
    return make_network(lambda: build(name, p, **options))
