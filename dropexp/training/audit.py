"""Proves the regulariser on this model, with a real batch, before anything is trained.

Published work has shipped with its regulariser silently off, on in evaluation, or scaled
wrongly. Each check here states what it measured and the bound it was held to. Statistical
bounds are such that a sound regulariser fails an audit at most once in a million.
"""

import copy
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers import Draws, Noise, noise_modules, through_input_noise
from dropexp.training.audit_report import AuditReport, Check
from dropexp.training.evaluation import autocast, mode

FALSE_ALARM = 1e-6
_MOST_PASSES = 64
_FEW_IMAGES = 8
MOST_IMAGES = 64


def audit(
    model: nn.Module,
    plain: nn.Module,
    images: Tensor,
    asked: Mapping[str, float],
    precision: str,
) -> AuditReport:
    """Check a regularised model against the same model without a regulariser.

    Draws from torch's global generators: call it inside a stream of its own. Neither model is
    changed; the checks run on copies.

    Args:
        model: the model to be trained, freshly initialised, regularised.
        plain: the same model built with no regulariser from the same stream.
        images: a normalised batch (N, C, H, W) on the models' device, N ≤ 64.
        asked: the drop probability of each regulariser by its name; none: empty.
        precision: ``float32`` or ``bfloat16``, as in training.
    """
    initial_weights = _same_initial_weights(model, plain)
    # Training passes move the statistics of batch normalisation: on copies they may.
    model, plain = copy.deepcopy(model), copy.deepcopy(plain)
    forward = _forward_pass(images, precision)
    few = _forward_pass(images[:_FEW_IMAGES], precision)
    noises = noise_modules(model)
    sites = {name: float(noise.p) for name, noise in noises.items()}
    checks = [_modes(model), initial_weights, _sites_are_served(noises, asked)]
    checks.append(_strength(noises, asked))
    draws: dict[str, Draws] = {}

    def measured(*measurements: Callable[[], Check]) -> Iterator[Check]:
        for measure in measurements:
            try:
                yield measure()
            except AuditError as error:
                yield Check("measurable", False, math.nan, math.nan, str(error))

    def drop_rate() -> Check:
        draws.update(_draws(model, forward))
        return _drop_rate(sites, draws)

    # Evaluation first: training passes move the statistics that it uses.
    if all(noise.is_plain_in_eval for noise in noises.values()):
        checks += measured(lambda: _evaluation_equals_none(model, plain, forward))
    checks += measured(
        lambda: _evaluation_passes(model, forward),
        drop_rate,
        lambda: _expectation(sites, draws),
        lambda: _training_passes(model, few, _fewest_draws(noises, draws)),
        lambda: _p0_equals_none(model, plain, forward),
    )
    realised = {name: found.drop_rate for name, found in draws.items()}
    return AuditReport(checks=tuple(checks), sites=sites, realised=realised)


Forward = Callable[[nn.Module, bool], Tensor]


def _forward_pass(images: Tensor, precision: str) -> Forward:
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)

    def forward(model: nn.Module, training: bool) -> Tensor:
        with mode(model, training=training), torch.no_grad():
            seen, _ = through_input_noise(model, images, labels)
            with autocast(images.device, precision):
                logits: Tensor = model(seen)
            return logits.float()

    return forward


