"""Measure DropConnect (Wan et al. 2013): claims 10, 11 and 12.

torch has no DropConnect. dropexp's is measured, which tests compare with the paper's equations.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims import digits, gradients
from claims.finding import ClaimVerdict, Finding, decide_either_way, format_difference
from dropexp import models, regularisers
from dropexp.randomness import global_stream
from dropexp.regularisers import DropConnectLinear
from dropexp.statistics import Estimate, paired_difference

P = 0.5

# --- 10: what is scaled -------------------------------------------------------------------------


def measure_scaling() -> Finding:
    """Measure claim 10."""
    ratios = measure_factors()
    values = sorted({abs(round(value, 3)) for value in ratios.flatten().tolist()})
    uniform = count_uniform_units(ratios)
    units = sum(ratios.shape)
    learned = count_parameters("dropconnect") - count_parameters("none")
    return Finding(
        10,
        f"each weight × {' or '.join(f'{value:g}' for value in values)}; units whose weights all "
        f"have one factor: {uniform} of {units}; learnable parameters added: {learned}",
        judge_scaling(uniform / units, learned),
        f"factors on the weights of a 64→128 layer, p = {P}, read off its output for unit vectors, "
        f"and parameters of the small CNN with and without. Wan et al. 2013 mask single weights. "
        f"Holds if every unit has one factor and there are coefficients to learn."
        f"{_describe_equivalent()}",
    )


def _describe_equivalent() -> str:
    """Return a sentence on the regulariser that does what the article describes, if any."""
    if "unit_scaling" not in regularisers.REGISTRY:
        return ""
    learned = count_parameters("unit_scaling") - count_parameters("none")
    return (
        f" (What the article describes is `regulariser=unit_scaling` here, which learns {learned} "
        f"coefficients.)"
    )


def measure_factors() -> Tensor:
    """Return the factor on each weight, (128, 64), in one training step of a linear layer."""
    layer = DropConnectLinear(64, 128, bias=False, p=P, mask="batch").train()
    with torch.no_grad():
        outputs: Tensor = layer(torch.eye(64))
        return outputs.mT / layer.weight


def count_uniform_units(ratios: Tensor) -> int:
    """Count the rows and columns of a matrix (outputs, inputs) that are constant."""
    rows = (ratios - ratios[:, :1]).abs().amax(1) < 1e-3
    columns = (ratios - ratios[:1]).abs().amax(0) < 1e-3
    return int(rows.sum() + columns.sum())


def count_parameters(regulariser: str) -> int:
    """Count the learnable parameters of the small CNN with a regulariser."""
    model = models.build("small_cnn", (1, 8, 8), 10, regularisers.build(regulariser, P))
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def judge_scaling(share_of_uniform_units: float, parameters_added: int) -> ClaimVerdict:
    """Apply claim 10's rule: both halves, or neither."""
    scaled, learned = share_of_uniform_units == 1, parameters_added > 0
    return decide_either_way(scaled and learned, not scaled and not learned)


# --- 11: smooth maps ----------------------------------------------------------------------------

SEEDS = range(8)
OTHERS = ("dropout", "dropout2d")
WIDTH, EPOCHS, IMAGES = 32, 5, 100


@dataclass(frozen=True)
class Condition:
    """A state of the network in which its feature maps are measured."""

    label: str
    epochs: int
    training: bool


CONDITIONS = (
    Condition("new, in training", 0, True),
    Condition("trained, in training", EPOCHS, True),
    Condition("trained, in eval", EPOCHS, False),
)


def measure_smoothness() -> Finding:
    """Measure claim 11."""
    rough = {name: measure_roughness(name, SEEDS) for name in ("dropconnect", *OTHERS)}
    differences = {
        (condition.label, other): paired_difference(
            rough["dropconnect"][condition.label], rough[other][condition.label]
        )
        for condition in CONDITIONS
        for other in OTHERS
    }
    means = [
        f"{name} {' / '.join(f'{statistics.mean(values):.3f}' for values in rough[name].values())}"
        for name in rough
    ]
    against = [
        f"{other} {', '.join(format_difference(differences[c.label, other]) for c in CONDITIONS)}"
        for other in OTHERS
    ]
    flow = gradients.measure_flow(SEEDS)
    against_dropout = [differences[c.label, "dropout"] for c in CONDITIONS]
    return Finding(
        11,
        f"roughness of maps ({' / '.join(c.label for c in CONDITIONS)}): {'; '.join(means)}. "
        f"{flow.text}",
        judge_smoothness(against_dropout, flow.against_none),
        f"Roughness: mean difference of neighbours ÷ standard deviation, of conv2's maps after "
        f"ReLU that are not constant. Small CNN of width {WIDTH} on {IMAGES} digits, p = {P}, "
        f"{len(SEEDS)} initial weights, new and after {EPOCHS} epochs. DropConnect's minus that "
        f"of the other, paired, with 95 % t intervals: {'; '.join(against)}. {gradients.HOW} "
        f"Holds if all three differences to dropout are below 0 and the gradient vanishes less "
        f"than without a regulariser, does not if all are the other way.",
    )


