"""Proves the regulariser on this model, with a real batch, before anything is trained.

Published work has shipped with its regulariser silently off, on in evaluation, or scaled
wrongly. Each check states what it measured and the bound it must keep. Statistical bounds are
such that a sound regulariser fails an audit at most once in a million.
"""

import copy
import math
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers import Draws
from dropexp.training.audit_checks import (
    check_drop_rate,
    check_evaluation_equals_none,
    check_evaluation_passes,
    check_expectation,
    check_initial_weights,
    check_modes,
    check_p0_equals_none,
    check_registered,
    check_sites,
    check_strength,
    check_training_passes,
)
from dropexp.training.audit_report import AuditReport, Check
from dropexp.training.audit_subject import AuditSubject


def audit(
    model: nn.Module,
    plain: nn.Module,
    images: Tensor,
    p_by_regulariser: Mapping[str, float],
    precision: str,
) -> AuditReport:
    """Check a regularised model against the same model without a regulariser.

    Draws from torch's global generators: call it inside a stream of its own. Neither model is
    changed; the checks run on copies.

    Args:
        model: the model to be trained, freshly initialised, regularised.
        plain: the same model built with no regulariser from the same stream.
        images: a normalised batch (N, C, H, W) on the models' device, N ≤ MAX_IMAGES.
        p_by_regulariser: regulariser → the drop probability that it must have; empty for none.
        precision: ``float32``, ``tf32`` or ``bfloat16``, as in training.

    Returns:
        The report, which also holds the checks that failed.
    """
    # On copies, because training passes change the statistics of batch normalisation, and because
    # weights that hide what is before them are changed.
    subject = AuditSubject(
        copy.deepcopy(model), copy.deepcopy(plain), images, p_by_regulariser, precision
    )
    draws: dict[str, Draws] = {}

    def probe_and_check_drop_rate() -> Check:
        inputs = subject.first_evaluation.inputs
        draws.update({name: subject.noises[name].draws(x) for name, x in inputs.items()})
        return check_drop_rate(subject, draws)

    checks = _run_checks(
        lambda: check_modes(subject),
        lambda: check_registered(subject),
        lambda: check_initial_weights(subject),
        subject.wake_silent_weights,
        lambda: check_sites(subject),
        lambda: check_strength(subject),
        # Before any training pass, which would change the statistics that evaluation uses.
        lambda: check_evaluation_equals_none(subject),
        lambda: check_evaluation_passes(subject),
        probe_and_check_drop_rate,
        lambda: check_expectation(subject, draws),
        lambda: check_training_passes(subject, draws),
        lambda: check_p0_equals_none(subject),
    )
    return AuditReport(
        checks=checks,
        sites=subject.site_p,
        drop_rates={name: probed.drop_rate for name, probed in draws.items()},
    )


def _run_checks(*checks: Callable[[], Check | None]) -> tuple[Check, ...]:
    """Return the result of each check that applies; a check that raises AuditError has failed."""
    results: list[Check | None] = []
    for check in checks:
        try:
            results.append(check())
        except AuditError as error:
            results.append(Check("measurable", math.nan, math.nan, str(error)))
    return tuple(result for result in results if result is not None)
