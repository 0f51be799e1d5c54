"""DropConnect has a mask for each example or batch, and exact moments."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dropexp.errors import ConfigError
from dropexp.regularisers import DropConnectConv2d, DropConnectLinear, DropConnectRegulariser, Noise
from dropexp.regularisers.dropconnect.layer import Inference, Mask
from dropexp.regularisers.masks import draw_keep

GEOMETRIES: list[dict[str, Any]] = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 1},
    {"kernel_size": (3, 2), "padding": "same", "dilation": (1, 2)},
    {"kernel_size": 2, "padding": "same"},
    {"kernel_size": 3, "stride": (2, 3), "padding": (0, 2), "bias": False},
    {"kernel_size": 3, "padding": "valid", "dilation": 2},
    {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
    {"kernel_size": 3, "padding": 1, "groups": 2, "stride": 2},
    {"kernel_size": 3, "padding": "same", "padding_mode": "circular", "groups": 2},
]


def conv(p: float = 0.4, mask: Mask = "example", **geometry: Any) -> DropConnectConv2d:
    return DropConnectConv2d(4, 6, p=p, mask=mask, dtype=torch.float64, **geometry)


def masks_under_seed(layer: DropConnectConv2d, n: int, seed: int) -> tuple[Tensor, Tensor | None]:
    """The masks that layer draws for a batch of n after that seed, in the weights' layout."""
    torch.manual_seed(seed)
    o, c, kh, kw = layer.weight.shape
    keep = draw_keep((n, o, c, kh, kw), layer.p, torch.device("cpu"))
    if layer.groups == 1:
        keep = keep.view(n, o, kh, kw, c).permute(0, 1, 4, 2, 3)
    bias = None if layer.bias is None else draw_keep((n, o), layer.p, torch.device("cpu"))
    return keep, bias


def convolve_one_by_one(layer: DropConnectConv2d, x: Tensor, seed: int) -> Tensor:
    """The definition: a plain convolution with its own weights for each example in turn."""
    keep, keep_bias = masks_under_seed(layer, len(x), seed)
    scale = 1 / (1 - layer.p)
    rows = []
    for n, example in enumerate(x):
        bias = None
        if layer.bias is not None and keep_bias is not None:
            bias = layer.bias * keep_bias[n] * scale
        rows.append(layer._conv_forward(example[None], layer.weight * keep[n] * scale, bias))
    return torch.cat(rows)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("chunk", [1, 100, 300_000])
def test_examples_are_convolved_each_with_its_own_weights(
    geometry: dict[str, Any], chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dropexp.regularisers.dropconnect.masked_convolution._CPU_BUFFER_ELEMENTS", chunk
    )
    layer = conv(**geometry)
    x = torch.randn(5, 4, 8, 7, dtype=torch.float64, requires_grad=True)
    wanted = [x, *layer.parameters()]
    expected = convolve_one_by_one(layer, x, seed=7)
    torch.manual_seed(7)
    ours = layer(x)
    torch.testing.assert_close(ours, expected)
    grad = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(ours, wanted, grad), torch.autograd.grad(expected, wanted, grad)
    )


@pytest.mark.parametrize("shape", [(6,), (3, 6), (3, 2, 6), (3, 2, 5, 6), (0, 6)])
def test_linear_takes_the_shapes_of_the_plain_layer(shape: tuple[int, ...]) -> None:
    layer = DropConnectLinear(6, 4, p=0.5)
    assert layer(torch.randn(shape)).shape == (*shape[:-1], 4)


def test_one_mask_serves_all_positions_of_an_example() -> None:
    layer = DropConnectLinear(6, 4, p=0.5)
    x = torch.randn(3, 1, 6).expand(3, 7, 6)
    out = layer(x)
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    map_layer = DropConnectConv2d(6, 4, 1, p=0.5)
    assert map_layer(torch.randn(6, 3, 3)).shape == (4, 3, 3)


def layers(mask: Mask, p: float) -> list[tuple[Noise, Tensor]]:
    return [
        (DropConnectLinear(9, 5, p=p, mask=mask), torch.randn(9)),
        (DropConnectConv2d(2, 3, 3, padding=1, p=p, mask=mask), torch.randn(2, 4, 4)),
    ]


