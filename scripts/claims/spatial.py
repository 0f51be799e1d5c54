"""Measure spatial dropout: claims 13, 14, and the parameter counts of 15.

Shapes: N examples, C channels, H × W positions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims import digits
from claims.dropconnect import parameters_of
from claims.finding import Finding, Verdict, either_way
from dropexp import regularisers
from dropexp.randomness import global_stream
from dropexp.regularisers import Dropout, Dropout2d, SpatialDropout2d
from dropexp.statistics import Estimate, paired_difference

P = 0.5
Noise = Callable[[Tensor], Tensor]

# --- 13: what is dropped ------------------------------------------------------------------------


def what_is_dropped() -> Finding:
    """Measure claim 13."""
    called = {
        "spatial_dropout here, as the article defines it": SpatialDropout2d(P),
        "torch's Dropout2d": nn.Dropout2d(P),
    }
    shares = {name: whole_shares(noise.train()) for name, noise in called.items()}
    words = "; ".join(
        f"{name}: {positions:.1%} of positions and {channels:.1%} of channels zeroed whole"
        for name, (channels, positions) in shares.items()
    )
    cites = "Efficient Object Localization" in (nn.Dropout2d.__doc__ or "")
    return Finding(
        13,
        words,
        judge_what_is_dropped(list(shares.values())),
        f"zeros on ones of (64, 64, 16, 16), p = {P}. Names: Tompson et al. 2015 call the dropping "
        f"of channels SpatialDropout, as does Keras (SpatialDropout2D); torch's Dropout2d "
        f"{'cites that paper' if cites else 'does the same'}. Holds if all that is called spatial "
        f"dropout drops positions; depends on whose name it is if some drop channels.",
    )


def whole_shares(noise: Noise) -> tuple[float, float]:
    """Return the shares of channels and of positions that are entirely zero."""
    dropped = noise(torch.ones(64, 64, 16, 16)) == 0
    channels = dropped.flatten(2).all(2).float().mean().item()
    positions = dropped.all(1).float().mean().item()
    return channels, positions


def judge_what_is_dropped(shares: Sequence[tuple[float, float]]) -> Verdict:
    """Apply claim 13's rule, on (share of channels, share of positions) of each use of the name."""
    positions = [of_positions > 0 and of_channels == 0 for of_channels, of_positions in shares]
    return either_way(all(positions), not any(positions))


# --- 14: what is left ---------------------------------------------------------------------------

SEEDS = range(8)
WIDTH, EPOCHS = 16, 8
_RIDGE = 10.0


@dataclass(frozen=True)
class Left:
    """What survives of feature maps under noise, each in [0, 1].

    Attributes:
        neighbourhoods: share of 3×3 neighbourhoods within a channel with all nine values kept.
        positions: share of positions with all channels kept.
        accuracies: of a linear probe on the noisy features, one for each seed.
    """

    neighbourhoods: float
    positions: float
    accuracies: list[float]


def local_features() -> Finding:
    """Measure claim 14."""
    noises = {
        "spatial_dropout": SpatialDropout2d(P),
        "dropout2d": Dropout2d(P),
        "dropout": Dropout(P),
    }
    accuracies = probe_accuracies(noises, SEEDS)
    left = {name: Left(*kept_shares(noise), accuracies[name]) for name, noise in noises.items()}
    words = [
        f"{name}: {each.neighbourhoods:.1%}, {each.positions:.1%}, "
        f"{sum(each.accuracies) / len(SEEDS):.3f}"
        for name, each in left.items()
    ]
    spatial, channels = left["spatial_dropout"], left["dropout2d"]
    difference = paired_difference(spatial.accuracies, channels.accuracies)
    return Finding(
        14,
        f"3×3 neighbourhoods of a channel left whole, positions left with all their channels, "
        f"accuracy of a linear probe: {'; '.join(words)}",
        judge_local_features(spatial, channels, difference),
        f"p = {P}; ridge probe fitted on the clean conv2 maps of a small CNN trained for {EPOCHS} "
        f"epochs on digits, tested on noisy maps of test images, {len(SEEDS)} seeds (clean: "
        f"{sum(accuracies['none']) / len(SEEDS):.3f}); spatial_dropout − dropout2d "
        f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]. Holds if more "
        f"is left than by dropout2d in all three respects, does not if less in all.",
    )


def kept_shares(noise: nn.Module) -> tuple[float, float]:
    """Return the shares of 3×3 neighbourhoods and of positions that noise leaves intact."""
    kept = (noise.train()(torch.ones(64, 64, 18, 18)) != 0).float()
    whole = -F.max_pool2d(-kept, 3, stride=1)  # the smallest of nine
    return whole.mean().item(), kept.amin(1).mean().item()


def probe_accuracies(
    noises: Mapping[str, nn.Module], seeds: Sequence[int]
) -> dict[str, list[float]]:
    """Return the probe's accuracy for each seed, by noise and for "none"."""
    found: dict[str, list[float]] = {name: [] for name in ("none", *noises)}
    for seed in seeds:
        splits = digits.splits_of(seed)
        model = digits.small_cnn(splits, seed, "none", 0, WIDTH)
        digits.train(model, splits, seed, EPOCHS)

        train, test = (
            digits.second_maps(model, splits.normalise(split.images), training=False)
            for split in (splits.train, splits.test)
        )
        probe = _ridge(F.relu(train).flatten(1), F.one_hot(splits.train.labels).float())
        for name, noise in (("none", nn.Identity()), *noises.items()):
            with global_stream(seed, "masks"):
                noisy = F.relu(noise.train()(test)).flatten(1)
            right = _predicted(probe, noisy) == splits.test.labels
            found[name].append(right.float().mean().item())
    return found


def _ridge(features: Tensor, targets: Tensor) -> Tensor:
    """Return the weights (F + 1, classes) of a ridge regression in dual form, bias last."""
    x = _with_bias(features)
    gram = x @ x.mT + _RIDGE * torch.eye(len(x))
    return x.mT @ torch.linalg.solve(gram, targets)


def _predicted(probe: Tensor, features: Tensor) -> Tensor:
    return (_with_bias(features) @ probe).argmax(1)


def _with_bias(features: Tensor) -> Tensor:
    return F.pad(features, (0, 1), value=1.0)


def judge_local_features(spatial: Left, channels: Left, accuracy: Estimate) -> Verdict:
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
    return either_way(all(more), all(less))


# --- 15: parameters -----------------------------------------------------------------------------


def parameters_added() -> dict[str, int]:
    """Return how many learnable parameters each regulariser adds to the small CNN."""
    plain = parameters_of("none")
    dropping = ("spatial_dropout", "dropout2d", "dropout", "dropconnect")
    names = [name for name in dropping if name in regularisers.REGISTRY]
    return {name: parameters_of(name) - plain for name in names}
