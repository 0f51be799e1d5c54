"""The checks of an audit: each measures one property of a model and states its bound."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dropexp.doctor.registration import find_unregistered
from dropexp.errors import AuditError
from dropexp.regularisers import Draws, Noise
from dropexp.terminal.numbers import list_few
from dropexp.training.audit_report import Check
from dropexp.training.audit_subject import FEW_IMAGES, MAX_IMAGES, AuditSubject
from dropexp.training.modes import in_mode

_FALSE_ALARM = 1e-6  # the largest probability that a statistical check fails a sound model
_MAX_PASSES = 64  # training passes in which a site that seldom drops must drop something


def check_modes(subject: AuditSubject) -> Check:
    """Check that every module takes both modes; every epoch checks the same again."""
    wrong = 0
    for training in (True, False):
        try:
            with in_mode(subject.model, training=training):
                pass
        except AuditError:
            wrong += 1
    return Check("modes", wrong, 0, "modes (training, eval) that a module does not switch to")


def check_registered(subject: AuditSubject) -> Check:
    """Check that all tensors that the model computes with are its parameters or buffers."""
    model = subject.model

    def run_pass() -> None:
        subject.forward(model, training=False, images=FEW_IMAGES, gradients=True)

    names = [tensor.name for tensor in find_unregistered(model, run_pass)]
    return Check(
        "registered",
        len(names),
        0,
        f"tensors that the model computes with and does not register{_list(names)}",
    )


def check_initial_weights(subject: AuditSubject) -> Check:
    """Check that the model starts from the weights of the plain one."""
    weights, plain_weights = subject.model.state_dict(), subject.plain.state_dict()
    learned_by_noise = {
        name
        for name in weights.keys() - plain_weights.keys()
        if name.rpartition(".")[0] in subject.noises
    }
    different = [
        name
        for name in sorted((weights.keys() | plain_weights.keys()) - learned_by_noise)
        if name not in weights
        or name not in plain_weights
        or not torch.equal(weights[name], plain_weights[name])
    ]
    return Check(
        "initial_weights",
        len(different),
        0,
        f"weights that differ from those of regulariser=none with the same seed{_list(different)}",
    )


def check_sites(subject: AuditSubject) -> Check:
    """Check that every regulariser with p > 0 fills at least one site."""
    served = Counter(noise.kind for noise in subject.noises.values())
    active = [name for name, p in subject.p_by_regulariser.items() if p > 0]
    missing = [name for name in active if not served[name]]
    return Check(
        "sites_served",
        0 if missing else len(subject.noises),
        int(bool(active)),
        f"{len(subject.noises)} sites of the model are filled"
        + (f", none by {' and '.join(missing)}" if missing else ""),
        relation=">=",
    )


def check_strength(subject: AuditSubject) -> Check:
    """Check that the largest p of each regulariser's sites is the p of the config.

    A schedule over depth reaches that p at the last site.
    """
    configured = subject.p_by_regulariser
    largest = {
        name: max((n.p for n in subject.noises.values() if n.kind == name), default=p)
        for name, p in configured.items()
    }
    worst = max(configured, key=lambda name: abs(largest[name] - configured[name]), default=None)
    return Check(
        "strength",
        largest[worst] if worst is not None else 0.0,
        configured[worst] if worst is not None else 0.0,
        "largest p of a site, which must be the p of the config",
        relation="==",
    )


def check_evaluation_equals_none(subject: AuditSubject) -> Check | None:
    """Check that evaluation gives the plain model's logits.

    Returns:
        None where a regulariser is published with an evaluation of its own.
    """
    if not all(noise.is_plain_in_eval for noise in subject.noises.values()):
        return None
    return _check_equal(
        "evaluation_equals_none",
        subject.first_evaluation.logits,
        subject.forward(subject.plain, training=False),
        "difference of logits in evaluation from the same weights without a regulariser",
    )


def check_evaluation_passes(subject: AuditSubject) -> Check:
    """Check that two evaluation passes give the same logits."""
    return _check_equal(
        "evaluation_passes",
        subject.first_evaluation.logits,
        subject.forward(subject.model, training=False),
        "difference of logits between two evaluation passes",
    )


def check_drop_rate(subject: AuditSubject, draws: Mapping[str, Draws]) -> Check:
    """Check that every site drops with its p.

    The value is that of the least likely site: the probability of its drop rate under its p, by
    Chernoff's bound.
    """
    smallest, where = 1.0, "no site"
    for name, p in subject.site_p.items():
        if name not in draws:
            smallest, where = 0.0, f"{name}, which the forward pass does not reach"
            continue
        probability = draws[name].probability(p)
        if probability <= smallest:
            smallest, where = probability, f"{name}: {draws[name].describe(p)}"
    return Check(
        "drop_rate",
        smallest,
        _FALSE_ALARM / max(1, len(subject.site_p)),
        f"p-value of the least likely drop rate of a site, if p is right ({where})",
        relation=">=",
    )


def check_expectation(subject: AuditSubject, draws: Mapping[str, Draws]) -> Check:
    """Check that the mean output over units is the same in training as in evaluation.

    The value is the largest deviation of a site in units of its bound.
    """
    largest, where = 0.0, "no site"
    scaled = {name: drawn for name, drawn in draws.items() if drawn.ratios is not None}
    for name, drawn in scaled.items():
        deviation = drawn.deviation
        bound = drawn.largest_deviation(subject.site_p[name], _FALSE_ALARM / len(scaled))
        if deviation / bound >= largest:
            largest = deviation / bound
            where = f"{name}: off by {deviation:.2g}, bound {bound:.2g}"
    meaning = (
        f"deviation of the mean training output from evaluation, as a share of its bound ({where})"
    )
    return Check("expectation", largest, 1.0, meaning)


def check_training_passes(subject: AuditSubject, draws: Mapping[str, Draws]) -> Check:
    """Check that each site alone makes training passes differ, and that nothing else does."""
    site_p, noises = subject.site_p, subject.noises
    active = [name for name in draws if site_p[name] > 0]
    # Computed before any p is set to 0.
    repeats = {name: _chance_of_equal_passes(noises[name], draws[name]) for name in active}
    silent: list[str] = []
    undecided: list[str] = []
    for name in active:
        needed = _passes_needed(repeats[name])
        with subject.with_p({**dict.fromkeys(noises, 0.0), name: site_p[name]}):
            if not _passes_differ(subject, min(needed, _MAX_PASSES)):
                (silent if needed <= _MAX_PASSES else undecided).append(name)
    is_noisy_without_sites = not any(site_p.values()) and _passes_differ(subject, 2)
    meaning = "sites that do not make two training passes on one batch differ"
    if is_noisy_without_sites:
        meaning = "training passes differ although no regulariser is on"
    if undecided:
        meaning += f"; too seldom active to tell in {_MAX_PASSES} passes{_list(undecided)}"
    failures = len(silent) + is_noisy_without_sites
    return Check("training_passes", failures, 0, f"{meaning}{_list(silent)}")


def check_p0_equals_none(subject: AuditSubject) -> Check:
    """Check that training at p = 0 gives the plain model's logits."""
    with subject.with_p(dict.fromkeys(subject.noises, 0.0)):
        return _check_equal(
            "p0_equals_none",
            subject.forward(subject.model, training=True),
            subject.forward(subject.plain, training=True),
            "difference of logits in training between p = 0 and no regulariser",
        )