def _draws(model: nn.Module, forward: Forward) -> dict[str, Draws]:
    """Each noise module probed with an input of the kind it meets in the model."""
    inputs: dict[str, Tensor] = {}

    def remember(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            # Beside the batch, a gate is given its branch, and noise on the input the labels.
            tensors = [each for each in arguments if isinstance(each, Tensor)]
            inputs[name] = tensors[0].detach().float()

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
    return {name: noise.draws(inputs[name]) for name, noise in noises.items() if name in inputs}


def _sites_are_served(noises: Mapping[str, Noise], asked: Mapping[str, float]) -> Check:
    served = Counter(noise.kind for noise in noises.values())
    fewest = min((served[name] for name, p in asked.items() if p > 0), default=0)
    needed = int(any(p > 0 for p in asked.values()))
    missing = [name for name, p in asked.items() if p > 0 and not served[name]]
    return Check(
        "sites_served",
        passed=fewest >= needed,
        value=fewest if missing else len(noises),
        bound=needed,
        meaning=f"{len(noises)} sites of the model are filled"
        + (f", none by {' and '.join(missing)}" if missing else ""),
        relation=">=",
    )


def _drop_rate(sites: Mapping[str, float], draws: Mapping[str, Draws]) -> Check:
    """Every site drops at its p: the least likely site's probability, by Chernoff's bound."""
    unlikeliest, where = 1.0, "no site"
    for name, p in sites.items():
        if name not in draws:
            unlikeliest, where = 0.0, f"{name}, which the forward pass does not reach"
            continue
        probability = draws[name].probability(p)
        if probability <= unlikeliest:
            unlikeliest = probability
            where = f"{name}: {draws[name].describe(p)}"
    bound = FALSE_ALARM / max(1, len(sites))
    return Check(
        "drop_rate",
        passed=unlikeliest >= bound,
        value=unlikeliest,
        bound=bound,
        meaning=f"probability of the least likely site ({where})",
        relation=">=",
    )


def _expectation(sites: Mapping[str, float], draws: Mapping[str, Draws]) -> Check:
    """Training's mean over units is evaluation's: worst deviation in units of its bound."""
    worst, where = 0.0, "no site"
    scaled = {name: found for name, found in draws.items() if found.ratios is not None}
    for name, found in scaled.items():
        deviation = found.deviation
        bound = found.largest_deviation(sites[name], FALSE_ALARM / len(scaled))
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


def _strength(noises: Mapping[str, Noise], asked: Mapping[str, float]) -> Check:
    """The strongest site of each has the p asked for (a schedule over depth ends there)."""
    strongest = {
        name: max((noise.p for noise in noises.values() if noise.kind == name), default=p)
        for name, p in asked.items()
    }
    # A learned p starts at a float32.
    worst = max(asked, key=lambda name: abs(strongest[name] - asked[name]), default=None)
    return Check(
        "strength",
        passed=worst is None or math.isclose(strongest[worst], asked[worst], rel_tol=1e-6),
        value=strongest[worst] if worst is not None else 0.0,
        bound=asked[worst] if worst is not None else 0.0,
        meaning="largest drop probability of a site, to be the one asked for",
        relation="==",
    )


def _fewest_draws(noises: Mapping[str, Noise], draws: Mapping[str, Draws]) -> dict[str, int]:
    """How many draws each site makes at the least in a pass over the few images."""
    return {
        name: 1
        if noises[name].draws_once_per_batch
        else max(1, int(found.units / found.passes * _FEW_IMAGES / MOST_IMAGES))
        for name, found in draws.items()
    }


def _training_passes(model: nn.Module, forward: Forward, draws: Mapping[str, int]) -> Check:
    """Each site by itself makes training passes differ; without any they are identical."""
    noises = noise_modules(model)
    strengths = {name: noise.p for name, noise in noises.items()}
    active = [name for name in draws if strengths[name] > 0]
    repeats = {name: noises[name].chance_of_repeat for name in active}
    silent: list[str] = []
    undecided: list[str] = []
    for name in active:
        _set_strengths(noises, {**dict.fromkeys(noises, 0.0), name: strengths[name]})
        # The chance that one pass repeats another's mask, at the most.
        same = repeats[name] ** draws[name]
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
    noises = noise_modules(model)
    learned = {name for name in weights.keys() - plain_weights.keys() if _owner(name) in noises}
    different = [
        name
        for name in sorted((weights.keys() | plain_weights.keys()) - learned)
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


def _owner(parameter: str) -> str:
    """The module that a parameter belongs to."""
    return parameter.rpartition(".")[0]


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
