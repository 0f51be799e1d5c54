"""Networks that ask a regulariser for noise at each of their sites while they are built.

A name, the shape of images, the number of classes and a regulariser come in; an initialised
network that maps images (N, C, H, W) to logits (N, num_classes) goes out. The package adapter
finds the sites of networks that were not written for dropexp.
"""

from collections.abc import Callable

from torch import nn

from dropexp.data import ImageShape
from dropexp.errors import ConfigError, suggest
from dropexp.models.custom import build_custom_model
from dropexp.models.fine_tuning import prepare_fine_tuning, record_fine_tuning
from dropexp.models.freezing import find_held_modules
from dropexp.models.heads import is_in_head
from dropexp.models.mlp import MLP
from dropexp.models.name_patterns import matches, refuse_idle_patterns
from dropexp.models.resnet import ResNet
from dropexp.models.small_cnn import SmallCNN
from dropexp.models.third_party import get_notes, takes_single_images
from dropexp.models.torchvision_models import build_torchvision_model
from dropexp.models.trained_sites import keep_trained_sites
from dropexp.regularisers import Regulariser

__all__ = [
    "MLP",
    "REGISTRY",
    "ResNet",
    "SmallCNN",
    "build",
    "build_custom_model",
    "build_torchvision_model",
    "find_held_modules",
    "get_notes",
    "is_in_head",
    "keep_trained_sites",
    "matches",
    "prepare_fine_tuning",
    "record_fine_tuning",
    "refuse_idle_patterns",
    "takes_single_images",
]

REGISTRY: dict[str, Callable[..., nn.Module]] = {
    "small_cnn": SmallCNN,
    "mlp": MLP,
    "resnet": ResNet,
    "torchvision": build_torchvision_model,
    "custom": build_custom_model,
}


def build(
    name: str,
    image_shape: ImageShape,
    num_classes: int,
    regulariser: Regulariser,
    **options: object,
) -> nn.Module:
    """Return an initialised network that maps images (N, C, H, W) to logits (N, num_classes).

    Args:
        name: a key of REGISTRY.
        image_shape: (C, H, W) of one image.
        num_classes: the number of logits.
        regulariser: fills the network's sites.
        options: the keyword arguments of REGISTRY[name].

    Raises:
        ConfigError: the name is unknown, the images are too small, or a network of torchvision or
            of the user cannot be built with these options.
    """
    if name not in REGISTRY:
        raise ConfigError(f"model.name={name} is not known. {suggest(name, REGISTRY)}")
    return REGISTRY[name](image_shape, num_classes, regulariser, **options)
