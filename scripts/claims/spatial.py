"""Measure spatial dropout: claims 13, 14, and the parameter counts of 15.

Shapes: N examples, C channels, H × W positions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims import digits
from claims.dropconnect import count_parameters
from claims.finding import ClaimVerdict, Finding, decide_either_way, format_difference
from dropexp import regularisers
from dropexp.randomness import global_stream
from dropexp.regularisers import Dropout, Dropout2d, SpatialDropout2d
from dropexp.statistics import Estimate, paired_difference

P = 0.5
Noise = Callable[[Tensor], Tensor]

# --- 13: what is dropped ------------------------------------------------------------------------


def measure_dropping() -> Finding:
    """Measure claim 13."""
    noises = {
        "spatial_dropout here, as the article defines it": SpatialDropout2d(P),
        "torch's Dropout2d": nn.Dropout2d(P),
    }
    shares = {name: measure_whole_shares(noise.train()) for name, noise in noises.items()}
    text = "; ".join(
        f"{name}: {positions:.1%} of positions and {channels:.1%} of channels zeroed whole"
        for name, (channels, positions) in shares.items()
    )
    cites = "Efficient Object Localization" in (nn.Dropout2d.__doc__ or "")
    return Finding(
        13,
        text,
        judge_dropping(list(shares.values())),
        f"zeros on ones of (64, 64, 16, 16), p = {P}. Names: Tompson et al. 2015 call the dropping "
        f"of channels SpatialDropout, as does Keras (SpatialDropout2D); torch's Dropout2d "
        f"{'cites that paper' if cites else 'does the same'}. Holds if all that is called spatial "
        f"dropout drops positions; depends on whose name it is if some drop channels.",
    )


def measure_whole_shares(noise: Noise) -> tuple[float, float]:
    """Return the shares of channels and of positions that are entirely zero."""
    dropped = noise(torch.ones(64, 64, 16, 16)) == 0
    channels = dropped.flatten(2).all(2).float().mean().item()
    positions = dropped.all(1).float().mean().item()
    return channels, positions


def judge_dropping(shares: Sequence[tuple[float, float]]) -> ClaimVerdict:
    """Apply claim 13's rule, on (share of channels, share of positions) of each use of the name."""
    positions = [of_positions > 0 and of_channels == 0 for of_channels, of_positions in shares]
    return decide_either_way(all(positions), not any(positions))


# --- 14: what is kept ---------------------------------------------------------------------------

SEEDS = range(8)
WIDTH, EPOCHS = 16, 8
_RIDGE = 10.0


@dataclass(frozen=True)
class KeptFeatures:
    """What noise keeps of feature maps, each number in [0, 1].

    Attributes:
        neighbourhoods: share of 3×3 neighbourhoods within a channel with all nine values kept.
        positions: share of positions with all channels kept.
        accuracies: of a linear probe on the noisy features, one for each seed.
    """

    neighbourhoods: float
    positions: float
    accuracies: list[float]


def measure_local_features() -> Finding:
    """Measure claim 14."""
    noises = {
        "spatial_dropout": SpatialDropout2d(P),
        "dropout2d": Dropout2d(P),
        "dropout": Dropout(P),
    }
    accuracies = measure_probe_accuracies(noises, SEEDS)
    kept = {
        name: KeptFeatures(*measure_kept_shares(noise), accuracies[name])
        for name, noise in noises.items()
    }
    texts = [
        f"{name}: {each.neighbourhoods:.1%}, {each.positions:.1%}, "
        f"{sum(each.accuracies) / len(SEEDS):.3f}"
        for name, each in kept.items()
    ]
    spatial, channels = kept["spatial_dropout"], kept["dropout2d"]
    difference = paired_difference(spatial.accuracies, channels.accuracies)
    return Finding(
        14,
        f"3×3 neighbourhoods of a channel left whole, positions left with all their channels, "
        f"accuracy of a linear probe: {'; '.join(texts)}",
        judge_local_features(spatial, channels, difference),
        f"p = {P}; ridge probe fitted on the clean conv2 maps of a small CNN trained for {EPOCHS} "
        f"epochs on digits, tested on noisy maps of test images, {len(SEEDS)} seeds (clean: "
        f"{sum(accuracies['none']) / len(SEEDS):.3f}); spatial_dropout − dropout2d "
        f"{format_difference(difference)}. Holds if more "
        f"is left than by dropout2d in all three respects, does not if less in all.",
    )


def measure_kept_shares(noise: nn.Module) -> tuple[float, float]:
    """Return the shares of 3×3 neighbourhoods and of positions that noise leaves intact."""
    kept = (noise.train()(torch.ones(64, 64, 18, 18)) != 0).float()
    whole = -F.max_pool2d(-kept, 3, stride=1)  # the smallest of nine
    return whole.mean().item(), kept.amin(1).mean().item()


def measure_probe_accuracies(
    noises: Mapping[str, nn.Module], seeds: Sequence[int]
) -> dict[str, list[float]]:
    """Return the probe's accuracy for each seed, by noise and for "none"."""
    accuracies: dict[str, list[float]] = {name: [] for name in ("none", *noises)}
    for seed in seeds:
        splits = digits.load_splits(seed)
        model = digits.build_small_cnn(splits, seed, "none", 0, WIDTH)
        digits.train(model, splits, seed, EPOCHS)

        train, test = (
            digits.compute_second_maps(model, splits.normalise(split.images), training=False)
            for split in (splits.train, splits.test)
        )
        probe = _fit_ridge(F.relu(train).flatten(1), F.one_hot(splits.train.labels).float())
        for name, noise in (("none", nn.Identity()), *noises.items()):
            with global_stream(seed, "masks"):
                noisy = F.relu(noise.train()(test)).flatten(1)
            right = _predict(probe, noisy) == splits.test.labels
            accuracies[name].append(right.float().mean().item())
    return accuracies


def _fit_ridge(features: Tensor, targets: Tensor) -> Tensor:
    """Return the weights (F + 1, classes) of a ridge regression in dual form, bias last."""
    x = _add_bias(features)
    gram = x @ x.mT + _RIDGE * torch.eye(len(x))
    dual: Tensor = torch.linalg.solve(gram, targets)
    return x.mT @ dual


def _predict(probe: Tensor, features: Tensor) -> Tensor:
    return (_add_bias(features) @ probe).argmax(1)


def _add_bias(features: Tensor) -> Tensor:
    return F.pad(features, (0, 1), value=1.0)


def judge_local_features(
    spatial: KeptFeatures, channels: KeptFeatures, accuracy: Estimate
) -> ClaimVerdict:
    """Apply claim 14's rule; accuracy is spatial dropout's − channel dropout's."""
    more = (
        spatial.neighbourhoods > channels.neighbourhoods,
        spatial.positions > channels.positions,
        accuracy.low > 0,
    )
    less = (
        spatial.neighbourhoods < channels.neighbourhoods,
        spatial.positions < channels.positions,
        accuracy.high < 0,
    )
    return decide_either_way(all(more), all(less))


# --- 15: parameters -----------------------------------------------------------------------------


def count_added_parameters() -> dict[str, int]:
    """Return how many learnable parameters each regulariser adds to the small CNN."""
    plain = count_parameters("none")
    dropping = ("spatial_dropout", "dropout2d", "dropout", "dropconnect")
    names = [name for name in dropping if name in regularisers.REGISTRY]
    return {name: count_parameters(name) - plain for name in names}
