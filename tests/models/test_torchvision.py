"""torchvision's networks, made to fit small images, few channels and other classes."""

import pytest
import torch
from torch import nn

from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import ConfigError
from dropexp.models import build_torchvision_model, get_notes, takes_single_images
from dropexp.regularisers import Regulariser, SiteRecorder, build, find_noise_modules

DIGITS = (1, 8, 8)


def build_network(
    arch: str, shape: tuple[int, int, int] = DIGITS, regulariser: Regulariser | None = None
) -> nn.Module:
    torch.manual_seed(0)
    return build_torchvision_model(shape, 10, regulariser or Regulariser(), arch=arch)


@pytest.mark.parametrize(
    "arch", ["resnet18", "squeezenet1_0", "mobilenet_v2", "shufflenet_v2_x0_5", "mnasnet0_5"]
)
def test_the_network_fits_the_data(arch: str) -> None:
    model = build_network(arch)
    assert model.eval()(torch.randn(3, *DIGITS)).shape == (3, 10)
    stem = next(each for each in model.modules() if isinstance(each, nn.Conv2d))
    assert (stem.in_channels, stem.kernel_size, stem.stride) == (1, (3, 3), (1, 1))
    assert any("3×3 with stride 1" in note for note in get_notes(model))


def test_large_images_and_keep_leave_the_stem_as_it_is() -> None:
    for model in (
        build_network("resnet18", (3, 64, 64)),
        build_torchvision_model((3, 32, 32), 10, Regulariser(), small_images="keep"),
    ):
        stem = model.get_submodule("conv1")
        assert isinstance(stem, nn.Conv2d)
        assert (stem.kernel_size, stem.stride) == ((7, 7), (2, 2))
        assert isinstance(model.get_submodule("maxpool"), nn.MaxPool2d)
        assert get_notes(model) == ("its head is left plain (fc)",)


def test_a_grey_image_gives_the_same_logits_as_in_rgb() -> None:
    grey = torch.rand(2, 1, 64, 64)
    ours = build_network("resnet18", (1, 64, 64)).eval()(grey)
    theirs = build_network("resnet18", (3, 64, 64)).eval()(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_an_adapted_first_layer_keeps_the_variance_of_its_output(channels: int) -> None:
    x = torch.randn(2, 1, 32, 32)  # equal channels, as those of photographs nearly are
    spreads = []
    for shape in ((3, 64, 64), (channels, 8, 8)):
        model = build_network("resnet18", shape)
        out = model.get_submodule("conv1")(x.expand(-1, shape[0], -1, -1)).detach()
        spreads.append(float(out[:, :, 4:-4, 4:-4].std()))
    assert spreads[1] == pytest.approx(spreads[0], rel=0.25)


def test_initial_weights_do_not_depend_on_the_regulariser() -> None:
    plain = build_network("mobilenet_v3_small").state_dict()
    noisy = build_network("mobilenet_v3_small", regulariser=build("dropconnect", 0.3)).state_dict()
    assert plain.keys() == noisy.keys()
    assert all(torch.equal(plain[name], noisy[name]) for name in plain)


def test_its_own_noise_is_switched_off_and_noted() -> None:
    stochastic_depth = import_torchvision().ops.StochasticDepth
    model = build_network("efficientnet_b0", (3, 32, 32))
    own = [each for each in model.modules() if isinstance(each, nn.Dropout | stochastic_depth)]
    assert own
    assert all(each.p == 0 for each in own)
    assert any("own dropout is off" in note for note in get_notes(model))
    outs = [model(torch.ones(2, 3, 32, 32)) for _ in range(2)]
    assert torch.equal(*outs)


def test_an_unknown_architecture_is_refused_with_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"model\.arch=resnet81 .*Did you mean.*resnet18"):
        build_network("resnet81")
    with pytest.raises(ConfigError, match=r"model\.arch=fcn_resnet50 is not known"):
        build_network("fcn_resnet50")  # a network for segmentation


@pytest.mark.parametrize(
    ("arch", "shape", "why"),
    [
        ("vit_b_32", (1, 8, 8), "indivisible by patch size"),
        ("vit_b_32", (1, 32, 64), "square"),
        ("maxvit_t", (3, 32, 32), "not divisible by partition size"),
        ("inception_v3", (3, 16, 16), "Kernel size can't be greater than actual input size"),
    ],
)
def test_images_that_do_not_fit_are_refused_in_one_line(
    arch: str, shape: tuple[int, int, int], why: str
) -> None:
    size = f"{shape[1]}×{shape[2]}"
    with pytest.raises(ConfigError, match=rf"(?s)model\.arch={arch}.*{size}") as error:
        build_network(arch, shape)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


def test_sites_may_be_chosen() -> None:
    regulariser = build("dropout2d", 0.3)
    model = build_torchvision_model(DIGITS, 10, regulariser, sites=["layer3.*", "layer4.*"])
    assert len(find_noise_modules(model)) == 4


def test_its_sites_can_be_listed() -> None:
    recorder = SiteRecorder()
    build_network("resnet18", regulariser=recorder)
    assert recorder.describe() == "9 activations (maps), 20 weights (convolution), 8 branches"


def test_a_single_image_is_too_few_for_statistics_of_single_positions() -> None:
    assert not takes_single_images(build_network("resnet18"), DIGITS)
    assert takes_single_images(build_network("resnet18", (1, 16, 16)), (1, 16, 16))
    assert takes_single_images(build_network("squeezenet1_1"), DIGITS)
