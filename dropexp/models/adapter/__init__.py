"""Regularisers in networks that were not written for dropexp: torchvision's and a user's own.

A network comes in; it goes out with noise in its sites. Sites are found by the types of modules and
by tracing how these are used (finding.py, residual.py, tracing.py). Blocks with residual branches
get a forward that calls gates (gated.py). The regulariser is asked at each site (filling.py).
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from dropexp import regularisers
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import SitesError
from dropexp.models.adapter.filling import fill_sites, plain
from dropexp.models.adapter.finding import NetworkSites, Site, find_sites
from dropexp.models.adapter.layouts import observe_dimensions
from dropexp.regularisers import SiteRecorder, count_filled_sites, find_noise_modules

__all__ = [
    "NetworkSites",
    "Site",
    "fill_sites",
    "find_sites",
    "observe_dimensions",
    "plain",
    "regularise",
]


def regularise(
    model: nn.Module,
    name: str,
    p: float = 0.5,
    sites: Sequence[str] | None = None,
    *,
    example: Tensor | None = None,
    **options: Any,
) -> int:
    """Put a regulariser into any network, in place, and return the number of filled sites.

    ``plain(model)`` removes it again. The regulariser acts in training mode only. Weights keep
    their names, so that a ``state_dict`` of the plain network loads before or after. The network's
    own noise, such as nn.Dropout, is not changed.

    Args:
        model: any network; the first dimension of its inputs, and of those of its residual blocks,
            must be that of examples.
        name: the name of the regulariser, as in conf/regulariser; or several, joined by ``+``.
        p: drop probability in [0, 1).
        sites: patterns of the names of sites, such as ``["layer4.*"]``; None: all. See fill_sites.
        example: a batch of inputs, two are enough. With it dropout2d, spatial_dropout and dropblock
            find maps (N, H, W, C) and tokens (N, L, C) of linear layers, as in ConvNeXt, Swin and
            ViT; None: only maps of convolutions.
        options: the regulariser's own, such as mask="batch".

    Returns:
        The number of filled sites.

    Raises:
        SitesError: the network has no site for the regulariser, or the regulariser acts on the
            input or after a non-linearity.
        ConfigError: the name or an option is unknown, a pattern matches no site, or the network
            has a regulariser already.
        ValueError: p or an option's value is not allowed.
    """
    regulariser = regularisers.build(name, p, **options)
    if regulariser.input(2) is not None:
        raise SitesError(
            f"{name} changes training batches and not a network: call the module of "
            f"dropexp.regularisers, such as Mixup(p, num_classes), on images and labels."
        )
    for part in name.split(COMBINATION_SEPARATOR):
        after = regularisers.REGISTRY[part].belongs_after
        if after is not None:
            raise SitesError(
                f"{part} belongs after a {after}, and the sites that dropexp finds are before "
                f"non-linearities: insert its module from dropexp.regularisers yourself."
            )
    network_sites = None
    if example is not None and not find_noise_modules(model):
        network_sites = find_sites(model, observe_dimensions(model, lambda: model(example)))
    filled = fill_sites(model, regulariser, sites, network_sites)
    missing = [
        part for part in name.split(COMBINATION_SEPARATOR) if part not in count_filled_sites(model)
    ]
    if regulariser.p > 0 and missing:
        plain(model)
        recorder = SiteRecorder()
        fill_sites(model, recorder, sites, network_sites)
        raise SitesError(
            f"{missing[0]} acts on {regularisers.REGISTRY[missing[0]].needs}, and this network has "
            f"none there: its sites are {recorder.describe()}."
        )
    return filled
