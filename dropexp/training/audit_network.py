"""The audit of a regulariser in any network, from Python."""

import copy
from typing import Any

from torch import Tensor, nn

from dropexp.models.adapter import plain, regularise
from dropexp.models.third_party import disable_own_noise
from dropexp.randomness import global_stream
from dropexp.regularisers import find_noise_modules
from dropexp.training import audit as checks
from dropexp.training.audit_report import AuditReport
from dropexp.training.audit_subject import MAX_IMAGES


def audit(
    model: nn.Module,
    images: Tensor,
    regulariser: str | None = None,
    p: float = 0.5,
    *,
    seed: int = 0,
    **options: Any,
) -> AuditReport:
    """Audit a regulariser in any network, with the checks of ``dropexp audit``.

    The network is not changed; the checks run on copies, whose own dropout is switched off.

    Args:
        model: any network that maps images (N, C, H, W) to logits (N, K).
        images: a batch as in training, (N, C, H, W); its first 64 are used.
        regulariser: the name of the regulariser to put into a copy, as in conf/regulariser; None:
            the one that dropexp.regularise has put into the network.
        p: the drop probability of ``regulariser``, in [0, 1).
        seed: of the audit's random numbers.
        options: those of dropexp.regularise, such as ``sites``.

    Returns:
        Each check with its value and its bound.

    Raises:
        SitesError: the network has no site for the regulariser.
        ConfigError, ValueError: as dropexp.regularise.
    """
    images = images[:MAX_IMAGES]
    _, channels, height, width = images.shape
    regularised, without = copy.deepcopy(model), copy.deepcopy(model)
    plain(without)
    if regulariser is not None:
        plain(regularised)
        regularise(regularised, regulariser, p, **{"example": images, **options})
    for each in (regularised, without):
        disable_own_noise(each, (channels, height, width))
    for noise in find_noise_modules(without).values():
        noise.p = 0.0  # of a network that announces its own sites
    strengths: dict[str, float] = {}
    for noise in find_noise_modules(regularised).values():
        strengths[noise.kind] = max(noise.p, strengths.get(noise.kind, 0.0))
    with global_stream(seed, "audit", device=images.device):
        return checks.audit(regularised, without, images, strengths, "float32")