def _list(names: Sequence[str]) -> str:
    """Return the first names after a colon; empty without any."""
    return f": {list_few(names)}" if names else ""


def _check_equal(name: str, logits: Tensor, other: Tensor, meaning: str) -> Check:
    return Check(name, float((logits - other).abs().max()), 0.0, meaning)


def _chance_of_equal_passes(noise: Noise, draws: Draws) -> float:
    """Return an upper bound on the probability that a pass repeats another's mask."""
    # The fewest draws that the site makes in a pass over the few images.
    count = (
        1
        if noise.draws_once_per_batch
        else max(1, int(draws.units / draws.passes * FEW_IMAGES / MAX_IMAGES))
    )
    return noise.chance_of_repeat**count


def _passes_needed(chance_of_equal: float) -> int:
    """Return after how many equal passes a site is taken as silent and not as lucky."""
    if chance_of_equal <= 0:
        return 2
    return 1 + math.ceil(math.log(_FALSE_ALARM) / math.log(chance_of_equal))


def _passes_differ(subject: AuditSubject, passes: int) -> bool:
    """Return whether any of some training passes on a few images differs from the first."""

    def run_pass() -> Tensor:
        return subject.forward(subject.model, training=True, images=FEW_IMAGES)

    first = run_pass()
    return any(not torch.equal(run_pass(), first) for _ in range(passes - 1))
