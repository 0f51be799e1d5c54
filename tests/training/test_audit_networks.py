"""The audit of networks that are not dropexp's: right about correct ones, and it catches wrong."""

import copy
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dropexp
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import AuditError, SitesError
from dropexp.terminal.numbers import list_few
from dropexp.training.audit_report import USUAL_CAUSES, AuditReport
from tests.doctor import networks

CLASSES = 3

FAMILIES = {
    "squeezenet1_1": 32,
    "mobilenet_v3_small": 32,
    "resnet18": 16,
    "shufflenet_v2_x0_5": 32,
    "alexnet": 64,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "regnet_y_400mf": 32,
    "vgg11": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "densenet121": 32,
    "resnext50_32x4d": 32,
    "wide_resnet50_2": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "vit_b_32": 32,
    "convnext_tiny": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "maxvit": 32,
}
"""A network of each family of torchvision → the side of the images that it is audited with."""

QUICK = ("squeezenet1_1",)


def slow_unless_quick(arch: str) -> object:
    return arch if arch in QUICK else pytest.param(arch, marks=pytest.mark.slow)


@cache
def make_family(arch: str) -> nn.Module:
    options: dict[str, object] = {"num_classes": CLASSES}
    if arch.startswith("vit"):
        options["image_size"] = FAMILIES[arch]
    if arch in ("googlenet", "inception_v3"):
        options |= {"aux_logits": False, "init_weights": False}
    torch.manual_seed(0)
    if arch == "maxvit":  # torchvision's only one takes images of 224 × 224
        small: nn.Module = import_torchvision().models.MaxVit(
            (32, 32), 8, 2, [8, 16], [1, 1], 8, 0.2, num_classes=CLASSES
        )
        return small
    model: nn.Module = import_torchvision().models.get_model(arch, **options)
    return model


@pytest.mark.parametrize("arch", [slow_unless_quick(arch) for arch in FAMILIES])
def test_every_family_of_torchvision_passes(arch: str) -> None:
    side = FAMILIES[arch]
    x = torch.randn(8, 3, side, side)
    for regulariser in ("dropout", "stochastic_depth")[: 1 if arch in QUICK else 2]:
        try:
            report = dropexp.audit(make_family(arch), x, regulariser, p=0.3)
        except SitesError:
            assert regulariser == "stochastic_depth"
            continue
        report.raise_if_wrong()
        assert report.sites


class ZeroInitialised(nn.Module):
    """Goyal et al. 2017: the last normalisation of each branch begins with zero."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(ZeroBlock(), ZeroBlock())
        self.head = nn.Linear(4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]


class ZeroBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))  # type: ignore[no-any-return]


def make_transformer() -> nn.Module:
    import_torchvision()
    from torchvision.models import VisionTransformer

    model: nn.Module = VisionTransformer(8, 4, 1, 2, 8, 16, num_classes=CLASSES)
    return model


@pytest.mark.parametrize(
    ("make", "regulariser"),
    [
        (ZeroInitialised, "dropout2d"),
        (ZeroInitialised, "stochastic_depth"),
        (ZeroInitialised, "dropconnect"),
        (make_transformer, "dropout"),
        (make_transformer, "dropconnect"),
        (make_transformer, "stochastic_depth"),
    ],
)
def test_weights_that_begin_with_zero_hide_nothing(make: type[nn.Module], regulariser: str) -> None:
    torch.manual_seed(0)
    model = make()
    before = copy.deepcopy(model.state_dict())
    report = dropexp.audit(model, networks.images(16), regulariser, p=0.3)
    report.raise_if_wrong()
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def list_failures(report: AuditReport) -> set[str]:
    return {check.name for check in report.failures}


@pytest.mark.parametrize(
    ("network", "names"),
    [
        (networks.LayersInList, ["layers[0].weight", "layers[0].bias", "and 1 more"]),
        (networks.KernelAsAttribute, ["does not register: kernel)"]),
        (networks.LayerInForward, ["that no attribute of the network holds"]),
    ],
)
def test_tensors_that_are_not_registered_are_named(
    network: type[nn.Module], names: list[str]
) -> None:
    report = dropexp.audit(network(), networks.images(16), "dropconnect", p=0.3)
    assert "registered" in list_failures(report)
    for name in names:
        assert name in report.summarise()
    assert "nn.ModuleList" in report.summarise()


def test_what_is_computed_from_registered_tensors_is_registered() -> None:
    dropexp.audit(networks.KernelAsBuffer(), networks.images(16), "dropout2d").raise_if_wrong()


def test_dropout_in_evaluation_shows_behind_a_head_of_zeros() -> None:
    report = dropexp.audit(networks.SilentHeadAlwaysOn(), networks.images(16), "dropout2d")
    assert {"evaluation_passes", "evaluation_equals_none"} <= list_failures(report)


def test_a_failed_check_says_its_name_value_bound_and_usual_cause() -> None:
    report = dropexp.audit(networks.AlwaysOn(), networks.images(16), "dropout2d")
    with pytest.raises(AuditError, match=r"evaluation_passes is [\d.]+, allowed <= 0 \(") as error:
        report.raise_if_wrong()
    assert "usual cause: F.dropout without training=self.training" in str(error.value)


def test_every_check_has_a_usual_cause() -> None:
    report = dropexp.audit(networks.Net(), networks.images(16), "dropout2d", p=0.3)
    assert {check.name for check in report.checks} <= set(USUAL_CAUSES)


def test_of_many_names_a_few_are_shown() -> None:
    assert list_few([f"layer{index}" for index in range(24)]) == (
        "layer0, layer1, layer2 and 21 more"
    )


def test_a_regulariser_that_is_in_the_network_is_audited_as_it_is() -> None:
    model = networks.Net()
    dropexp.regularise(model, "dropout2d", p=0.3)
    report = dropexp.audit(model, networks.images(16))
    report.raise_if_wrong()
    assert list(report.sites.values()) == [0.3]


@pytest.mark.parametrize(
    "network", [networks.Net, networks.RateAsAttribute, networks.WithDropPath, networks.Recurring]
)
def test_the_networks_own_dropout_takes_no_part(network: type[nn.Module]) -> None:
    model = network()
    dropexp.audit(model, networks.images(16), "dropconnect", p=0.3).raise_if_wrong()
    assert dropexp.diagnose(model, networks.images()).sites[0].p != 0


def test_own_dropout_that_cannot_be_switched_off_is_refused() -> None:
    report = dropexp.audit(networks.FollowsMode(), networks.images(16), "dropconnect", p=0.3)
    assert "p0_equals_none" in list_failures(report)
    assert "own dropout" in report.summarise()
