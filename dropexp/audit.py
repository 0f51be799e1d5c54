"""Proves the regulariser on this model, with a real batch, before anything is trained.

Published work has shipped with its regulariser silently off, on in evaluation, or scaled
wrongly. Each check here states what it measured and the bound it was held to. Statistical
bounds are such that a sound regulariser fails an audit at most once in a million.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.audit_report import AuditReport, Check
from dropexp.errors import AuditError
from dropexp.evaluation import autocast, mode
from dropexp.regularisers import Noise, noise_modules
from dropexp.statistics import bernstein_bound, binomial_tail_bound

FALSE_ALARM = 1e-6
_MOST_PASSES = 64
_FEW_IMAGES = 8
MOST_IMAGES = 64


def audit(
    model: nn.Module, plain: nn.Module, images: Tensor, p: float, precision: str
) -> AuditReport:
    """Check a regularised model against the same model without a regulariser.

    Draws from torch's global generators: call it inside a stream of its own. Neither model is
    changed; the checks run on copies.

    Args:
        model: the model to be trained, freshly initialised, regularised.
        plain: the same model built with no regulariser from the same stream.
        images: a normalised batch (N, C, H, W) on the models' device, N ≤ 64.
        p: the drop probability asked for.
        precision: ``float32`` or ``bfloat16``, as in training.
    """
    initial_weights = _same_initial_weights(model, plain)
    # Training passes move the statistics of batch normalisation: on copies they may.
    model, plain = copy.deepcopy(model), copy.deepcopy(plain)
    forward = _forward_pass(images, precision)
    few = _forward_pass(images[:_FEW_IMAGES], precision)
    noises = noise_modules(model)
    sites = {name: float(noise.p) for name, noise in noises.items()}
    checks = [_modes(model), initial_weights, _sites_are_served(sites, p), _strength(sites, p)]
    ratios: dict[str, Tensor] = {}

    def measured(*measurements: Callable[[], Check]) -> Iterator[Check]:
        for measure in measurements:
            try:
                yield measure()
            except AuditError as error:
                yield Check("measurable", False, math.nan, math.nan, str(error))

    def drop_rate() -> Check:
        ratios.update(_unit_ratios(model, forward))
        return _drop_rate(sites, ratios)

    # Evaluation first: training passes move the statistics that it uses.
    if all(noise.is_plain_in_eval for noise in noises.values()):
        checks += measured(lambda: _evaluation_equals_none(model, plain, forward))
    checks += measured(
        lambda: _evaluation_passes(model, forward),
        drop_rate,
        lambda: _expectation(sites, ratios),
        lambda: _training_passes(model, few, _fewest_draws(noises, ratios)),
        lambda: _p0_equals_none(model, plain, forward),
    )
    realised = {name: float((ratio == 0).float().mean()) for name, ratio in ratios.items()}
    return AuditReport(checks=tuple(checks), sites=sites, realised=realised)


Forward = Callable[[nn.Module, bool], Tensor]


def _forward_pass(images: Tensor, precision: str) -> Forward:
    def forward(model: nn.Module, training: bool) -> Tensor:
        with mode(model, training=training), torch.no_grad(), autocast(images.device, precision):
            logits: Tensor = model(images)
            return logits.float()

    return forward


def _unit_ratios(model: nn.Module, forward: Forward) -> dict[str, Tensor]:
    """Each noise module probed with an input of the kind it meets in the model."""
    inputs: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            inputs[name] = arguments[-1].detach().float()

        return hook

    noises = noise_modules(model)
    hooks = [
        module.register_forward_pre_hook(remember(name))
        for name, module in model.named_modules()
        if name in noises
    ]
    try:
        forward(model, False)
    finally:
        for handle in hooks:
            handle.remove()
    return {
        name: noise.unit_ratios(inputs[name]) for name, noise in noises.items() if name in inputs
    }


def _sites_are_served(sites: Mapping[str, float], p: float) -> Check:
    return Check(
        "sites_served",
        passed=p == 0 or len(sites) > 0,
        value=len(sites),
        bound=0 if p == 0 else 1,
        meaning=f"{len(sites)} sites of the model are filled",
        relation=">=",
    )


def _drop_rate(sites: Mapping[str, float], ratios: Mapping[str, Tensor]) -> Check:
    """Every site drops at its p: the least likely site's probability, by Chernoff's bound."""
    unlikeliest, where = 1.0, "no site"
    for name, p in sites.items():
        if name not in ratios:
            unlikeliest, where = 0.0, f"{name}, which the forward pass does not reach"
            continue
        dropped, units = int((ratios[name] == 0).sum()), ratios[name].numel()
        probability = binomial_tail_bound(dropped, units, p)
        if probability <= unlikeliest:
            unlikeliest = probability
            where = f"{name}: {dropped} of {units} units dropped at p={p:.4g}"
    bound = FALSE_ALARM / max(1, len(sites))
    return Check(
        "drop_rate",
        passed=unlikeliest >= bound,
        value=unlikeliest,
        bound=bound,
        meaning=f"probability of the least likely site ({where})",
        relation=">=",
    )


def _expectation(sites: Mapping[str, float], ratios: Mapping[str, Tensor]) -> Check:
    """Training's mean over units is evaluation's: worst deviation in units of its bound."""
    worst, where = 0.0, "no site"
    for name, ratio in ratios.items():
        deviation = abs(float(ratio.cpu().double().mean()) - 1)
        bound = bernstein_bound(sites[name], ratio.numel(), FALSE_ALARM / len(ratios))
        if deviation / bound >= worst:
            worst = deviation / bound
            where = f"{name}: off by {deviation:.2g}, bound {bound:.2g}"
    return Check(
        "expectation",
        passed=worst <= 1,
        value=worst,
        bound=1.0,
        meaning=f"mean output in training ÷ in evaluation is 1 ({where})",
    )


def _strength(sites: Mapping[str, float], p: float) -> Check:
    """The strongest site has the p asked for (a schedule over depth ends there)."""
    strongest = max(sites.values(), default=0.0)
    return Check(
        "strength",
        passed=math.isclose(strongest, p, rel_tol=1e-9) or not sites,
        value=strongest,
        bound=p,
        meaning="largest drop probability of a site, to be the one asked for",
        relation="==",
    )


def _fewest_draws(noises: Mapping[str, Noise], ratios: Mapping[str, Tensor]) -> dict[str, int]:
    """How many draws each site makes at the least in a pass over the few images."""
    return {
        name: 1
        if noises[name].draws_once_per_batch
        else max(1, ratio.numel() * _FEW_IMAGES // MOST_IMAGES)
        for name, ratio in ratios.items()
    }


def _training_passes(model: nn.Module, forward: Forward, draws: Mapping[str, int]) -> Check:
    """Each site by itself makes training passes differ; without any they are identical."""
    noises = noise_modules(model)
    strengths = {name: noise.p for name, noise in noises.items()}
    active = [name for name in draws if strengths[name] > 0]
    silent: list[str] = []
    undecided: list[str] = []
    for name in active:
        _set_strengths(noises, {**dict.fromkeys(noises, 0.0), name: strengths[name]})
        # The chance that one pass repeats another's mask, at the most.
        same = max(strengths[name], 1 - strengths[name]) ** draws[name]
        needed = 1 + math.ceil(math.log(FALSE_ALARM) / math.log(same)) if same > 0 else 2
        if not _passes_differ(model, forward, min(needed, _MOST_PASSES)):
            (silent if needed <= _MOST_PASSES else undecided).append(name)
    _set_strengths(noises, strengths)
    without_noise = not active and _passes_differ(model, forward, 2)
    meaning = "sites that do not make two training passes on one batch differ"
    if without_noise:
        meaning = "training passes differ although no regulariser is on"
    if undecided:
        meaning += f"; too seldom active to tell in {_MOST_PASSES} passes: {undecided}"
    return Check(
        "training_passes",
        passed=not silent and not without_noise,
        value=len(silent) + without_noise,
        bound=0,
        meaning=f"{meaning}{f': {silent}' if silent else ''}",
    )


def _passes_differ(model: nn.Module, forward: Forward, passes: int) -> bool:
    first = forward(model, True)
    return any(not torch.equal(forward(model, True), first) for _ in range(passes - 1))


def _evaluation_passes(model: nn.Module, forward: Forward) -> Check:
    difference = float((forward(model, False) - forward(model, False)).abs().max())
    return Check(
        "evaluation_passes",
        passed=difference == 0,
        value=difference,
        bound=0.0,
        meaning="difference of logits between two evaluation passes",
    )


def _same_initial_weights(model: nn.Module, plain: nn.Module) -> Check:
    weights, plain_weights = model.state_dict(), plain.state_dict()
    different = [
        name
        for name in sorted(weights.keys() | plain_weights.keys())
        if name not in weights
        or name not in plain_weights
        or not torch.equal(weights[name], plain_weights[name])
    ]
    return Check(
        "initial_weights",
        passed=not different,
        value=len(different),
        bound=0,
        meaning="weights that differ from those of none with the same seed"
        + (f": {different[:3]}" if different else ""),
    )


def _evaluation_equals_none(model: nn.Module, plain: nn.Module, forward: Forward) -> Check:
    difference = float((forward(model, False) - forward(plain, False)).abs().max())
    return Check(
        "evaluation_equals_none",
        passed=difference == 0,
        value=difference,
        bound=0.0,
        meaning="difference of logits in evaluation to the same weights without a regulariser",
    )


def _p0_equals_none(model: nn.Module, plain: nn.Module, forward: Forward) -> Check:
    noises = noise_modules(model)
    strengths = {name: noise.p for name, noise in noises.items()}
    _set_strengths(noises, dict.fromkeys(noises, 0.0))
    difference = float((forward(model, True) - forward(plain, True)).abs().max())
    _set_strengths(noises, strengths)
    return Check(
        "p0_equals_none",
        passed=difference == 0,
        value=difference,
        bound=0.0,
        meaning="difference of logits in training between p = 0 and no regulariser",
    )


def _set_strengths(noises: Mapping[str, Noise], strengths: Mapping[str, float]) -> None:
    for name, noise in noises.items():
        noise.p = strengths[name]


def _modes(model: nn.Module) -> Check:
    """Every module takes both modes; the same is checked again at each epoch's boundary."""
    wrong = 0
    for training in (True, False):
        try:
            with mode(model, training=training):
                pass
        except AuditError:
            wrong += 1
    return Check(
        "modes",
        passed=wrong == 0,
        value=wrong,
        bound=0,
        meaning="modes, of training and eval, that some module does not take",
    )
