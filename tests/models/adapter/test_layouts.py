"""Maps (N, H, W, C) and tokens (N, L, C) get noise on channels and positions."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import dropexp
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import SitesError
from dropexp.models.adapter import plain, regularise
from dropexp.regularisers import find_noise_modules
from tests.models.adapter.networks import CLASSES, images


class ChannelsLast(nn.Module):
    """A layer on (N, H, W, C), as in ConvNeXt, or on (N, L, C), as in a vision transformer."""

    def __init__(self, *, tokens: bool) -> None:
        super().__init__()
        self.tokens = tokens
        self.layer = nn.Linear(3, 6)
        self.act = nn.GELU()
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(1, -1)
        x = x.flatten(1, 2) if self.tokens else x
        return self.head(self.act(self.layer(x)).flatten(1, -2).mean(1))  # type: ignore[no-any-return]


def see_dropped(model: nn.Module, x: Tensor) -> Tensor:
    """Return where the input of the non-linearity is 0 in a training pass."""
    seen: list[Tensor] = []
    handle = model.get_submodule("act").register_forward_hook(lambda _, x, __: seen.append(x[0]))
    model.train()(x)
    handle.remove()
    return seen[0] == 0


@pytest.mark.parametrize("tokens", [False, True])
def test_dropout2d_drops_the_last_axis_and_spatial_dropout_the_positions(tokens: bool) -> None:
    torch.manual_seed(0)
    model, x = ChannelsLast(tokens=tokens), images(64)
    assert regularise(model, "dropout2d", 0.4, example=x) == 1
    dropped = see_dropped(model, x).flatten(1, -2)
    assert torch.equal(dropped.any(1), dropped.all(1))
    assert float(dropped.float().mean()) == pytest.approx(0.4, abs=0.1)
    plain(model)
    assert regularise(model, "spatial_dropout", 0.4, example=x) == 1
    dropped = see_dropped(model, x).flatten(1, -2)
    assert torch.equal(dropped.any(2), dropped.all(2))
    assert float(dropped.float().mean()) == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("name", ["dropout2d", "spatial_dropout", "dropblock", "dropout"])
def test_in_evaluation_and_at_p_0_it_is_the_plain_network(name: str, tokens: bool) -> None:
    model, x = ChannelsLast(tokens=tokens), images()
    reference = copy.deepcopy(model)
    regularise(model, name, 0.4, example=x)
    assert torch.equal(model.eval()(x), reference.eval()(x))
    for noise in find_noise_modules(model).values():
        noise.p = 0.0
    assert torch.equal(model.train()(x), reference.train()(x))


def test_noise_on_single_activations_is_the_same_with_and_without_an_example() -> None:
    x, outs = images(), []
    for options in ({}, {"example": x}):
        torch.manual_seed(0)
        model = ChannelsLast(tokens=False)
        regularise(model, "dropout", 0.4, **options)  # type: ignore[arg-type]
        outs.append(model.train()(x))
    assert torch.equal(*outs)


def test_without_an_example_a_linear_layer_gives_vectors() -> None:
    with pytest.raises(SitesError, match="activation"):
        regularise(ChannelsLast(tokens=False), "dropout2d", 0.4)


def make_vit() -> nn.Module:
    import_torchvision()
    from torchvision.models import VisionTransformer

    model: nn.Module = VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=CLASSES)
    return model


def make_swin() -> nn.Module:
    import_torchvision()
    from torchvision.models import SwinTransformer

    model: nn.Module = SwinTransformer([2, 2], 8, [2], [2], [2, 2], num_classes=CLASSES)
    return model


def make_convnext() -> nn.Module:
    import_torchvision()
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    model: nn.Module = ConvNeXt([CNBlockConfig(8, None, 2)], num_classes=CLASSES)
    return model


@pytest.mark.parametrize("make", [make_vit, make_swin, make_convnext])
@pytest.mark.parametrize("name", ["dropout2d", "spatial_dropout"])
def test_transformers_and_convnext_pass_the_audit(make: Callable[[], nn.Module], name: str) -> None:
    torch.manual_seed(0)
    report = dropexp.audit(make(), images(16), name, p=0.3)
    report.raise_if_wrong()
    assert len(report.sites) == 2
