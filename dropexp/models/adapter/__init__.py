"""The regularisers in networks that know nothing of them: torchvision's, a user's own.

Sites are found by the types of modules and by tracing what is done with them (finding.py,
residual.py), blocks with residual branches get a forward that calls gates (gated.py), and a
regulariser is asked at each site what a dropexp model would ask it (filling.py).
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
    """Put a regulariser into any network, in place; plain(model) takes it out again.

    It acts in training mode only. Weights keep their names, so a ``state_dict`` of the plain
    network loads before or after. Noise that the network has of its own, such as nn.Dropout, is
    left as it is.

    Args:
        model: takes examples along the first dimension of its input, which the blocks with
            residual branches must keep.
        name: of the regulariser, as in conf/regulariser; or several, joined by ``+``.
        p: drop probability in [0, 1).
        sites: patterns such as ``["layer4.*"]``; None: all sites. See adapter.filling.fill.
        options: the regulariser's own, such as mask="batch".

    Returns:
        The number of sites that were filled.

    Raises:
        SitesError: the regulariser finds nothing to act on, or acts on the input.
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
                f"{part} belongs after a {after}, and the sites that are found here lie before "
                f"non-linearities: put its module from dropexp.regularisers there yourself."
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
