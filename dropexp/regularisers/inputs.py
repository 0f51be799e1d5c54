"""Noise on a training batch before the model sees it.

The input is the one site outside the model's forward pass: the training loop passes each batch
through ``apply_input_noise``. Yet the noise is the model's child ``input_noise``, so that it has
the model's mode and device and is copied with it.

Shapes: N examples, C channels, H × W positions, K classes.
"""

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from dropexp.regularisers.base import Noise

_INPUT_NOISE = "input_noise"


class InputNoise(nn.Module, Noise):
    """Changes training images, or images and targets, with probability p; off in eval mode.

    Args:
        p: the probability that an image (or a batch) is changed, in [0, 1].

    Raises:
        ValueError: p is outside [0, 1].
    """

    allows_p_of_one: ClassVar[bool] = True

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(
        self, images: Tensor, targets: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return the images and targets of a batch with noise in training.

        Args:
            images: (N, C, H, W), floating point, normalised; they are not changed.
            targets: classes, int64 (N,), or probabilities of classes, float (N, K). None where a
                model that is an nn.Sequential calls its child: then the input is the output.

        Returns:
            Images of the same shape, and targets of the same shape or, where mixed, (N, K).
        """
        if targets is None:
            return images
        if not self.training or self.p == 0:
            return images, targets
        return self._change(images, targets)

    @abstractmethod
    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return randomly changed images and targets; p is above 0."""

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; unchanged images are alike, and a changed one has at least two forms."""
        return max(1 - self.p, self.p / 2)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class InputNoiseSequence(nn.ModuleList):
    """Several modules of input noise, one after the other."""

    def forward(
        self, images: Tensor, targets: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """See InputNoise."""
        if targets is None:
            return images
        for noise in self:
            images, targets = noise(images, targets)
        return images, targets


def attach_input_noise(model: nn.Module, noise: nn.Module | None) -> None:
    """Make a regulariser's input noise a child of the model; None changes nothing."""
    if noise is not None:
        model.add_module(_INPUT_NOISE, noise)


def apply_input_noise(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return a batch after the model's input noise, if it has any; see InputNoise.forward."""
    noise = getattr(model, _INPUT_NOISE, None)
    if noise is None:
        return images, targets
    changed: tuple[Tensor, Tensor] = noise(images, targets)
    return changed
