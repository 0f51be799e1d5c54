"""Networks with sites: they ask a regulariser where noise can enter and know none by name.

In torchvision's networks and in a user's own, dropexp.adapter finds the sites and asks.
"""

from collections.abc import Callable

from torch import nn

from dropexp.errors import ConfigError, suggest
from dropexp.models.custom import custom_model
from dropexp.models.mlp import MLP
from dropexp.models.resnet import ResNet
from dropexp.models.small_cnn import SmallCNN
from dropexp.models.third_party import notes, takes_single_images
from dropexp.models.torchvision_models import torchvision_model
from dropexp.regularisers import Regulariser

__all__ = [
    "MLP",
    "REGISTRY",
    "ResNet",
    "SmallCNN",
    "build",
    "custom_model",
    "notes",
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
    """A freshly initialised network for images (N, C, H, W) -> logits (N, num_classes).

    Args:
        name: a key of REGISTRY.
        image_shape: (C, H, W) of one image.
        num_classes: number of logits.
        regulariser: fills the network's sites.
        options: the fields of the model's config beside its name.

    Raises:
        ConfigError: the name is not known, the images are too small for the network, or it is
            torchvision's or custom and what it is asked for cannot be had.
    """
    if name not in REGISTRY:
        raise ConfigError(f"model.name={name} is not known. {suggest(name, REGISTRY)}")
    return REGISTRY[name](image_shape, num_classes, regulariser, **options)
