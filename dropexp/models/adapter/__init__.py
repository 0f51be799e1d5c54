"""Regularisers in networks that were not written for them: torchvision's and a user's own.

A network comes in, and goes out with noise in its sites. Sites are found by the types of modules
and by tracing how they are used (finding.py, residual.py, tracing.py); blocks with residual
branches get a forward that calls gates (gated.py); the regulariser is asked at each site
(filling.py).
"""

from collections.abc import Sequence
from typing import Any

from torch import nn

from dropexp import regularisers
from dropexp.config.setting import COMBINATION_SEPARATOR
from dropexp.errors import SitesError
from dropexp.models.adapter.filling import fill_sites, plain
from dropexp.models.adapter.finding import NetworkSites, Site, find_sites
from dropexp.regularisers import SiteRecorder, count_filled_sites

__all__ = ["NetworkSites", "Site", "fill_sites", "find_sites", "plain", "regularise"]


def regularise(
    model: nn.Module,
    name: str,
    p: float = 0.5,
    sites: Sequence[str] | None = None,
    **options: Any,
) -> int:
    """Put a regulariser into any network, in place; ``plain(model)`` removes it.

    It acts in training mode only. Weights keep their names, so that a ``state_dict`` of the plain
    network loads before or after. The network's own noise, such as nn.Dropout, is not changed.

    Args:
        model: has examples along the first dimension of its input, also in the blocks with
            residual branches.
        name: of the regulariser, as in conf/regulariser; or several, joined by ``+``.
        p: drop probability in [0, 1).
        sites: patterns such as ``["layer4.*"]`` of names of sites; None: all. See fill_sites.
        options: the regulariser's own, such as mask="batch".

    Returns:
        The number of filled sites.

    Raises:
        SitesError: the regulariser finds no site, acts on the input, or belongs after a
            non-linearity.
        ConfigError: the name or an option is not known, a pattern matches no site, or the network
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
    filled = fill_sites(model, regulariser, sites)
    missing = [
        part for part in name.split(COMBINATION_SEPARATOR) if part not in count_filled_sites(model)
    ]
    if regulariser.p > 0 and missing:
        plain(model)
        recorder = SiteRecorder()
        fill_sites(model, recorder, sites)
        raise SitesError(
            f"{missing[0]} acts on {regularisers.REGISTRY[missing[0]].needs}, and this network has "
            f"none there: its sites are {recorder.describe()}."
        )
    return filled
