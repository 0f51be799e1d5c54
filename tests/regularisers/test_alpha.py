"""Alpha dropout keeps the mean and the variance of a self-normalising network."""

import pytest
import torch
from torch.nn import functional as F

from dropexp import models
from dropexp.regularisers import AlphaDropout, build, find_noise_modules
from dropexp.regularisers.alpha import SATURATION, affine_coefficients


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_alpha_dropout_equals_torchs_bit_for_bit(p: float) -> None:
    x = torch.randn(8, 6, 5, 4)
    for featurewise, torchs in ((False, F.alpha_dropout), (True, F.feature_alpha_dropout)):
        torch.manual_seed(3)
        expected = torchs(x, p, training=True)
        torch.manual_seed(3)
        assert torch.equal(AlphaDropout(p, featurewise)(x), expected)


def test_mean_0_and_variance_1_are_kept() -> None:
    torch.manual_seed(0)
    x = torch.randn(1000, 1000)
    for p in (0.1, 0.5):
        out = AlphaDropout(p)(x)
        assert float(out.mean()) == pytest.approx(0, abs=0.01)
        assert float(out.var()) == pytest.approx(1, abs=0.02)
    scale, shift = affine_coefficients(0.3)
    values = AlphaDropout(0.3)(torch.zeros(100, 100)).unique().tolist()
    assert values == pytest.approx([scale * SATURATION + shift, shift], abs=1e-6)
    assert float(F.selu(torch.tensor(-50.0))) == pytest.approx(SATURATION)


@pytest.mark.parametrize("name", ["small_cnn", "mlp"])
def test_a_network_with_selu_has_the_noise_after_it(name: str) -> None:
    def network(regulariser: str) -> torch.nn.Module:
        torch.manual_seed(1)
        return models.build(name, (1, 8, 8), 10, build(regulariser, 0.5), nonlinearity="selu")

    seen: list[torch.Tensor] = []
    model = network("alpha_dropout")
    for noise in find_noise_modules(model).values():
        assert isinstance(noise, AlphaDropout)
        noise.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(64, 1, 8, 8)
    with torch.no_grad():
        model.eval()(x)
    assert len(seen) == 2
    for activations in seen:
        assert float(activations.min()) > SATURATION - 1e-3, "SELU's range: the noise is after it"
        # Self-normalising, up to a convolution's borders of zeros.
        assert abs(float(activations.mean())) < 0.2
        assert 0.4 < float(activations.var()) < 1.4


def test_with_a_shortcut_the_noise_comes_after_the_selu_too() -> None:
    torch.manual_seed(1)
    model = models.build(
        "small_cnn", (1, 8, 8), 10, build("alpha_dropout", 0.5), nonlinearity="selu", shortcut=True
    )
    seen: list[float] = []
    for noise in find_noise_modules(model).values():
        assert isinstance(noise, AlphaDropout)
        noise.register_forward_pre_hook(lambda _, inputs: seen.append(float(inputs[0].min())))
    with torch.no_grad():
        model(torch.randn(16, 1, 8, 8))
    assert len(seen) == 2
    assert min(seen) > SATURATION - 1e-3
