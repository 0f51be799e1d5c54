"""What theory says must come out exactly, or within the error of its sampling."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.regularisers import (
    DropConnectLinear,
    Dropout,
    Dropout2d,
    ShakeDrop,
    SpatialDropout2d,
    StochasticDepth,
    stochastic_depth,
)


def probability(kept: tuple[int, ...], p: float) -> float:
    return (1 - p) ** sum(kept) * p ** (len(kept) - sum(kept))


@pytest.mark.parametrize("scaling", ["eval", "train"])
def test_a_linear_residual_stacks_average_over_all_gates_is_its_evaluation(
    scaling: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Huang et al. 2016: the mean over all 2^L depths of x ↦ Π (I + b F) is Π (I + keep F)."""
    p, layers = 0.3, 5
    torch.manual_seed(0)
    branches = [torch.randn(4, 4, dtype=torch.float64) / 2 for _ in range(layers)]
    gates = [StochasticDepth(p, "batch", scaling) for _ in range(layers)]
    x = torch.randn(3, 4, dtype=torch.float64)

    def stack(x: Tensor) -> Tensor:
        for gate, matrix in zip(gates, branches, strict=True):
            x = x + gate(lambda z, matrix=matrix: z @ matrix, x)
        return x

    mean = torch.zeros_like(x)
    for kept in product((0, 1), repeat=layers):
        draws = iter(kept)
        monkeypatch.setattr(
            stochastic_depth,
            "bernoulli",
            lambda like, shape, _, draws=draws: like.new_full(shape, next(draws)),
        )
        mean += probability(kept, p) * stack(x)
    for gate in gates:
        gate.eval()
    keep = 1 - p if scaling == "eval" else 1.0
    expected = x
    for matrix in branches:
        expected = expected @ (torch.eye(4, dtype=torch.float64) + keep * matrix)
    assert torch.allclose(mean, expected)
    assert torch.allclose(stack(x), expected)


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_a_softmax_layers_geometric_mean_over_all_masks_is_the_weight_scaled_layer(
    p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Baldi and Sadowski 2013; Goodfellow, Bengio and Courville 2016, section 7.12."""
    torch.manual_seed(1)
    inputs, noise = 8, Dropout(p)
    layer = nn.Linear(inputs, 3).double()
    x = torch.randn(2, inputs, dtype=torch.float64)
    log_mean = torch.zeros(2, 3, dtype=torch.float64)
    for kept in product((0, 1), repeat=inputs):
        mask = torch.tensor(kept, dtype=torch.float64)
        monkeypatch.setattr(F, "dropout", lambda x, p, mask=mask, **_: x * mask / (1 - p))
        log_mean += probability(kept, p) * F.log_softmax(layer(noise(x)), dim=1)
    assert torch.allclose(log_mean.softmax(1), layer(noise.eval()(x)).softmax(1))


def test_dropconnects_output_has_the_moments_of_the_enumeration_of_its_masks() -> None:
    torch.manual_seed(2)
    p = 0.3
    layer = DropConnectLinear(5, 1, bias=False, p=p).double()
    x = torch.randn(1, 5, dtype=torch.float64)
    outs, weights = [], []
    for kept in product((0, 1), repeat=5):
        mask = torch.tensor(kept, dtype=torch.float64)
        outs.append(float(((mask * layer.weight.detach()) @ x[0]).sum()) / (1 - p))
        weights.append(probability(kept, p))
    mean = sum(w * out for w, out in zip(weights, outs, strict=True))
    variance = sum(w * (out - mean) ** 2 for w, out in zip(weights, outs, strict=True))
    found = layer.moments(x)
    assert [each.item() for each in found] == pytest.approx([mean, variance])


@pytest.mark.parametrize("noise", [Dropout, Dropout2d, SpatialDropout2d])
@pytest.mark.parametrize("p", [0.2, 0.5])
def test_the_variance_before_a_batch_normalisation_shifts_by_1_over_keep(
    noise: type[Dropout2d], p: float
) -> None:
    """Li et al. 2019, "Understanding the disharmony between dropout and batch normalization".

    For normal inputs of mean 0 the variance that the normalisation learns is 1 / keep of the one
    that it meets in evaluation.
    """
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(4, momentum=None)  # the mean of all batches
    model = nn.Sequential(noise(p), norm)
    for _ in range(40):
        model(torch.randn(64, 4, 6, 6))
    assert norm.running_var is not None
    assert torch.allclose(norm.running_var, torch.full((4,), 1 / (1 - p)), rtol=0.06)
    seen: list[float] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0].var())))
    model.eval()(torch.randn(500, 4, 6, 6))
    assert seen[0] == pytest.approx(1, rel=0.03)


def test_a_skipped_branch_leaves_batch_statistics_alone_and_a_shaken_one_does_not() -> None:
    """Which of the two each regulariser does is on the cards in docs/reference/regularisers.md."""
    torch.manual_seed(4)
    x = torch.randn(8, 3, 4, 4)
    kept = 0
    skipped, shaken = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    skip, shake = StochasticDepth(0.5, "batch"), ShakeDrop(0.5, "batch")
    for _ in range(40):
        kept += int(skip(skipped, x).dim() > 0)
        shake(shaken, x)
    assert skipped.num_batches_tracked is not None
    assert shaken.num_batches_tracked is not None
    assert 0 < kept < 40
    assert int(skipped.num_batches_tracked) == kept
    assert int(shaken.num_batches_tracked) == 40

    rows: list[int] = []
    skipped.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    by_row = StochasticDepth(0.5, "row")
    for _ in range(20):
        by_row(skipped, x)
    assert max(rows) <= 8
    assert len(set(rows)) > 1, "the statistics are those of the rows that are kept"
