"""Estimate the work of a training step from the config alone, before any data is read; no torch."""

from dropexp.config.data_section import (
    ArraysConfig,
    CustomDataConfig,
    DataConfig,
    ImageFolderConfig,
)
from dropexp.config.model_section import (
    MLPConfig,
    ModelConfig,
    ResNetConfig,
    SmallCNNConfig,
    TorchvisionConfig,
)
from dropexp.config.run_config import RunConfig

_IMAGE_SHAPES = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion_mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
    "svhn": (3, 32, 32),
    "mnist1d": (1, 1, 40),
}
_OWN_SHAPE = (3, 32, 32)
"""Stands for images whose shape only their file or function tells: a run's threads follow from its
config alone, so that the same run has the same digits."""

_CLASSES = 10  # the classifier is a small part of a network

_TORCHVISION_WORK = 25_000
"""Multiply-adds of a layer for each pixel of an image: those of resnet18 and resnet50."""

_LIGHT_TORCHVISION_WORK = 500
_LIGHT_NETWORKS = ("efficientnet", "mnasnet", "mobilenet", "shufflenet", "squeezenet")

_CUSTOM_WORK = 5_000
"""Of a network that only its author knows: between resnet20 (2,000) and a small CNN (25,000)."""


def estimate_layer_work(config: RunConfig) -> float:
    """Estimate the multiply-adds of one layer with weights, forward, for one training batch.

    It is the mean over the layers, because a step waits for all threads in each layer.
    """
    batch = config.train.batch_size
    size = config.data.train_size
    if isinstance(size, int):
        batch = min(batch, size)
    return batch * _estimate_image_work(config.model, find_image_shape(config.data))


def find_image_shape(data: DataConfig) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of a data set's images, 3×32×32 where the config does not tell."""
    if isinstance(data, ImageFolderConfig):
        return 1 if data.grayscale else 3, data.image_size, data.image_size
    if isinstance(data, ArraysConfig | CustomDataConfig):
        return _OWN_SHAPE
    return _IMAGE_SHAPES[data.name]


def _estimate_image_work(model: ModelConfig, shape: tuple[int, int, int]) -> float:
    """Return the multiply-adds of a layer for one image, the mean over the layers."""
    channels, height, width = shape
    pixels = height * width
    match model:
        case SmallCNNConfig():
            first = 9 * channels * model.width * pixels
            second = 9 * model.width * 2 * model.width * pixels
            head = 2 * model.width * _CLASSES * (pixels if model.head == "flatten" else 1)
            return (first + second + head) / 3
        case MLPConfig():
            sizes = (channels * pixels, *model.hidden, _CLASSES)
            return sum(map(int.__mul__, sizes, sizes[1:])) / (len(sizes) - 1)
        case ResNetConfig():
            # Each stage halves the sides and doubles the channels, so all layers have equal work.
            return 9 * model.width**2 * pixels
        case TorchvisionConfig():
            is_light = model.arch.startswith(_LIGHT_NETWORKS)
            return pixels * (_LIGHT_TORCHVISION_WORK if is_light else _TORCHVISION_WORK)
        case _:
            return pixels * _CUSTOM_WORK
