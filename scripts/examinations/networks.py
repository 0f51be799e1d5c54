"""The published networks that the doctor examines, in the state in which they are constructed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from torch import nn

from claims.dropout2d import ArticleModel
from dropexp.data.torchvision_import import import_torchvision

Make = Callable[[], nn.Module]


@dataclass(frozen=True)
class Published:
    """A network and the images that it is examined with.

    Attributes:
        source: where it comes from.
        name: of the network.
        make: constructs it.
        channels: of its images.
        side: of its images, as small as it takes.
    """

    source: str
    name: str
    make: Make
    side: int
    channels: int = 3


TORCHVISION = {
    "alexnet": 64,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "maxvit_t": 224,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_y_400mf": 32,
    "resnet18": 32,
    "resnext50_32x4d": 32,
    "wide_resnet50_2": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 32,
    "swin_v2_t": 32,
    "vgg11": 32,
    "vit_b_32": 32,
}
"""A network of every family of torchvision → side of the images."""

TIMM = {
    "resnet10t": 64,
    "resnetv2_50": 64,
    "convnext_atto": 64,
    "convnextv2_atto": 64,
    "vit_tiny_patch16_224": 64,
    "deit_tiny_patch16_224": 64,
    "deit3_small_patch16_224": 64,
    "cait_xxs24_224": 64,
    "swin_tiny_patch4_window7_224": 56,
    "efficientnet_b0": 64,
    "tf_efficientnetv2_b0": 64,
    "mobilenetv3_small_050": 64,
    "mobilenetv4_conv_small": 64,
    "regnetx_002": 64,
    "densenet121": 64,
    "mixer_s32_224": 224,
    "gmlp_ti16_224": 224,
    "resmlp_12_224": 224,
    "poolformer_s12": 64,
    "nfnet_l0": 64,
    "ghostnet_050": 64,
    "levit_128s": 224,
    "efficientformer_l1": 224,
    "coatnet_nano_rw_224": 224,
    "xcit_nano_12_p16_224": 64,
    "edgenext_xx_small": 64,
    "fastvit_t8": 64,
    "hrnet_w18_small": 64,
    "dla34": 64,
    "repvgg_a0": 64,
}
"""Networks of timm → side of the images."""

_RESIZABLE = ("vit_tiny", "deit", "beit", "cait", "swin_", "xcit")


def list_networks() -> Iterator[Published]:
    """Yield the article's network, then those of torchvision and of timm."""
    yield Published(
        "the article", "MyModel (functional dropout2d)", partial(ArticleModel, modules=False), 8
    )
    for name, side in TORCHVISION.items():
        options: dict[str, Any] = {"image_size": side} if name.startswith("vit") else {}
        if name in ("googlenet", "inception_v3"):
            options = {"aux_logits": False, "init_weights": False}
        yield Published("torchvision", name, partial(_make_torchvision, name, options), side)
    for name, side in TIMM.items():
        options = {}
        if side != 224 and name.startswith(_RESIZABLE):
            options = {"img_size": side}
        yield Published("timm", name, partial(_make_timm, name, options), side)


def _make_torchvision(name: str, options: dict[str, Any]) -> nn.Module:
    model: nn.Module = import_torchvision().models.get_model(name, num_classes=5, **options)
    return model


def _make_timm(name: str, options: dict[str, Any]) -> nn.Module:
    import_torchvision()
    model: nn.Module = import_module("timm").create_model(name, num_classes=5, **options)
    return model
