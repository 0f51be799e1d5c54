"""Build small networks and train them on the embedded digits for a few seconds.

This training loop is minimal; it serves quick claims about the features of a trained network.
Studies train with dropexp's own commands.
"""

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dropexp import data, models, regularisers
from dropexp.config.compose import compose_run
from dropexp.data import Splits
from dropexp.randomness import global_stream, stream
from dropexp.training.modes import in_mode

BATCH = 64


@cache
def load_splits(seed: int) -> Splits:
    """Return 400 training images of digits with correct labels, and validation and test images."""
    return data.load(compose_run(["data.label_noise=0", f"seed={seed}"]).data)


def build_small_cnn(splits: Splits, seed: int, regulariser: str, p: float, width: int) -> nn.Module:
    """Build the small CNN; its initial weights depend on the seed and not on the regulariser."""
    with global_stream(seed, "init"):
        filler = regularisers.build(regulariser, p)
        shape, classes = splits.image_shape, splits.num_classes
        return models.build("small_cnn", shape, classes, filler, width=width)


def train(model: nn.Module, splits: Splits, seed: int, epochs: int) -> None:
    """Train with Adam at 1e-3 in batches of 64; the order of images depends on the seed only."""
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = splits.normalise(splits.train.images)
    with in_mode(model, training=True):
        for epoch in range(1, epochs + 1):
            order = torch.randperm(len(images), generator=stream(seed, "order", epoch))
            with global_stream(seed, "masks", epoch):
                for batch in order.split(BATCH):
                    loss = F.cross_entropy(model(images[batch]), splits.train.labels[batch])
                    optimiser.zero_grad()
                    torch.autograd.backward(loss)
                    optimiser.step()


@torch.no_grad()
def compute_second_maps(model: nn.Module, images: Tensor, *, training: bool) -> Tensor:
    """Return the maps after conv2 and its noise, before ReLU, (N, C, H, W), of (N, 1, H, W)."""
    caught: list[Tensor] = []

    def catch(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        caught.append(output)

    dropout2 = model.get_submodule("dropout2")
    handle = dropout2.register_forward_hook(catch)
    with in_mode(model, training=training):
        model(images)
    handle.remove()
    return caught[0]
