"""Networks of timm: the doctor is silent, their own noise is switched off, sites are found."""

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

import dropexp
from dropexp.data.torchvision_import import import_torchvision
from dropexp.models import get_notes
from dropexp.models.third_party import disable_own_noise
from dropexp.regularisers import preserve_modes

NETWORKS = {
    "resnet10t": (64, {"drop_path_rate": 0.2}),
    "vit_tiny_patch16_224": (32, {"drop_path_rate": 0.2, "img_size": 32, "depth": 2}),
    "mobilenetv3_small_050": (32, {"drop_path_rate": 0.2}),
    "regnetx_002": (32, {"drop_path_rate": 0.2}),
    "convnext_atto": (32, {"drop_path_rate": 0.2}),
    "efficientnet_b0": (32, {"drop_path_rate": 0.2}),
    "densenet121": (32, {}),
    "cait_xxs24_224": (32, {"drop_path_rate": 0.2, "img_size": 32}),
    "swin_tiny_patch4_window7_224": (56, {"drop_path_rate": 0.2, "img_size": 56}),
    "poolformer_s12": (32, {"drop_path_rate": 0.2}),
}
"""Name → side of the images, and options that switch on the network's stochastic depth."""

WITHOUT_BRANCHES = ("densenet121",)
QUICK = ("vit_tiny_patch16_224",)

every_network = pytest.mark.parametrize(
    "name",
    [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in NETWORKS],
)


@pytest.fixture(scope="module")
def timm() -> ModuleType:
    import_torchvision()
    pytest.importorskip("timm")
    return importlib.import_module("timm")


@cache
def make(name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = importlib.import_module("timm").create_model(name, num_classes=3, **options)
    return model


def images(name: str) -> torch.Tensor:
    side = NETWORKS[name][0]
    return torch.randn(8, 3, side, side, generator=torch.Generator().manual_seed(1))


def is_noisy(model: nn.Module, x: torch.Tensor) -> bool:
    """Return whether two training passes differ."""
    with preserve_modes(model), torch.no_grad():
        model.train()
        first, second = model(x), model(x)
    return not torch.equal(first, second)


@every_network
def test_the_doctor_raises_no_alarm(name: str, timm: ModuleType) -> None:
    options = NETWORKS[name][1]
    resized = {key: value for key, value in options.items() if key in ("img_size", "depth")}
    assert dropexp.diagnose(make(name, **resized), images(name)[:2]).errors == ()


@every_network
def test_the_doctor_measures_its_stochastic_depth(name: str, timm: ModuleType) -> None:
    options = NETWORKS[name][1]
    report = dropexp.diagnose(make(name, drop_rate=0.2, **options), images(name)[:2])
    assert report.errors == ()
    paths = [each for each in report.sites if each.what == "DropPath" and each.drop_rate]
    assert {each.axis for each in paths} == (set() if name in WITHOUT_BRANCHES else {"examples"})
    for each in paths:
        assert each.p is not None
        assert each.drop_rate == pytest.approx(each.p, abs=0.05)
        assert each.scale == pytest.approx(1 / (1 - each.p), rel=0.01)


@every_network
def test_its_own_noise_is_switched_off(name: str, timm: ModuleType) -> None:
    side, options = NETWORKS[name]
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(name, num_classes=3, drop_rate=0.2, **options)
    x = images(name)
    with torch.no_grad():
        assert is_noisy(model, x)
    disable_own_noise(model, (3, side, side))
    assert not is_noisy(model, x)
    assert "the network's own dropout is off" in get_notes(model)[0]


@every_network
def test_the_audit_passes_with_sites_in_it(name: str, timm: ModuleType) -> None:
    options = NETWORKS[name][1]
    model = make(name, drop_rate=0.2, **options)
    regulariser = "dropout" if name in WITHOUT_BRANCHES else "stochastic_depth"
    report = dropexp.audit(model, images(name), regulariser, p=0.3)
    report.raise_if_wrong()
    assert report.sites