@pytest.mark.parametrize("mask", ["example", "batch"])
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_mean_and_variance_are_the_closed_forms(mask: Mask, p: float) -> None:
    torch.manual_seed(11)
    for layer, example in layers(mask, p):
        assert isinstance(layer, DropConnectLinear | DropConnectConv2d)
        draws = 2000
        with torch.no_grad():
            if mask == "example":
                outs = layer(example.expand(draws, *example.shape))
            else:
                outs = torch.cat([layer(example[None]) for _ in range(draws)])
            mean, variance = layer.moments(example[None])
        standard_error = (variance / draws).sqrt()
        assert ((outs.mean(0) - mean[0]).abs() < 5.5 * standard_error[0]).all()
        torch.testing.assert_close(outs.var(0), variance[0], rtol=0.25, atol=1e-6)
        assert float((outs.var(0) / variance[0]).mean()) == pytest.approx(1, abs=0.05)


def test_equal_examples_get_different_masks_or_in_batch_mode_the_same() -> None:
    for mask in ("example", "batch"):
        for layer, example in layers(mask, 0.5):
            assert isinstance(layer, nn.Module)
            first, second = layer(example.expand(2, *example.shape))
            # Close, not equal: matrix products may round one row of a batch unlike another.
            assert torch.allclose(first, second) == (mask == "batch")


def test_dropped_weights_get_no_gradient() -> None:
    layer, x = conv(kernel_size=3), torch.rand(1, 4, 5, 5, dtype=torch.float64)
    keep, keep_bias = masks_under_seed(layer, 1, seed=3)
    torch.manual_seed(3)
    layer(x).sum().backward()
    assert keep_bias is not None
    for parameter, kept in zip(layer.parameters(), (keep, keep_bias), strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad != 0, kept[0] == 1)


def test_only_the_gradients_asked_for_are_computed() -> None:
    layer = conv(kernel_size=3)
    layer.weight.requires_grad_(False)
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None


@pytest.mark.parametrize("p", [1e-4, 0.05, 0.3, 0.5, 0.9, 0.999])
def test_masks_drop_at_their_rate_independently(p: float) -> None:
    torch.manual_seed(2)
    dropped = 1 - draw_keep((2, 1_000_000), p, torch.device("cpu")).double()
    standard_error = math.sqrt(p * (1 - p) / 2_000_000)
    assert abs(float(dropped.mean()) - p) < 5 * standard_error
    flat = dropped.flatten() - p
    for lag in (1, 2, 3, 4, 8, 1_000_000):
        correlation = float((flat[lag:] * flat[:-lag]).mean()) / (p * (1 - p))
        assert abs(correlation) < 6e-3


