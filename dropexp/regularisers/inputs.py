"""Noise on a training batch before the model sees it: cutout, mixup and CutMix.

The input is the one site outside the model's forward pass: the trainer passes each batch through
``apply_input_noise``. The noise is the model's child ``input_noise`` all the same, so that it has
the model's mode and device and is copied with it.

Shapes: N examples, C channels, H × W positions, K classes.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers.base import Noise, Regulariser
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.masks import bernoulli
from dropexp.regularisers.modes import preserve_modes

_INPUT_NOISE = "input_noise"
_PROBES = 1024
_FALSE_ALARM = 1e-9  # probability that none of the probed squares is whole


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

    def forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the images and targets of a batch with noise in training.

        Args:
            images: (N, C, H, W), floating point, normalised; they are not changed.
            targets: classes, int64 (N,), or probabilities of classes, float (N, K).

        Returns:
            Images of the same shape, and targets of the same shape or, where mixed, (N, K).
        """
        if not self.training or self.p == 0:
            return images, targets
        return self._change(images, targets)

    @abstractmethod
    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Draw, and return the images and targets after it; p > 0."""

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; an unchanged image repeats another, and a change has two forms at least."""
        return max(1 - self.p, self.p / 2)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Cutout(InputNoise):
    """Sets a square of an image to zero, the mean of normalised images.

    DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with
    cutout", section 3: the square's centre is uniform over the image, so that part of the square
    may lie outside it. As published, p is 1.

    Args:
        p: the probability that an image is cut, in [0, 1].
        size: side of the square as a fraction of the image's shorter side, in (0, 1], at least
            one pixel. The paper uses 1/2 for CIFAR-10 and 1/4 for CIFAR-100.

    Raises:
        ValueError: p is outside [0, 1], or size outside (0, 1].
    """

    kind: ClassVar[str] = "cutout"

    def __init__(self, p: float = 1.0, size: float = 0.5) -> None:
        super().__init__(p)
        if not 0 < size <= 1:
            raise ValueError(f"size={size} is not allowed: it must be above 0 and at most 1")
        self.size = size

    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        n, _, height, width = images.shape
        side = max(1, round(self.size * min(height, width)))
        is_cut = bernoulli(images, (n, 1, 1), self.p).bool()

        def inside(length: int) -> Tensor:
            first = torch.randint(length, (n, 1), device=images.device) - side // 2
            place = torch.arange(length, device=images.device)
            return (place >= first) & (place < first + side)

        square = inside(height).unsqueeze(2) & inside(width).unsqueeze(1)
        return images.masked_fill((square & is_cut).unsqueeze(1), 0), targets

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is an image; a cut one counts as dropped.

        Raises:
            AuditError: no square has the requested size, or one is larger.
        """
        height, width = x.shape[2:]
        with preserve_modes(self):
            self.train()
            cut, _ = self(x.new_ones(_PROBES, 1, height, width), torch.zeros(_PROBES))
        gone = (cut == 0)[:, 0]
        largest = int(gone.any(2).sum(1).max()), int(gone.any(1).sum(1).max())
        side = max(1, round(self.size * min(height, width)))
        is_cut = gone.flatten(1).any(1)
        # Along an axis a square is clipped if its centre is within half a side of the edge.
        clipped = min(side / min(height, width), 1 - 1 / max(height, width))
        expected = clipped ** int(is_cut.sum()) < _FALSE_ALARM
        if max(largest) > side or (expected and min(largest) < min(side, height, width)):
            raise AuditError(f"squares of up to {largest[0]} × {largest[1]} pixels, not {side}")
        return Draws(is_cut.float(), ratios=None, passes=_PROBES / len(x))

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, size={self.size}"


class _BatchMixing(InputNoise):
    """Mixes each example with its neighbour in the batch, by a transform of torchvision.

    Args:
        p: the probability that a batch is mixed, in [0, 1]; as published it is 1.
        num_classes: K.
        alpha: α > 0 of the Beta(α, α) distribution of the proportion λ.

    Raises:
        ValueError: p is outside [0, 1], or alpha is not above 0.
    """

    transform: ClassVar[str]

    def __init__(self, p: float, num_classes: int, alpha: float = 1.0) -> None:
        super().__init__(p)
        if not alpha > 0:
            raise ValueError(f"alpha={alpha} is not allowed: it must be above 0")
        self.num_classes = num_classes
        self.alpha = alpha
        self._mix: Any = None

    @property
    def draws_once_per_batch(self) -> bool:
        """See Noise."""
        return True

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; an unmixed batch repeats another, and mixing leaves at most half unmixed.

        On small images or for a small α, λ may be rounded to 1 or CutMix's box be empty.
        """
        return 1 - self.p / 2

    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if torch.rand(()) >= self.p:
            return images, targets
        if self._mix is None:
            self._mix = self._make_transform()
        mixed, probabilities = self._mix(images, targets)
        return mixed, probabilities

    def _make_transform(self) -> Any:
        # Importing torchvision takes a second, so only these two regularisers pay for it.
        from dropexp.data.torchvision_import import import_torchvision

        import_torchvision()
        from torchvision.transforms import v2

        return getattr(v2, self.transform)(alpha=self.alpha, num_classes=self.num_classes)

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is a batch; one with mixed targets counts as dropped.

        The probe is two images whose pixels all have the value of their class, so that the mean of
        a mixed image is the mean of its mixed target.

        Raises:
            AuditError: images and targets were not mixed in the same proportion.
        """
        labels = torch.tensor([0, self.num_classes - 1], device=x.device)
        images = labels.view(2, 1, 1, 1).expand(2, 1, *x.shape[2:]).float()
        classes = torch.arange(self.num_classes, device=x.device, dtype=torch.float32)
        mixed = []
        with preserve_modes(self):
            self.train()
            for _ in range(_PROBES):
                changed, targets = self(images, labels)
                mixed.append(targets.dim() == 2)
                means = targets @ classes if mixed[-1] else labels.float()
                if not torch.allclose(changed.flatten(1).mean(1), means, atol=1e-3):
                    raise AuditError("images and targets are mixed in different proportions")
        return Draws(torch.tensor(mixed, dtype=torch.float32), ratios=None)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, alpha={self.alpha}"


class Mixup(_BatchMixing):
    """Mixes images and targets: λ x + (1 − λ) x′, by ``torchvision.transforms.v2.MixUp``.

    Zhang et al. 2018, "mixup: beyond empirical risk minimization", section 2. Arguments as
    _BatchMixing's.
    """

    kind: ClassVar[str] = "mixup"
    transform: ClassVar[str] = "MixUp"


class CutMix(_BatchMixing):
    """Pastes a box of another image, and mixes the targets by its area.

    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable
    features", section 3.1, by ``torchvision.transforms.v2.CutMix``. The box may be empty on small
    images. Arguments as _BatchMixing's.
    """

    kind: ClassVar[str] = "cutmix"
    transform: ClassVar[str] = "CutMix"


class CutoutRegulariser(Regulariser):
    """Cutout on training images.

    Args:
        p: see Cutout.
        size: see Cutout.

    Raises:
        ValueError: p is outside [0, 1], or size outside (0, 1].
    """

    name: ClassVar[str] = "cutout"
    needs: ClassVar[str] = "the input"
    allows_p_of_one: ClassVar[bool] = True

    def __init__(self, p: float, size: float = 0.5) -> None:
        super().__init__(p)
        self.size = Cutout(p, size).size

    def input(self, num_classes: int) -> nn.Module:  # noqa: ARG002
        return Cutout(self.p, self.size)


class MixupRegulariser(Regulariser):
    """Mixup of training batches.

    Args:
        p: see Mixup.
        alpha: see Mixup; 1 in the paper's experiments on CIFAR-10.

    Raises:
        ValueError: p is outside [0, 1], or alpha is not above 0.
    """

    name: ClassVar[str] = "mixup"
    needs: ClassVar[str] = "the input"
    allows_p_of_one: ClassVar[bool] = True
    noise: ClassVar[type[_BatchMixing]] = Mixup

    def __init__(self, p: float, alpha: float = 1.0) -> None:
        super().__init__(p)
        self.alpha = self.noise(p, 1, alpha).alpha

    def input(self, num_classes: int) -> nn.Module:
        return self.noise(self.p, num_classes, self.alpha)


class CutMixRegulariser(MixupRegulariser):
    """CutMix of training batches; arguments as MixupRegulariser's."""

    name: ClassVar[str] = "cutmix"
    noise: ClassVar[type[_BatchMixing]] = CutMix


class InputNoiseSequence(nn.ModuleList):
    """Several modules of input noise, one after the other."""

    def forward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See InputNoise."""
        for noise in self:
            images, targets = noise(images, targets)
        return images, targets


def attach_input_noise(model: nn.Module, noise: nn.Module | None) -> None:
    """Make a regulariser's input noise a child of the model; None changes nothing."""
    if noise is not None:
        model.add_module(_INPUT_NOISE, noise)


def apply_input_noise(model: nn.Module, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Pass a batch through the model's input noise, if it has any; see InputNoise.forward."""
    noise = getattr(model, _INPUT_NOISE, None)
    if noise is None:
        return images, targets
    changed: tuple[Tensor, Tensor] = noise(images, targets)
    return changed
