"""The networks: the published layouts and sizes, for any image, with the sites they announce."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from dropexp import models
from dropexp.errors import ConfigError
from dropexp.models.shortcut import PaddedShortcut
from dropexp.regularisers import Regulariser, SiteRecorder


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def plain(name: str, shape: tuple[int, int, int] = (3, 32, 32), **options: object) -> nn.Module:
    return models.build(name, shape, 10, Regulariser(), **options)


def test_the_small_cnn_is_the_articles_layout() -> None:
    model = plain("small_cnn", (3, 8, 8))
    model.eval()
    x = torch.randn(2, 3, 8, 8)
    weights = model.state_dict()
    assert weights["conv1.weight"].shape == (64, 3, 3, 3)
    assert weights["conv2.weight"].shape == (128, 64, 3, 3)
    h = F.relu(F.conv2d(x, weights["conv1.weight"], weights["conv1.bias"], padding=1))
    h = F.relu(F.conv2d(h, weights["conv2.weight"], weights["conv2.bias"], padding=1))
    logits = F.linear(h.flatten(1), weights["head.weight"], weights["head.bias"])
    assert torch.allclose(model(x), logits, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "options", "expected"),
    [
        ("mlp", (1, 28, 28), {"hidden": (800, 800)}, 784 * 800 + 800 + 800 * 800 + 800 + 8010),
        ("resnet", (3, 32, 32), {"depth": 20}, 269_722),
        ("resnet", (3, 32, 32), {"depth": 110}, 1_727_962),
        ("small_cnn", (1, 8, 8), {}, 640 + 73_856 + 81_930),
        ("small_cnn", (1, 8, 8), {"head": "gap"}, 640 + 73_856 + 1_290),
    ],
)
def test_parameter_counts_are_the_published_ones(
    name: str, shape: tuple[int, int, int], options: dict[str, object], expected: int
) -> None:
    assert parameters(plain(name, shape, **options)) == expected


@pytest.mark.parametrize("name", ["small_cnn", "mlp", "resnet"])
@settings(max_examples=10, deadline=None)
@given(
    channels=st.integers(1, 4),
    height=st.integers(5, 20),
    width=st.integers(5, 20),
    classes=st.integers(2, 12),
)
def test_every_model_takes_any_image_shape_and_class_count(
    name: str, channels: int, height: int, width: int, classes: int
) -> None:
    model = models.build(name, (channels, height, width), classes, Regulariser()).eval()
    assert model(torch.randn(2, channels, height, width)).shape == (2, classes)


def test_a_shortcut_adds_no_parameters_and_its_input_to_the_branch() -> None:
    without, with_shortcut = (
        plain("small_cnn", (1, 8, 8)),
        plain("small_cnn", (1, 8, 8), shortcut=True),
    )
    with_shortcut.load_state_dict(without.state_dict())
    x = torch.randn(2, 1, 8, 8)
    weights = without.state_dict()
    h1 = F.relu(F.conv2d(x, weights["conv1.weight"], weights["conv1.bias"], padding=1))
    h2 = F.conv2d(h1, weights["conv2.weight"], weights["conv2.bias"], padding=1)
    h2 = F.relu(h2 + torch.cat([h1, torch.zeros_like(h1)], dim=1))
    expected = F.linear(h2.flatten(1), weights["head.weight"], weights["head.bias"])
    assert torch.allclose(with_shortcut(x), expected, atol=1e-5)


def test_the_padded_shortcut_subsamples_and_appends_zero_channels() -> None:
    x = torch.randn(2, 3, 7, 8)
    out = PaddedShortcut(3, 5, stride=2)(x)
    assert torch.equal(out[:, :3], x[:, :, ::2, ::2])
    assert torch.equal(out[:, 3:], torch.zeros(2, 2, 4, 4))


@pytest.mark.parametrize(
    ("name", "options", "sites"),
    [
        ("small_cnn", {}, "2 activations (maps), 2 weights (convolution), 0 branches"),
        (
            "small_cnn",
            {"shortcut": True},
            "2 activations (maps), 2 weights (convolution), 1 branch",
        ),
        ("mlp", {}, "2 activations (vectors), 2 weights (linear), 0 branches"),
        (
            "resnet",
            {"depth": 20},
            "9 activations (maps), 18 weights (convolution), 9 branches",
        ),
    ],
)
def test_models_announce_their_sites(name: str, options: dict[str, object], sites: str) -> None:
    recorder = SiteRecorder()
    models.build(name, (1, 8, 8), 10, recorder, **options)
    assert recorder.describe() == sites


def test_depth_rises_to_1_over_the_sites() -> None:
    depths: list[float] = []

    class Noted(Regulariser):
        def branch(self, depth: float) -> nn.Module:
            depths.append(depth)
            return super().branch(depth)

    models.build("resnet", (1, 8, 8), 10, Noted(), depth=20)
    assert depths == pytest.approx([block / 9 for block in range(1, 10)])


def test_images_too_small_for_a_resnet_are_refused() -> None:
    with pytest.raises(ConfigError, match="3×3 are too small"):
        plain("resnet", (1, 3, 3))