def enumerate_masks(layer: DropConnectLinear, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance of u, and mean of relu(u), over all masks of a one-output layer."""
    assert layer.bias is not None
    parts = torch.cat([layer.weight[0] * x, layer.bias]) / (1 - layer.p)
    masks = torch.tensor(list(itertools.product((0.0, 1.0), repeat=len(parts))), dtype=x.dtype)
    kept = masks.sum(1)
    chance = (1 - layer.p) ** kept * layer.p ** (len(parts) - kept)
    u = masks @ parts
    mean = (chance * u).sum()
    return mean, (chance * (u - mean).square()).sum(), (chance * u.relu()).sum()


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_gaussian_inference_against_all_masks(p: float) -> None:
    """The moments are exact; taking a sum of twelve terms for normal is what costs accuracy.

    Over 300 layers it cost 1.6, 0.8 and 0.7 % of the standard deviation on average at these p,
    and 9 % at worst; inference="mean" is off by 6, 11 and 15 % on average.
    """
    torch.manual_seed(4)
    errors = []
    for _ in range(20):
        layer = DropConnectLinear(
            11, 1, p=p, inference="gaussian", nonlinearity="relu", dtype=torch.float64
        ).eval()
        x = torch.randn(11, dtype=torch.float64)
        with torch.no_grad():
            mean, variance, rectified = enumerate_masks(layer, x)
            ours_mean, ours_variance = layer.moments(x[None])
            ours = layer(x[None])
        torch.testing.assert_close(ours_mean.squeeze(), mean)
        torch.testing.assert_close(ours_variance.squeeze(), variance)
        errors.append(abs(float(ours - rectified)) / float(variance.sqrt()))
    assert max(errors) < 0.1
    assert sum(errors) / len(errors) < 0.025


@pytest.mark.parametrize("mean", [-30.0, -1.0, 0.0, 2.0, 1e6])
def test_gaussian_inference_without_variance_is_the_relu(mean: float) -> None:
    layer = DropConnectLinear(3, 1, p=0.5, inference="gaussian", nonlinearity="relu").eval()
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    x = torch.ones(2, 3, requires_grad=True)
    out = layer(x)
    torch.testing.assert_close(out, torch.zeros(2, 1))
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    # With a bias the variance is next to nothing at the least p.
    nn.init.constant_(layer.get_parameter("bias"), mean)
    layer.p = 1e-30
    torch.testing.assert_close(layer(x), torch.full((2, 1), max(mean, 0.0)))


def test_gaussian_inference_is_unchanged_by_the_relu_that_follows() -> None:
    layer = DropConnectConv2d(3, 8, 3, p=0.5, inference="gaussian", nonlinearity="relu").eval()
    state = torch.get_rng_state()
    out = layer(5 * torch.randn(16, 3, 9, 9, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(out.relu(), out)


def test_gaussian_inference_needs_a_relu_after_the_layer() -> None:
    regulariser = DropConnectRegulariser(0.5, inference="gaussian")
    regulariser.weight(nn.Linear(2, 2), 1.0, nonlinearity="relu")
    with pytest.raises(ConfigError, match=r"inference=gaussian.*ReLU.*inference=mean"):
        regulariser.weight(nn.Linear(2, 2), 1.0)


def test_without_a_nonlinearity_the_gaussian_mean_is_the_plain_output() -> None:
    layer = DropConnectLinear(4, 3, p=0.5, inference="gaussian").eval()
    x = torch.randn(5, 4)
    assert torch.equal(layer(x), nn.functional.linear(x, layer.weight, layer.bias))


@pytest.mark.parametrize("mask", ["example", "batch"])
def test_the_noisy_layer_shares_the_plain_ones_parameters(mask: Mask) -> None:
    for plain in (
        nn.Linear(4, 3, bias=False),
        nn.Linear(4, 3),
        nn.Conv2d(4, 2, (3, 1), 2, "valid", 2, 2, False, "reflect"),
        nn.Conv2d(4, 2, 3, padding="same"),
    ):
        state = torch.get_rng_state()
        noisy = DropConnectRegulariser(0.3, mask).weight(plain, 1.0)
        assert torch.equal(torch.get_rng_state(), state)
        assert list(noisy.state_dict()) == list(plain.state_dict())
        assert all(a is b for a, b in zip(noisy.parameters(), plain.parameters(), strict=True))
        assert repr(plain).removesuffix(")") in repr(noisy).replace("DropConnect", "")


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_output_has_the_memory_format_of_the_plain_layers(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(4, 4, 6, 6, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    out = conv(kernel_size=3)(x)
    assert out.is_contiguous(memory_format=layout)
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=layout)


def test_an_input_smaller_than_the_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than the dilated kernel"):
        conv(kernel_size=5)(torch.randn(1, 4, 3, 9, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("inference", ["mean", "gaussian"])
@pytest.mark.parametrize("mask", ["example", "batch"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_draws_show_single_weights(
    geometry: dict[str, Any], mask: Mask, inference: Inference
) -> None:
    torch.manual_seed(8)
    layer = DropConnectConv2d(
        4, 6, p=0.4, mask=mask, inference=inference, nonlinearity="relu", **geometry
    )
    rounds = [layer.draws(torch.zeros(32, 4, 8, 8)).ratios for _ in range(20)]
    ratios = torch.cat([each for each in rounds if each is not None])
    assert torch.allclose(ratios[ratios != 0], torch.tensor(1 / 0.6))
    assert float((ratios == 0).float().mean()) == pytest.approx(0.4, abs=0.06)
    assert layer.training
