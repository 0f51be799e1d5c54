"""Gaussian dropout and unit scaling have the mean and the variance of dropout."""

import pytest
import torch
from torch import nn

from dropexp.regularisers import GaussianDropout, UnitScaling, build, find_noise_modules


def test_gaussian_dropout_has_dropouts_mean_and_variance() -> None:
    torch.manual_seed(0)
    for p in (0.1, 0.5, 0.8):
        out = GaussianDropout(p)(torch.full((400, 1000), 3.0)) / 3
        assert float(out.mean()) == pytest.approx(1, abs=0.02)
        assert float(out.var()) == pytest.approx(p / (1 - p), rel=0.02)
        standardised = (out - 1) / (p / (1 - p)) ** 0.5
        assert float(standardised.pow(4).mean()) == pytest.approx(3, rel=0.03), "normal: kurtosis 3"


def test_unit_scaling_draws_once_for_each_example_and_unit() -> None:
    torch.manual_seed(1)
    noise = UnitScaling(6, 0.3)
    maps = noise(torch.ones(5, 6, 4, 3))
    assert torch.equal(maps, maps[..., :1, :1].expand_as(maps))
    last = UnitScaling(6, 0.3, dim=-1)
    for shape in ((5, 7, 6), (5, 4, 3, 6)):
        tokens = last(torch.ones(shape)).flatten(1, -2)
        assert torch.equal(tokens, tokens[:, :1].expand_as(tokens))
    assert len(maps[:, :, 0, 0].unique()) == 30
    assert noise(torch.ones(5, 6)).shape == (5, 6)


def test_the_coefficient_is_learned_and_applied_in_evaluation_at_any_p() -> None:
    torch.manual_seed(2)
    layer = nn.Linear(3, 2)
    plain = layer(torch.ones(4, 3)).detach()
    noisy = build("unit_scaling", 0.2).weight(layer, 1.0)
    assert not find_noise_modules(layer), "the layer itself stays plain"
    assert noisy.weight is layer.weight
    (noise,) = find_noise_modules(noisy).values()
    assert isinstance(noise, UnitScaling)
    noisy(torch.ones(4, 3)).sum().backward()
    assert noise.coefficient.grad is not None
    assert (noise.coefficient.grad != 0).all()
    with torch.no_grad():
        noise.coefficient.copy_(torch.tensor([2.0, -1.0]))
    noisy.eval()
    assert torch.allclose(noisy(torch.ones(4, 3)), plain * torch.tensor([2.0, -1.0]))
    noise.p = 0.0
    scaled = noisy(torch.ones(4, 3))
    assert torch.allclose(scaled, plain * torch.tensor([2.0, -1.0])), "a schedule may end at 0"
    assert torch.equal(noisy.train()(torch.ones(4, 3)), scaled)


def test_constructed_with_p_0_it_is_off_with_its_coefficients() -> None:
    noise, x = UnitScaling(2, 0.0), torch.randn(4, 2)
    assert noise(x) is x
