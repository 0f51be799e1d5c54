"""Networks with sites: while they are built, they ask a regulariser wherever noise can enter.

A name, the shape of images, the number of classes and a regulariser come in; an initialised
network that maps images (N, C, H, W) to logits (N, classes) goes out. The package adapter finds
the sites of torchvision's networks and of a user's own.
"""

from collections.abc import Callable

from torch import nn

from dropexp.errors import ConfigError, suggest
from dropexp.models.custom import custom_model
from dropexp.models.mlp import MLP
from dropexp.models.resnet import ResNet
from dropexp.models.small_cnn import SmallCNN
from dropexp.models.third_party import get_notes, takes_single_images
from dropexp.models.torchvision_models import torchvision_model
from dropexp.regularisers import Regulariser

__all__ = [
    "MLP",
    "REGISTRY",
    "ResNet",
    "SmallCNN",
    "build",
    "custom_model",
    "get_notes",
    "takes_single_images",
    "torchvision_model",
]

ImageShape = tuple[int, int, int]

REGISTRY: dict[str, Callable[..., nn.Module]] = {
    "small_cnn": SmallCNN,
    "mlp": MLP,
    "resnet": ResNet,
    "torchvision": torchvision_model,
    "custom": custom_model,
}


def build(
    name: str,
    image_shape: ImageShape,
    num_classes: int,
    regulariser: Regulariser,
    **options: object,
) -> nn.Module:
    """Build a freshly initialised network: images (N, C, H, W) to logits (N, num_classes).

    Args:
        name: a key of REGISTRY.
        image_shape: (C, H, W) of one image.
        num_classes: number of logits.
        regulariser: fills the network's sites.
        options: the keyword arguments of REGISTRY[name].

    Raises:
        ConfigError: the name is not known, the images are too small for the network, or a network
            of torchvision's or of the user's own cannot be built as asked.
    """
    if name not in REGISTRY:
        raise ConfigError(f"model.name={name} is not known. {suggest(name, REGISTRY)}")
    return REGISTRY[name](image_shape, num_classes, regulariser, **options)