def measure_roughness(regulariser: str, seeds: Sequence[int]) -> Mapping[str, list[float]]:
    """Return the roughness for each seed, by condition."""
    roughness: dict[str, list[float]] = {condition.label: [] for condition in CONDITIONS}
    for seed in seeds:
        splits = digits.load_splits(seed)
        images = splits.normalise(splits.val.images[:IMAGES])
        model = digits.build_small_cnn(splits, seed, regulariser, P, WIDTH)
        trained = 0
        for condition in CONDITIONS:
            digits.train(model, splits, seed, condition.epochs - trained)
            trained = condition.epochs
            with global_stream(seed, "masks"):
                maps = digits.compute_second_maps(model, images, training=condition.training)
            roughness[condition.label].append(compute_roughness(F.relu(maps)))
    return roughness


def compute_roughness(maps: Tensor) -> float:
    """Return mean absolute difference of neighbours ÷ standard deviation, averaged over maps.

    Args:
        maps: (N, C, H, W).

    Returns:
        Near 0 for maps that change slowly, about 1.13 (2/√π) for independent normal positions;
        NaN if every map is constant. Constant maps do not count.
    """
    down = (maps[..., 1:, :] - maps[..., :-1, :]).abs().mean((-2, -1))
    across = (maps[..., :, 1:] - maps[..., :, :-1]).abs().mean((-2, -1))
    spread = maps.flatten(2).std(2)
    live = spread > 0
    return ((down + across) / 2 / spread)[live].mean().item()


def judge_smoothness(against_dropout: Sequence[Estimate], flow: Estimate) -> ClaimVerdict:
    """Apply claim 11's rule.

    Args:
        against_dropout: DropConnect's roughness − dropout's, in each condition.
        flow: log10 of DropConnect's ratio of gradients − that without a regulariser.
    """
    return decide_either_way(
        all(difference.high < 0 for difference in against_dropout) and flow.low > 0,
        all(difference.low > 0 for difference in against_dropout) and flow.high < 0,
    )


# --- 12: time -----------------------------------------------------------------------------------

NOTICEABLE = 1.1  # of the time with dropout: below it, ratios on a busy machine say nothing
ROUNDS = 15
_STEPS = 3


def measure_cost() -> Finding:
    """Measure claim 12."""
    kinds = {
        "plain": regularisers.build("none", 0),
        "example": regularisers.build("dropconnect", P, mask="example"),
        "batch": regularisers.build("dropconnect", P, mask="batch"),
        "dropout": regularisers.build("dropout", P),
    }
    seconds = time_actions({name: _make_step(kind) for name, kind in kinds.items()})
    ratio = {name: seconds[name] / seconds["dropout"] for name in kinds}
    return Finding(
        12,
        f"CPU time of a training step ÷ that with dropout: {ratio['example']:.2f} with a mask for "
        f"each example, {ratio['batch']:.2f} with one for each batch ({ratio['plain']:.2f} "
        f"without a regulariser)",
        judge_cost([ratio["example"], ratio["batch"]]),
        f"small CNN on 64 images of 8×8, medians of {ROUNDS} rounds in which each takes its turn; "
        f"the step with dropout of single activations, p = {P}: "
        f"{seconds['dropout'] * 1e3:.1f} ms. Holds if both are above {NOTICEABLE}.",
    )


def judge_cost(ratios: Sequence[float]) -> ClaimVerdict:
    """Apply claim 12's rule."""
    return decide_either_way(
        all(ratio > NOTICEABLE for ratio in ratios), all(ratio <= NOTICEABLE for ratio in ratios)
    )


def time_actions(actions: Mapping[str, Callable[[], None]]) -> dict[str, float]:
    """Return the median CPU seconds of each action; every round times all of them in turn."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(ROUNDS):
        for name, action in actions.items():
            start = time.process_time()
            for _ in range(_STEPS):
                action()
            times[name].append((time.process_time() - start) / _STEPS)
    return {name: statistics.median(each) for name, each in times.items()}


def _make_step(regulariser: regularisers.Regulariser) -> Callable[[], None]:
    model: nn.Module = models.build("small_cnn", (1, 8, 8), 10, regulariser)
    images, labels = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))

    def step() -> None:
        torch.autograd.backward(F.cross_entropy(model(images), labels))

    step()  # warm up
    return step
